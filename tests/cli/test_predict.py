"""`recoseg predict` with a tiny real model."""

import json
import threading
from typing import get_args

import numpy as np
import pytest
from typer.testing import CliRunner

from recoseg_hf.cli import app
from recoseg_hf.cli.predict import ResidualSource
from recoseg_hf.imaging.case import brain_of_scans
from recoseg_hf.imaging.volume import read_labels, read_volume
from recoseg_hf.pipeline.conventions import RESIDUAL_SOURCES
from tests.factories import save_case

SHAPE = (20, 22, 9)


@pytest.fixture
def case_dir(tmp_path):
    return save_case(tmp_path, "sub-01", SHAPE)


def predict(*arguments, model):
    return CliRunner().invoke(app, ["predict", *map(str, arguments), "--model", str(model), "--device", "cpu"])


def report_of(folder, subject="sub-01") -> dict:
    return json.loads((folder / f"{subject}_report.json").read_text())


def test_a_case_folder(case_dir, tiny_model, tmp_path):
    out = tmp_path / "out"
    result = predict(case_dir, "-o", out, model=tiny_model)
    assert (result.exit_code, result.stderr) == (0, "")
    assert {file.name.removeprefix("sub-01") for file in out.iterdir()} == {
        "_desc-synth_t1ce.nii.gz", "_desc-synth_t1ce.json", "_residual.nii.gz", "_probability.nii.gz",
        "_mask.nii.gz", "_overview.png", "_report.html", "_report.json",
    }  # fmt: skip
    report = report_of(out)
    assert report["seconds"].keys() == {
        "read", "load_model", "preprocess", "synthesize", "segment", "restore", "write",
    }  # fmt: skip
    volume = report["results"]["tumour_volume_ml"]
    assert f"{volume:.1f} mL (threshold 0.5)" in result.stdout
    assert f"Results:      {out}\n" in result.stdout
    assert read_labels(out / "sub-01_mask.nii.gz").data.sum() == report["results"]["tumour_voxels"]


def test_chosen_outputs(case_dir, tiny_model, tmp_path):
    result = predict(case_dir, "-o", tmp_path / "out", "--outputs", "labels, mask", model=tiny_model)
    assert (result.exit_code, result.stderr) == (0, "")
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"sub-01_mask.nii.gz", "sub-01_report.json"}
    assert "Whole tumour:" in result.stdout
    assert "Picture" not in result.stdout


def test_the_brain_is_found_beside_the_imports(case_dir, tiny_model, tmp_path, monkeypatch):
    def find(scans):
        in_main.append(threading.current_thread() is threading.main_thread())
        return brain_of_scans(scans)

    in_main = []
    monkeypatch.setattr("recoseg_hf.imaging.case.brain_of_scans", find)
    assert predict(case_dir, "-o", tmp_path / "out", "--outputs", "mask", model=tiny_model).exit_code == 0
    assert in_main == [False]


def test_single_files_and_every_setting(case_dir, tiny_model, tmp_path):
    files = [f"--{name}={case_dir / f'sub-01_{name}.nii.gz'}" for name in ("flair", "t1", "t2")]
    settings = ["--steps=4", "--threshold=0.4", "--seed=5", "--samples=2", "--residual-source=ensemble"]
    result = predict(*files, *settings, "--subject=patient-7", "-o", tmp_path, model=tiny_model)
    assert result.exit_code == 0
    assert result.stderr.startswith("Warning: No T1ce was given")
    assert result.stderr.count("Warning") == result.stderr.count("\n")
    found = report_of(tmp_path, "patient-7")["settings"]
    assert (found["num_inference_steps"], found["mask_threshold"], found["seed"]) == (4, 0.4, 5)
    assert (found["num_samples"], found["residual_source"]) == (2, "ensemble")
    assert (tmp_path / "patient-7_uncertainty.nii.gz").is_file()


