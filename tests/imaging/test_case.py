import shutil

import numpy as np
import pytest

from recoseg_hf.errors import CaseError, InputError
from recoseg_hf.imaging.case import Case, find_cases
from recoseg_hf.imaging.volume import Volume
from tests import factories


@pytest.fixture
def folder(tmp_path):
    return factories.save_case(tmp_path)


def paths(folder, *names):
    return {name: folder / f"{folder.name}_{name}.nii.gz" for name in names or ("flair", "t1", "t2", "t1ce", "seg")}


class TestFromFolder:
    def test_every_modality_in_its_place(self, folder):
        case = Case.from_folder(folder)
        assert case.subject == "sub-01"
        for seed, name in enumerate(factories.MODALITIES):
            np.testing.assert_array_equal(getattr(case, name).data, factories.intensities(seed=seed))
        np.testing.assert_array_equal(case.seg.data, factories.labels())
        assert case.sources == paths(folder)

    def test_contrast_and_segmentation_may_be_absent(self, folder):
        for path in paths(folder, "t1ce", "seg").values():
            path.unlink()
        case = Case.from_folder(folder)
        assert (case.t1ce, case.seg) == (None, None)
        assert list(case.volumes()) == ["flair", "t1", "t2"]

    def test_a_segmentation_that_is_not_wanted_stays_unread(self, folder):
        paths(folder, "seg")["seg"].write_bytes(b"not an image")
        assert Case.from_folder(folder, segmentation=False).seg is None
        with pytest.raises(InputError):
            Case.from_folder(folder)

    @pytest.mark.parametrize(
        "names",
        [
            {"flair": "A-t2f", "t1": "A-t1n", "t2": "A-t2w", "t1ce": "A-t1c"},
            {"flair": "X_FLAIR", "t1": "X_T1", "t2": "X_T2", "t1ce": "X_T1Gd"},
            {"flair": "flair", "t1": "t1", "t2": "t2", "t1ce": "t1ce"},
            {"flair": "z_flair", "t1": "a_flair_t1", "t2": "b-t1-t2", "t1ce": "0_t2_t1ce"},
        ],
    )
    def test_names_and_not_their_order_decide(self, tmp_path, names):
        for seed, name in enumerate(factories.MODALITIES):
            factories.save(tmp_path / "case" / f"{names[name]}.nii.gz", factories.intensities(seed=seed))
        case = Case.from_folder(tmp_path / "case")
        for seed, name in enumerate(factories.MODALITIES):
            np.testing.assert_array_equal(getattr(case, name).data, factories.intensities(seed=seed))

    def test_unsafe_folder_names_give_a_safe_subject(self, folder):
        renamed = folder.rename(folder.parent / "José, 2024 (脳)")
        assert Case.from_folder(renamed).subject == "Jos-2024"

    def test_missing_modalities_are_named_with_what_is_there(self, folder):
        paths(folder)["flair"].unlink()
        paths(folder)["t2"].rename(folder / "sub-01_T2star.nii.gz")
        with pytest.raises(InputError) as caught:
            Case.from_folder(folder)
        message = str(caught.value)
        assert "no file for flair and t2; the folder holds sub-01_T2star.nii.gz, sub-01_seg.nii.gz" in message
        assert "expected names that end in _flair or _t2f for flair, _t2 or _t2w for t2" in message

    def test_two_files_for_one_modality(self, folder):
        shutil.copy(paths(folder)["flair"], folder / "sub-01_t2f.nii")
        with pytest.raises(InputError, match=r"sub-01_flair.nii.gz and sub-01_t2f.nii are both flair; expected one"):
            Case.from_folder(folder)

    def test_hidden_files_are_no_scans(self, folder):
        (folder / "._sub-01_flair.nii.gz").write_bytes(b"left by macOS")
        assert Case.from_folder(folder).subject == "sub-01"

    def test_folder_of_cases(self, folder):
        with pytest.raises(InputError, match=r"the folder holds sub-01; .* Give the folder of a single case"):
            Case.from_folder(folder.parent)

    def test_file_or_nothing(self, folder):
        with pytest.raises(InputError, match="it is a file; expected a case folder"):
            Case.from_folder(paths(folder)["t1"])
        with pytest.raises(InputError, match=r"no such folder; .*the folder holds sub-01"):
            Case.from_folder(folder.parent / "sub-02")


