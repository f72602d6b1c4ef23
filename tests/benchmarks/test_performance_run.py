"""The whole measurement on a tiny case: everybody takes part, and tables and a picture come of it."""

import json

import pytest

pytest.importorskip("einops")
pytest.importorskip("monai")
from benchmarks.performance.__main__ import main
from benchmarks.performance.tables import PARTS
from recoseg_hf.imaging import inflating


def test_everything_runs_on_a_tiny_case(tmp_path, capsys, threads, tiny_model):
    threads(1)
    unpacks_by, output = inflating.isal_zlib, tmp_path / "performance.json"
    main(["--quick", "--threads", "1", "--model", str(tiny_model), "--output", str(output)])
    assert inflating.isal_zlib is unpacks_by  # what follows writes the same bytes as ever
    result = json.loads(output.read_text(encoding="utf-8"))
    assert result["quick"]
    assert all(row["seconds"]["median"] > 0 for row in result["rows"])
    own = next(row for row in result["rows"] if row["name"] == "ours_mask")
    assert result["case"]["shape"] == [60, 60, 4]
    slices, steps = result["case"]["slices_with_brain"], own["about"]["steps"]
    nets = own["about"]["nets"]
    assert nets["synthesizer"]["slices"] == steps * slices
    assert nets["segmenter"]["slices"] % slices == 0
    assert 0 <= own["about"]["dice"] <= 1
    assert result["case"]["name"] == "simulated-0-4"
    assert [row["cases"] for row in result["scale"]["cohort"]] == [1, 2]
    assert output.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
    assert (result["failed"], result["scale_failed"]) == ({}, {})
    said = capsys.readouterr().out
    assert all(part(result) in said for part in PARTS)
    assert "A quick run, whose times mean nothing" in said
    again = tmp_path / "again.json"
    main(["--from", str(tmp_path / "performance.raw.json"), "--output", str(again)])
    assert again.read_bytes() == output.read_bytes()