@pytest.mark.parametrize(
    ("threshold", "told"),
    [
        ("0.01", "2 (the mask is stable, Dice 1.000 to the mask before)"),  # it is the whole brain
        ("0.5", "4 of 8 samples (the most that are tried, Dice {dice:.3f} to the mask before)"),
    ],
)
def test_refined_it_writes_the_last_round(case_dir, tiny_model, tmp_path, threshold, told):
    given = [case_dir, f"--threshold={threshold}"]
    result = predict(*given, "-o", tmp_path / "out", "--max-seconds=1000", model=tiny_model)
    assert (result.exit_code, result.stderr) == (0, "")
    last = report_of(tmp_path / "out")["refinement"]["rounds"][-1]
    assert f"Steps:        {told.format(**last)}\n" in result.stdout
    given += [f"--steps={last['steps']}", f"--samples={last['samples']}"]
    assert predict(*given, "-o", tmp_path / "once", model=tiny_model).exit_code == 0
    once, refined = ((tmp_path / folder / "sub-01_mask.nii.gz").read_bytes() for folder in ("once", "out"))
    assert refined == once


def test_without_time_it_writes_the_first_round(case_dir, tiny_model, tmp_path):
    result = predict(case_dir, "-o", tmp_path, "--max-seconds=0", model=tiny_model)
    assert result.exit_code == 0
    assert "Steps:        1 (no time for more)\n" in result.stdout
    assert report_of(tmp_path)["settings"]["num_inference_steps"] == 1


def test_the_same_seed_gives_the_same_result(case_dir, tiny_model, tmp_path):
    for folder in ("one", "two"):
        assert predict(case_dir, "-o", tmp_path / folder, model=tiny_model).exit_code == 0
    one, two = (read_volume(tmp_path / folder / "sub-01_desc-synth_t1ce.nii.gz").data for folder in ("one", "two"))
    assert np.array_equal(one, two)


def test_earlier_results_stay_unless_asked(case_dir, tiny_model, tmp_path):
    out = tmp_path / "out"
    assert predict(case_dir, "-o", out, model=tiny_model).exit_code == 0
    refused = predict(case_dir, "-o", out, "--seed=1", model="no/such-model")  # refused before the model is looked for
    assert refused.exit_code == 3
    assert "already holds sub-01_desc-synth_t1ce.nii.gz" in refused.stderr
    assert predict(case_dir, "-o", out, "--seed=1", "--overwrite", model=tiny_model).exit_code == 0
    assert report_of(out)["settings"]["seed"] == 1


def test_bad_input_is_named_and_leaves_nothing(case_dir, tiny_model, tmp_path):
    (case_dir / "sub-01_t2.nii.gz").write_bytes(b"")
    result = predict(case_dir, "-o", tmp_path / "out", model=tiny_model)
    assert result.exit_code == 3
    assert result.stderr.startswith(f"{case_dir / 'sub-01_t2.nii.gz'}: the file is empty; expected ")
    assert not (tmp_path / "out").exists()


def test_no_t1ce_needs_a_choice(case_dir, tiny_model, tmp_path):
    (case_dir / "sub-01_t1ce.nii.gz").unlink()
    result = predict(case_dir, "-o", tmp_path / "out", model=tiny_model)
    assert result.exit_code == 3
    assert "case sub-01: no T1ce was given" in result.stderr
    assert predict(case_dir, "-o", tmp_path / "out", "--residual-source=none", model=tiny_model).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["case", "--flair", "f.nii"], "give either the folder case or --flair, not both"),
        (["--flair", "f.nii"], "missing: --t1, --t2"),
        (["case", "--residual-source", "guess"], "'guess' is not one of 'measured', 'ensemble', 'none'"),
        (["case", "--outputs", "mask,pet"], "there is no 'pet'; expected names out of"),
        (["case", "--outputs", ","], "none is named"),
        (["case", "--threshold", "2"], "less than or equal to 1"),
        (["case", "--threshold", "1"], "--threshold 1; expected a number between 0 and 1, neither of them"),
        (
            ["case", "--max-seconds", "-1"],
            "Invalid value for '--max-seconds': Input should be greater than or equal to 0",
        ),
        (["case", "--max-seconds", "nan"], "Invalid value for '--max-seconds'"),
        (["case", "--max-seconds", "9", "--steps", "2"], "give either --max-seconds or --steps, not both"),
        (["--cohort", "cases", "--max-seconds", "9"], "--max-seconds is for one case"),
    ],
)
def test_wrong_usage_says_what_is_wrong(arguments, message, tmp_path):
    result = CliRunner().invoke(app, ["predict", *arguments, "-o", str(tmp_path)])
    assert result.exit_code == 2
    assert message in result.stderr


def test_residual_sources_are_the_pipelines():
    assert get_args(ResidualSource) == RESIDUAL_SOURCES
