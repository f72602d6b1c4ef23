"""BIDS-like folders: scans by entity, subjects with sessions, segmentations among derivatives."""

import shutil

import numpy as np
import pytest

from recoseg_hf.errors import InputError
from recoseg_hf.imaging import bids
from recoseg_hf.imaging.case import Case, find_cases
from recoseg_hf.imaging.layout import modality_of, subject_of_folder
from recoseg_hf.inference.cohort import find_cohort
from tests import factories

SCANS = {"flair": "FLAIR", "t1": "T1w", "t2": "T2w", "t1ce": "ce-gadolinium_T1w"}


def save_bids(root, *names, scans=tuple(SCANS)):
    """Write a subject's scans under `root/sub-01[/ses-01]/anat`; return the folder."""
    folder = root.joinpath(*names, "anat")
    for name in scans:
        file = folder / f"{'_'.join(names)}_{SCANS[name]}.nii.gz"
        factories.save(file, factories.intensities(seed=factories.MODALITIES.index(name)))
    return folder


def save_labels(root, name, *folders, values=(1, 2, 4)):
    return factories.save(root.joinpath("derivatives", *folders, name), factories.labels(values=values))


@pytest.fixture
def anat(tmp_path):
    return save_bids(tmp_path / "bids", "sub-01")


@pytest.mark.parametrize(
    ("stem", "modality"),
    [
        ("sub-01_T1w", "t1"),
        ("sub-01_ce-gadolinium_T1w", "t1ce"),
        ("sub-01_ses-2_acq-mprage_ce-GAD_run-1_T1w", "t1ce"),
        ("sub-01_ce-none_T1w", "t1"),
        ("sub-01_ce-gadolinium_FLAIR", "flair"),
        ("sub-01_space-MNI_T2w", "t2"),
        ("sub-01_dseg", "seg"),
        ("sub-01_desc-synth_t1ce", None),
        ("sub-01_T2star", None),
        ("sub-01_desc-brain_mask", None),
        ("patient_ce-study_T1w", "t1"),
    ],
)
def test_the_name_says_what_a_scan_is(stem, modality):
    assert modality_of(stem) == modality


@pytest.mark.parametrize(
    ("folder", "subject"),
    [
        ("bids/sub-01/anat", "sub-01"),
        ("bids/sub-01/ses-pre/anat", "sub-01_ses-pre"),
        ("bids/sub-01/ses-pre", "sub-01_ses-pre"),
        ("bids/sub-01", "sub-01"),
        ("bids/anat", "anat"),
        ("bids/ses-1/anat", "anat"),
        ("brats/Brats18_CBICA_ABM_1", "Brats18_CBICA_ABM_1"),
    ],
)
def test_the_subject_is_not_called_anat(tmp_path, folder, subject):
    assert subject_of_folder(tmp_path / folder) == subject


def test_a_case_with_everything_in_its_place(anat):
    case = Case.from_folder(anat)
    assert case.subject == "sub-01"
    for seed, name in enumerate(factories.MODALITIES):
        np.testing.assert_array_equal(getattr(case, name).data, factories.intensities(seed=seed))


def test_the_subjects_folder_will_do(anat):
    assert Case.from_folder(anat.parent).sources == Case.from_folder(anat).sources


def test_subjects_and_sessions_do_not_clash(anat, tmp_path):
    root = tmp_path / "bids"
    sessions = [save_bids(root, "sub-02", session) for session in ("ses-01", "ses-02")]
    shutil.copytree(root / "sub-01", root / "derivatives" / "registered" / "sub-01")
    assert find_cases(root) == find_cohort(root) == [anat, *sessions]
    assert [subject_of_folder(folder) for folder in find_cohort(root)] == ["sub-01", "sub-02_ses-01", "sub-02_ses-02"]


def test_scans_among_derivatives_are_pointed_to(tmp_path):
    save_bids(tmp_path / "derivatives" / "registered", "sub-01")
    save_bids(tmp_path, "sub-01", scans=("t1",))
    with pytest.raises(InputError, match="Give the folder in derivatives that has the co-registered scans"):
        find_cases(tmp_path)
    assert find_cases(tmp_path / "derivatives" / "registered")


