"""Results on disk: complete, marked, never over a scan, never half."""

import hashlib
import json
import os
import resource
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from recoseg_hf.errors import InputError
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.layout import modalities_in
from recoseg_hf.imaging.volume import Volume, read_labels, read_volume
from recoseg_hf.inference import check_outputs, predict_case, write_prediction
from tests.factories import affine, save_case
from tests.inference.cases import SHAPE

ALL = {"t1ce", "t1ce_sidecar", "residual", "probability", "mask", "overview", "page", "report"}


@pytest.fixture(scope="module")
def case(tmp_path_factory) -> Case:
    root = tmp_path_factory.mktemp("cases")
    return Case.from_folder(save_case(root, "sub-01", SHAPE, matrix=affine("LPS", origin=(10, 20, -30))))


@pytest.fixture(scope="module")
def prediction(tiny_pipeline, case):
    return predict_case(tiny_pipeline, case)


def contents(folder) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_files_hold_the_prediction(case, prediction, tmp_path):
    files = write_prediction(prediction, case, tmp_path / "new" / "results")
    assert files.keys() == ALL
    assert {file.name for file in files.values()} == {file.name for file in (tmp_path / "new" / "results").iterdir()}
    assert files["t1ce"].name == "sub-01_desc-synth_t1ce.nii.gz"
    for name in ("t1ce", "residual", "probability"):
        written = read_volume(files[name])
        assert np.array_equal(written.data, getattr(prediction, name).data)
        assert np.allclose(written.affine, case.flair.affine)
        assert nib.load(files[name]).get_data_dtype() == np.float32
    assert np.array_equal(read_labels(files["mask"]).data, prediction.mask.data)
    assert nib.load(files["mask"]).get_data_dtype() == np.uint8
    with Image.open(files["overview"]) as picture:
        assert picture.width == 1600


def test_report_is_the_predictions_with_the_time_of_writing_and_every_files_hash(case, prediction, tmp_path):
    files = write_prediction(prediction, case, tmp_path)
    report = json.loads(files["report"].read_text())
    assert report["seconds"].pop("write") >= 0
    hashes = {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in files.items() if name != "report"}
    assert report.pop("outputs") == hashes
    assert report == prediction.report
    assert str(tmp_path) not in files["report"].read_text()


def test_synthetic_image_is_marked(case, prediction, tmp_path):
    files = write_prediction(prediction, case, tmp_path)
    sidecar = json.loads(files["t1ce_sidecar"].read_text())
    assert sidecar["Synthetic"] is True
    assert "not measured" in sidecar["Description"]
    assert sidecar["Units"] == "those of the measured T1ce"
    assert sidecar["Model"] == prediction.report["model"]
    assert (sidecar["seed"], sidecar["num_inference_steps"], sidecar["scheduler"]) == (0, 2, "DDIMScheduler")
    assert modalities_in(tmp_path) == {}  # nothing that a later run would take for a scan


def test_labels_are_written_where_the_model_has_them(case, prediction, tmp_path):
    labels = Volume((prediction.mask.data * 4).astype(np.uint8), prediction.mask.affine)
    files = write_prediction(replace(prediction, labels=labels), case, tmp_path)
    assert files.keys() == ALL | {"labels"}
    assert files["labels"].name == "sub-01_labels.nii.gz"
    assert np.array_equal(read_labels(files["labels"]).data, labels.data)
    assert "labels" in json.loads(files["report"].read_text())["outputs"]


def test_results_in_the_case_folder_leave_the_scans_alone(tiny_pipeline, tmp_path):
    folder = save_case(tmp_path, "sub-02", SHAPE)
    before = contents(folder)
    case = Case.from_folder(folder)
    write_prediction(predict_case(tiny_pipeline, case), case, folder)
    assert before.items() <= contents(folder).items()
    assert Case.from_folder(folder).sources == case.sources


def test_earlier_results_stay_unless_asked(case, prediction, tmp_path):
    write_prediction(prediction, case, tmp_path)
    before = contents(tmp_path)
    with pytest.raises(InputError, match=r"already holds sub-01_desc-synth_t1ce\.nii\.gz.*ask to overwrite"):
        write_prediction(prediction, case, tmp_path)
    assert contents(tmp_path) == before


