"""`recoseg demo` on a coarse simulated case: the path is whole, the score is a tiny model's."""

import json
import re

import pytest

from recoseg_hf.cli.demo import run_demo
from recoseg_hf.imaging.case import Case

SHAPE = (48, 48, 31)  # voxels of 5 mm


def test_simulates_predicts_and_compares(tiny_model, tmp_path, capsys):
    pytest.importorskip("nilearn")
    run_demo(tmp_path, seed=3, model=str(tiny_model), shape=SHAPE)
    told = capsys.readouterr()
    report = json.loads((tmp_path / "results" / "simulated-3_report.json").read_text())
    assert report["grid"]["shape"] == list(SHAPE)
    assert report["settings"]["seed"] == 3
    assert "simulate" in report["seconds"]
    assert Case.from_folder(tmp_path / "case" / "simulated-3").seg.data.any()
    assert re.search(r"Dice: +[01]\.\d{3} against the simulated \d+\.\d mL", told.out)
    assert f"Results:      {tmp_path / 'results'}\n" in told.out
    assert "Warning: The voxels are 5 x 5 x 5 mm" in told.err
