"""Folders of predictions against folders of references, from files written by nibabel."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from recoseg_hf.errors import InputError
from recoseg_hf.evaluation import aggregate, compare_case, evaluate_masks, summary_rows
from recoseg_hf.imaging.volume import read_labels, read_volume
from tests.factories import SHAPE, affine, intensities, labels, save, save_case


@pytest.fixture
def references(tmp_path):
    """Two labelled cases, the second with labels {0, 1, 2, 3}."""
    for subject in ("sub-01", "sub-02"):
        save_case(tmp_path / "references", subject)
    save(tmp_path / "references/sub-02/sub-02_seg.nii.gz", labels(values=(2, 1, 3)))
    return tmp_path / "references"


@pytest.fixture
def predictions(tmp_path):
    """A perfect mask in a sub-folder, and a mask that misses one label, directly."""
    folder = tmp_path / "predictions"
    save(folder / "sub-01/sub-01_mask.nii.gz", (labels() > 0).astype(np.uint8))
    save(folder / "sub-02_mask.nii.gz", (labels() > 1).astype(np.uint8))
    return folder


def by_subject(result):
    return {record["subject"]: record for record in result["subjects"]}


class TestRegions:
    def test_labels_beside_the_masks_are_judged_region_by_region(self, predictions, references):
        perfect, swapped = labels(), labels(values=(2, 4, 1))
        save(predictions / "sub-01/sub-01_labels.nii.gz", perfect)
        save(predictions / "sub-02_labels.nii.gz", swapped)
        result = evaluate_masks(predictions, references)
        assert set(result["regions"]) == {"tc", "et"}
        first, second = (by_subject(result["regions"]["et"])[name] for name in ("sub-01", "sub-02"))
        assert first["dice"] == 1
        real = read_labels(references / "sub-02/sub-02_seg.nii.gz").data == 3
        found = swapped == 4
        assert second["dice"] == pytest.approx(2 * (real & found).sum() / (real.sum() + found.sum()))
        assert result["regions"]["tc"]["n"] == 2
        assert "regions" not in result["subjects"][0]

    def test_without_labels_of_every_subject_nothing_is_said(self, predictions, references):
        save(predictions / "sub-01/sub-01_labels.nii.gz", labels())
        assert evaluate_masks(predictions, references)["regions"] is None

    def test_labels_of_another_grid_are_refused(self, predictions, references):
        save(predictions / "sub-01/sub-01_labels.nii.gz", labels(), matrix=affine(origin=(1, 2, 3)))
        with pytest.raises(InputError, match=r"sub-01_labels\.nii\.gz: its grid is another than that of sub-01_seg"):
            evaluate_masks(predictions, references)


class TestScores:
    def test_files_give_what_arrays_give(self, predictions, references):
        result = evaluate_masks(predictions, references)
        files = [
            (predictions / "sub-01/sub-01_mask.nii.gz", references / "sub-01/sub-01_seg.nii.gz"),
            (predictions / "sub-02_mask.nii.gz", references / "sub-02/sub-02_seg.nii.gz"),
        ]
        records = [
            {"subject": f"sub-0{k}", **compare_case(*map(read_labels, pair)), "synthesis": None}
            for k, pair in enumerate(files, start=1)
        ]
        left_out = {"missing": [], "unlabelled": [], "unmatched": []}
        assert result == aggregate(records) | {"paper": None, "regions": None} | left_out

    def test_scores_by_hand(self, predictions, references):
        result = evaluate_masks(predictions, references)
        # The labels are three blocks of one size; the second mask has two of them.
        assert by_subject(result)["sub-01"]["dice"] == 1
        assert by_subject(result)["sub-02"]["dice"] == 0.8
        assert result["volume"]["dice"]["value"] == pytest.approx(0.9)
        assert result["volume"]["iou"]["value"] == pytest.approx((1 + 2 / 3) / 2)
        assert result["volume"]["dice"]["interval"] == pytest.approx([0.8, 1.0])

    def test_empty_masks_are_counted_apart(self, predictions, references):
        empty = np.zeros(SHAPE, np.uint8)
        save(references / "sub-03/sub-03_seg.nii.gz", empty)
        save(predictions / "sub-03_mask.nii.gz", empty)
        save(predictions / "sub-02_mask.nii.gz", empty)
        result = evaluate_masks(predictions, references)
        assert result["outcomes"] == {"overlap": 1, "empty_prediction": 1, "both_empty": 1}
        assert result["volume"]["dice"]["value"] == 0.5
        assert (result["volume"]["dice"]["n"], result["volume"]["dice"]["n_undefined"]) == (2, 1)

    def test_result_is_finite_json_and_has_rows(self, predictions, references):
        result = evaluate_masks(predictions, references)
        assert json.loads(json.dumps(result, allow_nan=False)) == result
        assert dict(summary_rows(result))["Dice per volume"] == "0.900 [0.800, 1.000], n = 2"

    def test_progress_is_told(self, predictions, references):
        told = []
        evaluate_masks(predictions, references, progress=lambda done, total: told.append((done, total)))
        assert told == [(1, 2), (2, 2)]


class TestFull:
    def test_measures_what_takes_more_time(self, predictions, references):
        pytest.importorskip("monai")
        result = evaluate_masks(predictions, references, full=True)
        first, second = (by_subject(result)[name] for name in ("sub-01", "sub-02"))
        assert first["surface"] == {"hd95_mm": 0.0, "hd95_penalized_mm": 0.0, "nsd": 1.0, "tolerance_mm": 1.0}
        assert (second["surface"]["hd95_mm"], second["surface"]["nsd"]) == (1.0, 1.0)  # a layer of 1 mm is missing
        assert result["surface"]["hd95_mm"]["value"] == 0.5
        assert second["lesions"]["n_found"] == second["lesions"]["n_reference"] == 1
        assert result["volume"] == evaluate_masks(predictions, references)["volume"]

    def test_the_paper_s_protocol_stands_beside(self, predictions, references):
        pytest.importorskip("monai")
        paper = evaluate_masks(predictions, references, full=True)["paper"]
        assert (paper["protocol"], paper["oracle_slices"], paper["n"]) == ("paper", True, 2)
        assert by_subject(paper)["sub-01"]["dice"] == 1
        slices = by_subject(paper)["sub-01"]["slices"]
        assert slices["n"] + slices["n_left_out"] == SHAPE[2]
        assert slices["n_left_out"] > 0

    def test_cues_are_what_there_is(self, predictions, references):
        pytest.importorskip("monai")
        save(predictions / "sub-01" / "sub-01_residual.nii.gz", labels().astype(np.float32) / 4)
        (references / "sub-02" / "sub-02_t1ce.nii.gz").unlink()
        cues = {
            name: one["cues"] for name, one in by_subject(evaluate_masks(predictions, references, full=True)).items()
        }
        assert list(cues["sub-01"]) == ["residual", "flair", "static_residual"]
        assert list(cues["sub-02"]) == ["flair"]
        assert cues["sub-01"]["residual"]["et"]["average_precision"] == 1
        assert 0 < cues["sub-01"]["flair"]["wt"]["prevalence"] < cues["sub-01"]["flair"]["wt"]["average_precision"] < 1

    def test_segmentations_alone_have_no_cues(self, predictions, references):
        pytest.importorskip("monai")
        for name in ("flair", "t1", "t1ce"):
            (references / "sub-01" / f"sub-01_{name}.nii.gz").unlink()
        result = evaluate_masks(predictions, references, subjects=["sub-01"], full=True)
        assert result["cues"] is by_subject(result)["sub-01"]["cues"] is None

    def test_a_residual_on_another_grid_is_refused(self, predictions, references):
        pytest.importorskip("monai")
        moved = affine(origin=(0, 0, 5))
        save(predictions / "sub-01" / "sub-01_residual.nii.gz", intensities(), moved)
        with pytest.raises(InputError, match=r"sub-01_residual.nii.gz: its grid is another than that of sub-01_seg"):
            evaluate_masks(predictions, references, full=True)

    def test_two_scans_of_one_modality_are_refused(self, predictions, references):
        save(references / "sub-01" / "sub-01_t2f.nii.gz", intensities())
        with pytest.raises(InputError, match=r"sub-01_flair.nii.gz, sub-01_t2f.nii.gz are both FLAIR of sub-01"):
            evaluate_masks(predictions, references)


class TestSynthesis:
    def test_scored_where_both_t1ce_exist(self, predictions, references):
        real = read_volume(references / "sub-01/sub-01_t1ce.nii.gz").data
        save(predictions / "sub-01/sub-01_desc-synth_t1ce.nii.gz", np.where(real > 0, real + 5, 0))
        save(predictions / "sub-02_desc-synth_t1ce.nii.gz", intensities(seed=9))
        (references / "sub-02/sub-02_t1ce.nii.gz").unlink()
        result = evaluate_masks(predictions, references)
        assert by_subject(result)["sub-01"]["synthesis"]["mae"] == pytest.approx(5, abs=1e-4)
        assert by_subject(result)["sub-02"]["synthesis"] is None
        assert result["synthesis"]["psnr"]["n"] == 1

    def test_a_synthetic_image_among_the_references_is_never_the_real_one(self, predictions, references):
        save(predictions / "sub-01/sub-01_desc-synth_t1ce.nii.gz", intensities(seed=9))
        (references / "sub-01/sub-01_t1ce.nii.gz").rename(references / "sub-01/sub-01_desc-synth_t1ce.nii.gz")
        assert evaluate_masks(predictions, references)["synthesis"] is None

    def test_on_another_grid(self, predictions, references):
        file = save(predictions / "sub-02_desc-synth_t1ce.nii.gz", intensities(), affine("LPS"))
        with pytest.raises(InputError, match=r"grid is another than that of sub-02_t1ce\.nii\.gz") as raised:
            evaluate_masks(predictions, references)
        assert raised.value.file == file


class TestGrids:
    @pytest.mark.parametrize(
        ("shape", "matrix", "found"),
        [
            ((12, 10, 7), affine(), "shape 12 x 10 x 7 against 12 x 10 x 8"),
            (SHAPE, affine("LAS"), "voxels up to 22 mm apart"),
            (SHAPE, affine(origin=(0, 0, 1)), "voxels up to 1 mm apart"),
        ],
    )
    def test_other_grid_is_refused(self, predictions, references, shape, matrix, found):
        file = save(predictions / "sub-02_mask.nii.gz", np.zeros(shape, np.uint8), matrix)
        with pytest.raises(InputError, match=f"another than that of sub-02_seg.nii.gz: {found}; expected") as raised:
            evaluate_masks(predictions, references)
        assert raised.value.file == file

    def test_rounding_of_an_affine_is_no_other_grid(self, predictions, references):
        save(predictions / "sub-02_mask.nii.gz", labels(), affine(origin=(0, 0, 5e-4)))
        assert evaluate_masks(predictions, references)["n"] == 2

    def test_a_probability_map_is_no_mask(self, predictions, references):
        save(predictions / "sub-02_mask.nii.gz", np.full(SHAPE, 0.7, np.float32))
        with pytest.raises(InputError, match=r"sub-02_mask.nii.gz: 960 voxels lie between labels"):
            evaluate_masks(predictions, references)


class TestWhoIsEvaluated:
    def test_missing_predictions_are_named(self, predictions, references):
        (predictions / "sub-02_mask.nii.gz").unlink()
        with pytest.raises(InputError, match="no mask for 1 of 2 reference subjects: sub-02; expected <subject>_mask"):
            evaluate_masks(predictions, references)

    def test_missing_predictions_may_be_allowed_but_are_listed(self, predictions, references):
        (predictions / "sub-02_mask.nii.gz").unlink()
        result = evaluate_masks(predictions, references, allow_missing=True)
        assert (result["n"], result["missing"]) == (1, ["sub-02"])
        assert ("Missing predictions", "1, in no number above: sub-02") in summary_rows(result)

    def test_no_prediction_at_all_is_never_allowed(self, tmp_path, references):
        (tmp_path / "empty").mkdir()
        with pytest.raises(InputError, match="no mask for 2 of 2 reference subjects: sub-01, sub-02"):
            evaluate_masks(tmp_path / "empty", references, allow_missing=True)

    def test_many_missing_ones_are_not_all_named(self, tmp_path, predictions):
        for k in range(15):
            save(tmp_path / f"many/case-{k:02d}_seg.nii.gz", labels())
        with pytest.raises(InputError, match="case-11 and 3 more; expected"):
            evaluate_masks(predictions, tmp_path / "many")

    def test_a_case_without_segmentation_is_named(self, predictions, references):
        seg = references / "sub-02/sub-02_seg.nii.gz"
        seg.rename(seg.with_name("W39_1998.09.19_Segm.nii.gz"))  # as in one case of BraTS 2020
        with pytest.raises(InputError, match="no segmentation for 1 of 2 cases: sub-02; expected <subject>_seg"):
            evaluate_masks(predictions, references)
        result = evaluate_masks(predictions, references, allow_missing=True)
        assert (result["n"], result["unlabelled"], result["unmatched"]) == (1, ["sub-02"], [])

    def test_a_case_without_segmentation_needs_no_prediction(self, predictions, references):
        (references / "sub-02/sub-02_seg.nii.gz").unlink()
        (predictions / "sub-02_mask.nii.gz").unlink()
        result = evaluate_masks(predictions, references, allow_missing=True)
        assert (result["unlabelled"], result["missing"]) == (["sub-02"], [])

    def test_predictions_without_reference_are_listed(self, predictions, references):
        save(predictions / "other/sub-99_mask.nii.gz", labels())
        assert evaluate_masks(predictions, references)["unmatched"] == ["sub-99"]

    def test_part_of_the_references(self, predictions, references):
        (predictions / "sub-01/sub-01_mask.nii.gz").unlink()
        result = evaluate_masks(predictions, references, subjects=["sub-02"])
        assert (result["n"], result["missing"], result["unmatched"]) == (1, [], [])

    def test_unknown_part_is_refused(self, predictions, references):
        with pytest.raises(InputError, match="no reference for sub-77; expected every subject asked for"):
            evaluate_masks(predictions, references, subjects=["sub-02", "sub-77"])

    def test_two_masks_of_one_subject(self, predictions, references):
        save(predictions / "sub-02/sub-02_mask.nii.gz", labels())
        with pytest.raises(
            InputError, match=r"sub-02_mask.nii.gz, sub-02.sub-02_mask.nii.gz are masks of one subject"
        ):
            evaluate_masks(predictions, references)


class TestLayouts:
    def test_a_single_case_folder(self, predictions, references):
        assert evaluate_masks(predictions, references / "sub-02")["n"] == 1

    def test_segmentations_alone_in_one_folder(self, tmp_path, predictions):
        for subject in ("sub-01", "sub-02"):
            save(tmp_path / f"flat/{subject}_seg.nii.gz", labels())
        assert list(by_subject(evaluate_masks(predictions, tmp_path / "flat"))) == ["sub-01", "sub-02"]

    def test_all_subjects_in_one_folder_keep_their_own_t1ce(self, tmp_path, predictions):
        for seed, subject in enumerate(("sub-01", "sub-02")):
            save(tmp_path / f"flat/{subject}_seg.nii.gz", labels())
            save(tmp_path / f"flat/{subject}_t1ce.nii.gz", intensities(seed=seed))
        save(predictions / "sub-02_desc-synth_t1ce.nii.gz", intensities(seed=1))
        result = by_subject(evaluate_masks(predictions, tmp_path / "flat"))
        assert result["sub-02"]["synthesis"]["ssim"] == 1
        assert result["sub-01"]["synthesis"] is None

    def test_nested_download_with_hyphens(self, tmp_path):
        save(tmp_path / "data/TRAIN/BraTS-GLI-00000-000/BraTS-GLI-00000-000-seg.nii.gz", labels(values=(1, 2, 3)))
        save(tmp_path / "out/BraTS-GLI-00000-000_mask.nii.gz", labels())
        assert by_subject(evaluate_masks(tmp_path / "out", tmp_path / "data"))["BraTS-GLI-00000-000"]["dice"] == 1

    def test_prediction_named_after_the_case_folder(self, tmp_path):
        save(tmp_path / "data/patient-7/scan_seg.nii.gz", labels())
        save(tmp_path / "out/patient-7_mask.nii.gz", labels())
        assert evaluate_masks(tmp_path / "out", tmp_path / "data")["n"] == 1

    def test_uncompressed_files(self, tmp_path):
        save(tmp_path / "data/a_seg.nii", labels())
        save(tmp_path / "out/a_mask.nii", labels())
        assert evaluate_masks(tmp_path / "out", tmp_path / "data")["n"] == 1

    def test_one_subject_in_two_places(self, predictions, references):
        save(references / "copy/sub-01_seg.nii.gz", labels())
        with pytest.raises(InputError, match="sub-01 found more than once"):
            evaluate_masks(predictions, references)

    def test_two_measured_t1ce(self, predictions, references):
        save(references / "sub-01/sub-01_t1c.nii.gz", intensities())
        with pytest.raises(InputError, match=r"sub-01_t1c.nii.gz, sub-01_t1ce.nii.gz are both T1ce of sub-01"):
            evaluate_masks(predictions, references)

    @pytest.mark.parametrize("missing", ["predictions", "references"])
    def test_missing_folder(self, predictions, references, missing):
        folders = {"predictions": predictions, "references": references} | {missing: Path("nowhere")}
        with pytest.raises(InputError, match="nowhere: no such folder; expected a folder"):
            evaluate_masks(**folders)

    def test_references_without_any_segmentation(self, tmp_path, predictions):
        with pytest.raises(InputError, match=r"the folder holds sub-01, sub-02_mask\.nii\.gz"):
            evaluate_masks(predictions, predictions)


def test_real_references_against_themselves(brats_dir, tmp_path):
    subject = sorted(folder.name for folder in brats_dir.iterdir() if folder.is_dir())[0]
    files = [file for file in (brats_dir / subject).iterdir() if file.name.endswith("seg.nii.gz")]
    image = nib.load(files[0])
    nib.save(nib.Nifti1Image((np.asarray(image.dataobj) > 0).astype(np.uint8), image.affine), tmp_path / "mask.nii.gz")
    (tmp_path / "mask.nii.gz").rename(tmp_path / f"{subject}_mask.nii.gz")
    result = evaluate_masks(tmp_path, brats_dir, subjects=[subject])
    assert result["pooled"]["dice"]["value"] == 1
    assert result["millilitres"]["reference_ml"]["value"] > 1
