"""Cases as files to publish: who may, what is refused, and what a table looks like where somebody lacks a scan."""

import json

import numpy as np
import pytest
from datasets import load_dataset

from recoseg_hf.errors import InputError
from recoseg_hf.imaging.sources import open_source
from recoseg_hf.sharing.dataset_files import write_dataset_files
from tests import factories


@pytest.fixture
def cases(tmp_path):
    for subject in ("Brats18_XY_1", "Brats18_XY_2"):
        factories.save_case(tmp_path / "cases", subject)
    (tmp_path / "split.json").write_text(json.dumps({"train": ["Brats18_XY_1"], "validation": ["Brats18_XY_2"]}))
    return tmp_path / "cases"


def write(cases, **options):
    return write_dataset_files(open_source(cases), cases.parent / "files", cases.parent / "split.json", **options)


def test_scans_of_patients_need_a_word_that_names_the_terms(cases):
    with pytest.raises(InputError) as caught:
        write(cases)
    message = str(caught.value)
    assert "Brats18_XY_1: nobody has said that its scans may be published" in message
    assert "BraTS scans are given to those who registered, and may not be redistributed" in message
    assert "add --i-may-publish-these-scans" in message
    assert not (cases.parent / "files").exists()


def test_new_names_leave_nothing_of_the_old(cases):
    measure = write(cases, may_publish=True, renumber=True)
    assert measure.subjects == {"train": ["Brats18_XY_1"], "validation": ["Brats18_XY_2"]}
    files = [path for path in (cases.parent / "files").rglob("*") if path.is_file()]
    assert len(files) == 12
    assert not any(
        "Brats18" in str(path.relative_to(cases.parent)) or b"Brats18" in path.read_bytes() for path in files
    )
    assert (cases.parent / "files" / "validation" / "sub-0002" / "sub-0002_t1ce.nii.gz") in files


def test_a_split_in_which_nobody_has_a_segmentation_loads(cases):
    (cases / "Brats18_XY_2" / "Brats18_XY_2_seg.nii.gz").unlink()
    for case in cases.iterdir():
        (case / f"{case.name}_t1ce.nii.gz").unlink()
    write(cases, may_publish=True)
    tables = load_dataset(str(cases.parent / "files"), streaming=True)
    assert list(tables["train"].features) == ["subject", "flair", "t1", "t2", "seg"]
    rows = {name: next(iter(table)) for name, table in tables.items()}
    assert (rows["train"]["seg"].shape, rows["validation"]["seg"]) == (factories.SHAPE, None)


def test_a_head_with_its_skull_is_refused(cases):
    scan = factories.intensities() + 1
    for name, factor in (("flair", 1), ("t1", 2), ("t2", 3)):
        factories.save(cases / "Brats18_XY_1" / f"Brats18_XY_1_{name}.nii.gz", scan * factor)
    with pytest.raises(
        InputError, match=r"XY_1: the skull .* in flair \(only 0% of it is zero\); .*expected skull-st"
    ):
        write(cases, may_publish=True)


def test_a_face_in_t1_alone_is_enough(cases):
    factories.save(cases / "Brats18_XY_2" / "Brats18_XY_2_t1.nii.gz", factories.intensities(seed=1) + 1)
    with pytest.raises(InputError, match=r"Brats18_XY_2: the skull seems to be in t1 \(only 0% of it is zero"):
        write(cases, may_publish=True)


def test_a_head_in_black_air_is_refused_by_its_size(cases):
    voxels = np.count_nonzero(factories.intensities())
    for millilitres, refused in ((2400, False), (2600, True)):
        spacing = (millilitres * 1000 / voxels) ** (1 / 3)
        factories.save_case(cases, "Brats18_XY_1", matrix=factories.affine(spacing=(spacing,) * 3))
        if not refused:
            write(cases, may_publish=True)
            continue
        with pytest.raises(InputError, match=r"Brats18_XY_1: the skull seems to be in flair \(2,600 mL of it"):
            write(cases, may_publish=True)


def test_a_split_of_another_name_is_refused(cases):
    (cases.parent / "split.json").write_text(json.dumps({"fold3": ["Brats18_XY_1"]}))
    with pytest.raises(InputError, match=r"split fold3: .*; expected one of train, validation, test"):
        write(cases, may_publish=True)
