"""`recoseg prepare` from simulated cases to an Arrow data set."""

import json

import pytest
from typer.testing import CliRunner

from recoseg_hf.cli import app
from recoseg_hf.learning.slices import read_manifest
from tests.factories import labels, save, save_case

SHAPE = (20, 22, 9)


@pytest.fixture
def cases(tmp_path):
    for subject in ("sub-01", "sub-02"):
        save_case(tmp_path / "cases", subject, SHAPE)
    (tmp_path / "splits.json").write_text(json.dumps({"train": ["sub-01"], "validation": ["sub-02"]}))
    return tmp_path


def prepare(cases, *arguments):
    command = ["prepare", cases / "cases", cases / "slices", "--split", cases / "splits.json", *arguments]
    return CliRunner().invoke(app, list(map(str, command)))


def test_makes_slices_for_a_models_grid(cases, tiny_model):
    from datasets import load_from_disk

    result = prepare(cases, "--model", tiny_model)
    assert (result.exit_code, result.stderr) == (0, "")
    splits = load_from_disk(cases / "slices")
    assert set(splits["train"]["subject"]) == {"sub-01"}
    assert set(splits["validation"]["subject"]) == {"sub-02"}
    assert splits["train"].features["t1ce"].shape == (1, 16, 16)
    assert f"train: {len(splits['train'])} slices of 1 subjects" in result.stdout


def test_names_the_cases_that_lack_a_scan(cases, tiny_model):
    (cases / "cases" / "sub-02" / "sub-02_t2.nii.gz").unlink()
    command = ["prepare", cases / "cases", cases / "slices", "--model", tiny_model]
    result = CliRunner().invoke(app, list(map(str, command)))
    assert (result.exit_code, result.stderr) == (0, "Warning: left out for want of FLAIR, T1 or T2: sub-02.\n")
    assert "slices of 1 subjects" in result.stdout


def test_takes_a_system_by_name(cases):
    result = prepare(cases, "--system", "no_such_system")
    assert result.exit_code == 3
    assert "--system: no system 'no_such_system'; expected one of ddmm_synth, recoseg, recoseg_fast, " in result.stderr


def test_a_folder_in_use_stays(cases, tiny_model):
    (cases / "slices").mkdir()
    (cases / "slices" / "notes.txt").write_text("mine")
    result = prepare(cases, "--model", tiny_model)
    assert result.exit_code == 3
    assert "slices: the folder is not empty" in result.stderr


def test_subjects_without_segmentation_are_asked_for(cases, tiny_model):
    (cases / "cases" / "sub-01" / "sub-01_seg.nii.gz").unlink()
    save(cases / "cases" / "sub-02" / "sub-02_seg.nii.gz", labels(SHAPE, values=(1,)))
    result = prepare(cases, "--model", tiny_model)
    assert result.exit_code == 3
    assert "sub-01: no seg; expected T1ce and segmentation. " in result.stderr
    assert "add --allow-unlabelled." in result.stderr
    result = prepare(cases, "--model", tiny_model, "--allow-unlabelled")
    assert result.exit_code == 0
    assert "Warning: 1 subjects have no segmentation: for the synthesizer" in result.stderr
    assert "Warning: 1 subjects have a segmentation of label 1 alone" in result.stderr
    manifest = read_manifest(cases / "slices")
    assert (manifest["unlabelled"], manifest["label_1_only"]) == (["sub-01"], ["sub-02"])


def test_model_and_system_exclude_one_another(cases, tiny_model):
    assert prepare(cases, "--model", tiny_model, "--system", "recoseg").exit_code == 2


def test_a_teacher_takes_part_in_the_targets_of_train(cases, tiny_model):
    from datasets import load_from_disk

    result = prepare(cases, "--model", tiny_model, "--teacher", tiny_model, "--teacher-share", "0.3")
    assert (result.exit_code, result.stderr) == (0, "")
    found = read_manifest(cases / "slices")["teacher"]
    assert found["share"] == 0.3
    assert len(found["weights_sha256"]) == 64
    assert str(cases) not in found["name"]
    splits = load_from_disk(cases / "slices").with_format("numpy")
    soft = splits["train"]["regions"][:]
    assert ((soft > 0) & (soft < 0.3)).any()  # the untrained teacher's alone: tumour where there is none


def test_no_share_of_a_teacher_is_refused(cases, tiny_model):
    result = prepare(cases, "--model", tiny_model, "--teacher", tiny_model, "--teacher-share", "0")
    assert result.exit_code == 2
    assert "--teacher-share 0 leaves nothing of the teacher" in result.stderr