class TestSegmentation:
    @pytest.mark.parametrize(
        "place",
        [
            ("tumour", "sub-01", "anat", "sub-01_dseg.nii.gz"),
            ("tumour", "sub-01", "anat", "sub-01_mask.nii.gz"),
            ("manual", "sub-01", "anat", "sub-01_desc-tumor_dseg.nii.gz"),
            ("manual", "sub-01", "sub-01_label-lesion_mask.nii"),
            ("sub-01", "anat", "sub-01_space-T1w_seg.nii.gz"),
            ("manual", "sub-01", "anat", "sub-01_dseg.nii.gz"),
        ],
    )
    def test_it_is_found_among_derivatives(self, anat, tmp_path, place):
        *folders, name = place
        file = save_labels(tmp_path / "bids", name, *folders)
        case = Case.from_folder(anat)
        assert case.sources["seg"] == file
        np.testing.assert_array_equal(case.seg.data, factories.labels())

    @pytest.mark.parametrize(
        "place",
        [
            ("fmriprep", "sub-01", "anat", "sub-01_dseg.nii.gz"),  # tissues: 1, 2 and 3 would pass for a tumour
            ("manual", "sub-01", "anat", "sub-01_desc-brain_mask.nii.gz"),
            ("manual", "sub-01", "anat", "sub-01_label-GM_dseg.nii.gz"),
            ("manual", "sub-01", "anat", "sub-01_mask.nii.gz"),
            ("tumour", "sub-01", "anat", "sub-01_desc-brain_mask.nii.gz"),
            ("tumour", "sub-02", "anat", "sub-02_dseg.nii.gz"),
            ("tumour", "sub-01", "ses-01", "anat", "sub-01_ses-01_dseg.nii.gz"),
        ],
    )
    def test_what_is_of_something_else_is_not_taken(self, anat, tmp_path, place):
        *folders, name = place
        save_labels(tmp_path / "bids", name, *folders)
        assert Case.from_folder(anat).seg is None

    def test_it_is_found_beside_scans_that_are_derivatives_themselves(self, tmp_path):
        scans = save_bids(tmp_path / "derivatives" / "registered", "sub-01")
        file = save_labels(tmp_path, "sub-01_dseg.nii.gz", "tumour", "sub-01", "anat")
        assert Case.from_folder(scans).sources["seg"] == file

    def test_what_was_predicted_is_no_reference(self, anat, tmp_path):
        file = save_labels(tmp_path / "bids", "sub-01_mask.nii.gz", "recoseg-tumour", "sub-01")
        assert bids.derived_segmentations(anat) == [file]
        file.with_name("sub-01_report.json").touch()
        assert bids.derived_segmentations(anat) == []

    def test_of_a_session(self, tmp_path):
        scans = save_bids(tmp_path, "sub-01", "ses-01")
        file = save_labels(tmp_path, "sub-01_ses-01_dseg.nii.gz", "tumour", "sub-01", "ses-01", "anat")
        assert bids.derived_segmentations(scans) == [file]

    def test_one_that_names_a_tumour_comes_first_and_its_own_before_all(self, anat, tmp_path):
        root = tmp_path / "bids"
        save_labels(root, "sub-01_dseg.nii.gz", "manual", "sub-01", "anat")
        named = save_labels(root, "sub-01_desc-glioma_dseg.nii.gz", "manual", "sub-01", "anat")
        assert Case.from_folder(anat).sources["seg"] == named
        own = factories.save(anat / "sub-01_seg.nii.gz", factories.labels())
        assert Case.from_folder(anat).sources["seg"] == own

    def test_two_are_refused_by_their_places_unless_none_is_wanted(self, anat, tmp_path):
        for rater in ("rater1-tumour", "rater2-tumour"):
            save_labels(tmp_path / "bids", "sub-01_dseg.nii.gz", rater, "sub-01", "anat")
        with pytest.raises(InputError, match=r"rater1-tumour/.*_dseg.nii.gz and .*rater2-tumour.* are both seg"):
            Case.from_folder(anat)
        assert Case.from_folder(anat, segmentation=False).seg is None
