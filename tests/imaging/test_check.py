"""Cases looked through before anything is run on them."""

import os
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest

from recoseg_hf.errors import InputError
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.check import CaseCheck, check_case, check_cases, find_places
from recoseg_hf.imaging.doubts import find_doubts
from recoseg_hf.imaging.volume import Volume
from tests import factories

HEAD = (104, 110, 102)
"""Long enough for a whole brain of 1 mm."""


@pytest.fixture
def folder(tmp_path):
    return factories.save_case(tmp_path)


@pytest.fixture(scope="module")
def head(tmp_path_factory):
    """A case as large as a head."""
    return factories.save_head(tmp_path_factory.mktemp("heads"), "head")


def path(folder, name):
    return folder / f"{folder.name}_{name}.nii.gz"


def test_a_good_case(head):
    assert check_case(head) == CaseCheck("head", head)
    assert check_case(head).verdict == "ok"


def test_problems_are_those_of_reading_the_case(folder):
    path(folder, "t1").write_bytes(b"")
    path(folder, "t2").unlink()
    with pytest.raises(InputError) as raised:
        Case.from_folder(folder)
    checked = check_case(folder)
    assert [str(problem) for problem in checked.problems] == str(raised.value).splitlines()
    assert (len(checked.problems), checked.verdict) == (2, "error")
    assert all(problem.__traceback__ is None for problem in checked.problems)


def test_a_segmentation_can_be_left_out(folder):
    path(folder, "seg").write_bytes(b"somebody's own")
    assert check_case(folder).problems
    assert not check_case(folder, segmentation=False).problems


class TestDoubts:
    def found(self, matrix=None, shape=HEAD, **others):
        matrix = factories.affine() if matrix is None else matrix
        scans = {name: Volume(factories.intensities(shape), matrix) for name in ("flair", "t1", "t2", "t1ce")}
        scans |= {name: replace(scans[name], data=data) for name, data in others.items()}
        return [str(doubt) for doubt in find_doubts(scans, {name: name for name in scans})]

    def test_spacing_more_than_a_tenth_off(self):
        (found,) = self.found(factories.affine(spacing=(1.0, 1.09, 1.2)))
        assert found.startswith("flair: its voxels are 1 x 1.09 x 1.2 mm; expected 1 mm within a tenth. ")
        assert self.found(factories.affine(spacing=(1.0, 1.09, 0.99))) == []

    def test_shear(self):
        matrix = factories.affine()
        matrix[0, 1] = 0.1
        (found,) = self.found(matrix)
        assert found.startswith("flair: its axes miss the right angle by 5.7 degrees; expected no shear. ")
        cosine, sine = np.cos(0.3), np.sin(0.3)
        matrix[:2, :2] = [[cosine, -sine], [sine, cosine]]  # oblique, and at right angles
        assert self.found(matrix) == []

    def test_a_single_slice_and_a_slab(self):
        assert "it is a single slice; expected a whole brain" in self.found(shape=(104, 110, 1))[0]
        assert "it covers 104 x 110 x 20 mm; expected a whole brain" in self.found(shape=(104, 110, 20))[0]

    def test_a_skull(self):
        (found,) = self.found(t2=factories.intensities(HEAD) + 1)
        assert found.startswith("t2: only 0% of it is zero; expected a brain on a background of zeros. ")

    @pytest.mark.parametrize(
        ("name", "compress", "found"),
        [
            (
                "sub-01_t1.nii",
                True,
                "it is compressed though its name does not end in .gz; expected a name that ends in .nii.gz",
            ),
            (
                "sub-01_t1.nii.gz",
                False,
                "it is not compressed though its name ends in .gz; expected a name that ends in .nii",
            ),
        ],
    )
    def test_a_name_that_misleads(self, folder, name, compress, found):
        path(folder, "t1").unlink()
        factories.write_bytes(folder / name, factories.raw_bytes(factories.intensities(seed=1)), compress)
        _, warning = check_case(folder).warnings
        assert warning == f"{folder / name}: {found}. Rename it: other programs go by the name."

    def test_no_t1ce(self, folder):
        path(folder, "t1ce").unlink()
        assert "needs --residual-source ensemble or none" in check_case(folder).warnings[-1]

    def test_a_segmentation_under_another_name(self, folder):
        path(folder, "seg").rename(folder / "W39_1998.09.19_Segm.nii.gz")
        doubt = check_case(folder).doubts[-1]
        assert (doubt.file.name, doubt.expected) == ("W39_1998.09.19_Segm.nii.gz", "a name that ends in _seg")


class TestPlaces:
    def test_a_cohort_a_case_and_a_file(self, folder):
        factories.save_case(folder.parent, "sub-02")
        root = folder.parent
        assert find_places(root) == [folder, root / "sub-02"]
        assert find_places(folder) == [folder]
        assert find_places(path(folder, "t1")) == [path(folder, "t1")]

    def test_what_holds_no_case_is_told_of(self, tmp_path):
        (checked,) = check_cases(find_places(tmp_path))
        assert "no file for flair and t1 and t2; the folder is empty" in str(checked.problems[0])
        (checked,) = check_cases(find_places(tmp_path / "nowhere"))
        assert "no such folder" in str(checked.problems[0])

    def test_single_files_are_read_as_what_their_names_say(self, folder, head):
        for name in ("seg", "t1"):
            factories.save(path(folder, name), np.full(factories.SHAPE, 7, np.uint8))
        for name, found in [("seg", "unknown labels 7"), ("t1", "every voxel is 7")]:
            (problem,) = check_case(path(folder, name)).problems
            assert found in problem.found
        assert check_case(head / "head_t2.nii").verdict == "ok"

    def test_files_given_one_by_one(self, folder):
        checked = check_case({"flair": path(folder, "flair"), "t1": path(folder, "flair")})
        given_twice, missing = checked.problems
        assert given_twice.found == "it was given for flair and for t1"
        assert missing.found == "no file was given for t2"

    def test_two_of_one_name(self, folder):
        shutil.copytree(folder, folder.parent / "again" / "SUB-01")
        other, first = check_cases([folder, folder.parent / "again" / "SUB-01"])
        assert not other.problems
        assert f"its subject's name is also that of {folder}" in str(first.problems[0])


def test_processes_find_the_same(tmp_path):
    places = [factories.save_case(tmp_path, name) for name in ("b", "a", "c")]
    path(places[1], "t2").write_bytes(b"<html>")
    alone, shared = [[*check_cases(places, jobs=jobs)] for jobs in (1, 2)]
    assert [checked.place for checked in shared] == places
    assert [(c.subject, c.warnings, [*map(str, c.problems)]) for c in shared] == [
        (c.subject, c.warnings, [*map(str, c.problems)]) for c in alone
    ]


def test_what_the_system_will_not_have_read_is_told(folder):
    loop = folder / "sub-01_t2w.nii.gz"
    path(folder, "t2").unlink()
    loop.symlink_to(loop)
    assert "no file for t2" in str(check_case(folder).problems[0])
    (problem,) = check_case(loop).problems
    assert "no such file" in str(problem)
    long = folder / f"{'x' * 300}_t1.nii.gz"
    (problem,) = check_case(long).problems
    assert problem.found == "it cannot be read (File name too long)"


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes in the file system")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x_t1.nii.gz")
    (problem,) = check_case(tmp_path / "x_t1.nii.gz").problems
    assert problem.found == "it is no regular file"


def test_every_real_case_is_fine(brats_dir):
    checks = list(check_cases(find_places(brats_dir)))
    assert {checked.verdict for checked in checks} == {"ok"}