class TestFromFiles:
    def test_subject_comes_from_the_flair_file(self, folder):
        assert Case.from_files(**paths(folder, "flair", "t1", "t2")).subject == "sub-01"

    def test_subject_can_be_given_but_must_be_safe(self, folder):
        files = paths(folder, "flair", "t1", "t2")
        assert Case.from_files(**files, subject="patient7").subject == "patient7"
        with pytest.raises(InputError, match=r"'\.\./x' cannot be used in a file name"):
            Case.from_files(**files, subject="../x")

    def test_one_file_for_two_modalities(self, folder):
        files = paths(folder, "flair", "t1", "t2") | {"t2": folder / ".." / "sub-01" / "sub-01_t1.nii.gz"}
        with pytest.raises(InputError, match="it was given for t1 and for t2; expected one file each"):
            Case.from_files(**files)

    def test_same_voxels_under_two_names(self, folder):
        shutil.copy(paths(folder)["t1"], paths(folder)["t1ce"])
        with pytest.raises(InputError, match=r"_t1ce.nii.gz: its voxels are those of t1 \(sub-01_t1.nii.gz\)"):
            Case.from_folder(folder)

    def test_bad_file_is_named(self, folder):
        data = factories.intensities()
        data[1, 2, 3] = np.nan
        path = factories.save(paths(folder)["t2"], data)
        with pytest.raises(InputError, match="1 voxel is NaN") as caught:
            Case.from_folder(folder)
        assert caught.value.file == path


class TestEverythingWrongAtOnce:
    def test_truncated_not_finite_and_missing(self, folder):
        files = paths(folder)
        files["t1"].write_bytes(files["t1"].read_bytes()[:-200])
        data = factories.intensities()
        data[1, 2, 3] = np.nan
        factories.save(files["flair"], data)
        files["t2"].unlink()
        with pytest.raises(CaseError) as caught:
            Case.from_folder(folder)
        missing, not_finite, truncated = str(caught.value).splitlines()
        assert missing.startswith(f"{folder}: no file for t2; the folder holds sub-01_flair.nii.gz, ")
        assert not_finite.startswith(f"{files['flair']}: 1 voxel is NaN or infinite, the first at index (1, 2, 3);")
        assert truncated.startswith(f"{files['t1']}: its compressed data is broken")
        assert [problem.file for problem in caught.value.problems] == [folder, files["flair"], files["t1"]]

    def test_each_file_is_read_once(self, folder, monkeypatch):
        from recoseg_hf.imaging import volume

        read, read_one = [], volume.read_with_range
        monkeypatch.setattr(volume, "read_with_range", lambda *given: read.append(given[0]) or read_one(*given))
        paths(folder)["t2"].write_bytes(b"no image")
        with pytest.raises(InputError):
            Case.from_folder(folder)
        assert sorted(read) == sorted(paths(folder).values())

    def test_names_given_twice_and_a_subject_that_is_unsafe(self, folder):
        files = paths(folder, "flair", "t1", "t2") | {"t1ce": paths(folder)["t2"]}
        with pytest.raises(CaseError, match="given for t2 and for t1ce") as caught:
            Case.from_files(**files, subject="a/b")
        assert [str(problem.file) for problem in caught.value.problems] == [str(files["t2"]), "subject id"]

    def test_the_one_scan_that_lies_apart_is_named(self, folder):
        flair = factories.save(paths(folder)["flair"], factories.intensities(), factories.affine(origin=(3, 0, 4)))
        with pytest.raises(InputError, match=r"lie up to 5 mm from those of sub-01_t1\.nii\.gz") as caught:
            Case.from_folder(folder)
        assert caught.value.file == flair

    def test_without_flair_the_others_are_held_against_one_another(self, folder):
        paths(folder)["flair"].write_bytes(b"")
        factories.save(paths(folder)["t2"], factories.intensities((12, 10, 9)))
        with pytest.raises(CaseError, match=r"(?s)_flair.*the file is empty.*_t2.*\(12, 10, 8\) as in sub-01_t1"):
            Case.from_folder(folder)