def test_overwriting_leaves_nothing_of_the_earlier_result(case, prediction, tmp_path):
    write_prediction(prediction, case, tmp_path)
    (tmp_path / "sub-02_residual.nii.gz").write_bytes(b"another subject's")
    files = write_prediction(replace(prediction, residual=None), case, tmp_path, overwrite=True)
    assert files.keys() == ALL - {"residual"}
    assert {file.name for file in tmp_path.iterdir()} == {file.name for file in files.values()} | {
        "sub-02_residual.nii.gz"
    }


def test_a_scan_is_never_replaced(case, prediction, tmp_path):
    posing = replace(case, sources={"flair": tmp_path / "sub-01_mask.nii.gz"})
    with pytest.raises(InputError, match=r"sub-01_mask\.nii\.gz: it is the case's flair and would be replaced"):
        write_prediction(prediction, posing, tmp_path, overwrite=True)
    assert not list(tmp_path.iterdir())


def test_output_folder_must_be_one(case, tmp_path):
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(InputError, match=r"notes\.txt: it is a file; expected an output folder"):
        check_outputs(case, tmp_path / "notes.txt" / "results")


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_full_disk_leaves_the_folder_as_it_was(case, prediction, tmp_path, overwrite):
    if overwrite:
        write_prediction(prediction, case, tmp_path)
    before = contents(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
    try:
        with pytest.raises(InputError, match=r"results cannot be written \(File too large\).*Free space"):
            write_prediction(prediction, case, tmp_path, overwrite=overwrite)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("stop_at", ["put the mask aside", "put the mask in its place"])
def test_being_stopped_while_the_files_are_moved_leaves_the_folder_as_it_was(
    case, prediction, tmp_path, monkeypatch, overwrite, stop_at
):
    if overwrite:
        write_prediction(prediction, case, tmp_path)
    before, replace_file, mask, stopped = contents(tmp_path), os.replace, tmp_path / "sub-01_mask.nii.gz", []

    def stop_at_the_mask(source, target):
        if not stopped and mask == (source if "aside" in stop_at else target):
            stopped.append(target)
            raise KeyboardInterrupt
        replace_file(source, target)

    monkeypatch.setattr(os, "replace", stop_at_the_mask)
    if "aside" in stop_at and not overwrite:  # nothing to put aside
        write_prediction(prediction, case, tmp_path)
        return
    with pytest.raises(KeyboardInterrupt):
        write_prediction(prediction, case, tmp_path, overwrite=overwrite)
    assert contents(tmp_path) == before


class TestChosenOutputs:
    def test_what_is_not_asked_for_is_neither_written_nor_brought_back(self, tiny_pipeline, case, tmp_path):
        fresh = predict_case(tiny_pipeline, case)
        files = write_prediction(fresh, case, tmp_path, outputs=("labels", "mask"))
        assert files.keys() == {"mask", "report"}  # the model has no labels
        assert {file.name for file in tmp_path.iterdir()} == {"sub-01_mask.nii.gz", "sub-01_report.json"}
        assert callable(fresh.__dict__["t1ce"])
        assert callable(fresh.__dict__["residual"])
        report = json.loads(files["report"].read_text())
        assert report["asked_for"] == ["mask", "labels"]
        assert report["outputs"].keys() == {"mask"}

    def test_a_volume_has_the_same_bytes_alone(self, case, prediction, tmp_path):
        everything = write_prediction(prediction, case, tmp_path / "all")
        for name in ("t1ce", "overview", "page"):
            files = write_prediction(prediction, case, tmp_path / name, outputs=[name])
            assert files.keys() == {name, "report"} | ({"t1ce_sidecar"} if name == "t1ce" else set())
            assert files[name].read_bytes() == everything[name].read_bytes()
        assert "asked_for" not in json.loads(everything["report"].read_text())

    def test_an_earlier_result_is_replaced_whole(self, case, prediction, tmp_path):
        write_prediction(prediction, case, tmp_path)
        files = write_prediction(prediction, case, tmp_path, overwrite=True, outputs=["mask"])
        assert {file.name for file in tmp_path.iterdir()} == {file.name for file in files.values()}

    @pytest.mark.parametrize(
        ("outputs", "message"),
        [
            (
                ["mask", "pet"],
                r"^outputs: there is no 'pet'; expected names out of t1ce, probability, .*, page\. Name",
            ),
            ([], "^outputs: none is named; expected names out of t1ce"),
        ],
    )
    def test_others_are_refused_before_anything_is_written(self, case, prediction, tmp_path, outputs, message):
        with pytest.raises(InputError, match=message):
            write_prediction(prediction, case, tmp_path / "out", outputs=outputs)
        assert not (tmp_path / "out").exists()
