"""`recoseg evaluate` on masks with a known overlap."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from recoseg_hf.cli import app
from tests.factories import labels, save, save_case


@pytest.fixture
def folders(tmp_path):
    """Two references; one has a mask that is exact but for a doubled region."""
    for subject in ("sub-01", "sub-02"):
        save_case(tmp_path / "references", subject)
    truth = labels() > 0
    save(tmp_path / "predictions" / "sub-01_mask.nii.gz", truth.astype(np.uint8))
    half = truth.copy()
    half[np.flatnonzero(truth.any(axis=(1, 2)))[0]] = False  # one of the three labels is missed
    save(tmp_path / "predictions" / "sub-02_mask.nii.gz", half.astype(np.uint8))
    return tmp_path


def evaluate(folders, *arguments):
    command = ["evaluate", folders / "predictions", folders / "references", "-o", folders / "metrics.json", *arguments]
    return CliRunner().invoke(app, list(map(str, command)))


def test_writes_numbers_and_tells_them(folders):
    result = evaluate(folders)
    assert (result.exit_code, result.stderr) == (0, "")
    metrics = json.loads((folders / "metrics.json").read_text())
    assert metrics["n"] == 2
    assert metrics["volume"]["dice"]["value"] == pytest.approx((1 + 0.8) / 2)
    assert "Dice per volume:" in result.stdout
    assert "0.900" in result.stdout
    assert str(folders / "metrics.json") in result.stdout


def test_one_subject(folders):
    assert evaluate(folders, "--subject", "sub-02").exit_code == 0
    metrics = json.loads((folders / "metrics.json").read_text())
    assert (metrics["n"], metrics["volume"]["dice"]["value"]) == (1, pytest.approx(0.8))


def test_a_missing_prediction_is_an_error_unless_allowed(folders):
    (folders / "predictions" / "sub-02_mask.nii.gz").unlink()
    result = evaluate(folders)
    assert result.exit_code == 3
    assert "no mask for 1 of 2 reference subjects: sub-02" in result.stderr
    assert not (folders / "metrics.json").exists()
    allowed = evaluate(folders, "--allow-missing")
    assert allowed.exit_code == 0
    assert "Missing predictions:" in allowed.stdout


def test_an_earlier_file_stays_unless_asked(folders):
    (folders / "metrics.json").write_text("mine")
    assert evaluate(folders).exit_code == 3
    assert (folders / "metrics.json").read_text() == "mine"
    assert evaluate(folders, "--overwrite").exit_code == 0


def test_more_on_demand(folders):
    pytest.importorskip("monai")
    quick, full = evaluate(folders), evaluate(folders, "--full", "--overwrite")
    assert full.exit_code == 0
    metrics = json.loads((folders / "metrics.json").read_text())
    assert metrics["surface"]["nsd"]["n"] == metrics["paper"]["n"] == 2
    for label in ("HD95:", "NSD:", "Lesion-wise Dice:", "AUPRC of FLAIR intensity for WT:", "Dice per volume, paper:"):
        assert label in full.stdout
        assert label not in quick.stdout


def test_takes_what_predict_writes(tiny_model, tmp_path):
    case = save_case(tmp_path / "references", "sub-01", (20, 22, 9))
    runner, out = CliRunner(), tmp_path / "predictions"
    predicted = runner.invoke(app, ["predict", str(case), "-o", str(out), "--model", str(tiny_model), "--device=cpu"])
    assert predicted.exit_code == 0
    assert evaluate(tmp_path).exit_code == 0
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    report = json.loads((out / "sub-01_report.json").read_text())
    assert metrics["subjects"][0]["prediction_ml"] == pytest.approx(report["results"]["tumour_volume_ml"])
    assert metrics["synthesis"]["psnr"]["value"] > 0