class TestGrids:
    def resave(self, folder, name, matrix, shape=factories.SHAPE):
        factories.save(paths(folder)[name], factories.intensities(shape, seed=9), matrix)

    def test_shapes_differ(self, folder):
        self.resave(folder, "t2", factories.affine(), (12, 10, 9))
        with pytest.raises(
            InputError, match=r"_t2.nii.gz: its shape is \(12, 10, 9\); expected \(12, 10, 8\) as in sub-01_flair"
        ):
            Case.from_folder(folder)

    def test_affines_differ(self, folder):
        self.resave(folder, "t1", factories.affine(origin=(3, 0, 4)))
        with pytest.raises(InputError, match=r"_t1.nii.gz: its voxels lie up to 5 mm from those of sub-01_flair"):
            Case.from_folder(folder)

    def test_segmentation_on_another_grid(self, folder):
        factories.save(paths(folder)["seg"], factories.labels(), factories.affine(spacing=(1, 1, 2)))
        with pytest.raises(InputError, match=r"_seg.nii.gz: its voxels lie up to 7 mm"):
            Case.from_folder(folder)

    def test_rounding_is_forgiven_and_the_flair_grid_used(self, folder):
        self.resave(folder, "t1", factories.affine(origin=(5e-4, 0, 0)))
        np.testing.assert_array_equal(Case.from_folder(folder).t1.affine, factories.affine())

    def test_mirrored_without_saying_so_is_refused(self, folder):
        self.resave(folder, "t1", factories.affine("LAS"))
        with pytest.raises(InputError, match="its voxels lie up to 22 mm"):
            Case.from_folder(folder)

    def test_another_axis_order_over_the_same_places_is_turned(self, folder):
        data = factories.intensities(seed=1)
        turned = np.transpose(data[::-1], (2, 0, 1))  # axes S, L, A; the first voxel is now the rightmost
        factories.save(paths(folder)["t1"], turned, factories.affine("SLA", origin=(11, 0, 0)))
        case = Case.from_folder(folder)
        np.testing.assert_array_equal(case.t1.data, data)
        np.testing.assert_array_equal(case.t1.affine, case.flair.affine)

    def test_volumes_in_memory_are_held_to_the_same(self):
        scan = Volume(factories.intensities(), factories.affine())
        other = Volume(factories.intensities((4, 4, 4)), factories.affine())
        with pytest.raises(InputError, match=r"t2: its shape is \(4, 4, 4\); expected \(12, 10, 8\) as in flair"):
            Case(subject="x", flair=scan, t1=scan, t2=other)


class TestFindCases:
    def test_brats_tree(self, tmp_path):
        wanted = [factories.save_case(tmp_path / grade, subject) for grade, subject in [("HGG", "b"), ("LGG", "a")]]
        incomplete = factories.save_case(tmp_path / "HGG", "c")
        paths(incomplete)["t2"].unlink()
        factories.save_case(tmp_path / ".trash", "d")
        assert find_cases(tmp_path) == wanted

    def test_a_case_folder_is_its_own_root(self, folder):
        assert find_cases(folder) == [folder]

    def test_linked_data_sets_are_found_and_circles_ended(self, tmp_path):
        case = factories.save_case(tmp_path / "real")
        (tmp_path / "data").mkdir()
        (tmp_path / "data" / "linked").symlink_to(case)
        (case / "up").symlink_to(case)
        assert find_cases(tmp_path / "data") == [tmp_path / "data" / "linked"]

    def test_nothing_found_is_said(self, tmp_path):
        (tmp_path / "notes.txt").touch()
        with pytest.raises(InputError, match=r"no folder in it holds a whole case; the folder holds notes.txt"):
            find_cases(tmp_path)
        with pytest.raises(InputError, match="no such folder; expected a folder of cases"):
            find_cases(tmp_path / "nowhere")


def test_every_real_case_is_found_and_read(brats_dir):
    found = find_cases(brats_dir)
    assert len(found) >= 1
    case = Case.from_folder(found[0])
    assert case.subject == found[0].name
    assert case.flair.shape == case.t1ce.shape == case.seg.shape == (240, 240, 155)
