"""One subject's comparison: native grid, axial slices whatever the orientation, volumes in mL, finite JSON."""

import json
import math

import nibabel as nib
import numpy as np
import pytest

from recoseg_hf.evaluation.comparison import compare_case, compare_shape
from recoseg_hf.evaluation.metrics.flicker import flicker
from recoseg_hf.evaluation.metrics.lesions import lesion_scores
from recoseg_hf.evaluation.metrics.likeness import ssim_map
from recoseg_hf.evaluation.metrics.surface import grid_diagonal_mm, surface_scores
from recoseg_hf.evaluation.same_grid import axial_axis, grid_difference
from recoseg_hf.evaluation.synthesis_comparison import compare_synthesis
from recoseg_hf.imaging.volume import Volume

AFFINE = np.diag([1.0, 2.0, 3.0, 1.0])


def labels(shape=(10, 8, 4)):
    """Reference labels: oedema 2 around necrosis 1 and enhancing tumour 4, in slices 1 and 2."""
    data = np.zeros(shape, np.uint8)
    data[2:8, 2:6, 1:3] = 2
    data[3:6, 3:5, 1:3] = 1
    data[3:5, 3:5, 2] = 4
    return Volume(data, AFFINE)


def box(*slices, shape=(10, 8, 4), affine=AFFINE):
    """A mask that is 1 in a box."""
    data = np.zeros(shape, np.uint8)
    data[slices] = 1
    return Volume(data, affine)


def scan(seed=0, shape=(16, 14, 6), affine=AFFINE):
    """A skull-stripped image: positive inside a box, 0 around it."""
    data = np.zeros(shape, np.float32)
    data[2:14, 2:12, 1:5] = np.random.default_rng(seed).gamma(4, 50, size=(12, 10, 4))
    return Volume(data, affine)


class TestCompareCase:
    def test_numbers_by_hand(self):
        # Reference 6 x 4 x 2 = 48 voxels; prediction 6 x 4 x 1 inside it, and 10 voxels elsewhere.
        prediction = box(slice(2, 8), slice(2, 6), 1)
        prediction.data[:, 0, 3] = 1
        record = compare_case(prediction, labels())
        assert record["counts"] == {
            "true_positive": 24,
            "false_positive": 10,
            "false_negative": 24,
            "true_negative": 320 - 58,
        }
        assert record["dice"] == 48 / 82
        assert record["iou"] == 24 / 58
        assert (record["precision"], record["recall"]) == (24 / 34, 0.5)
        assert (record["outcome"], record["region"]) == ("overlap", "wt")

    def test_millilitres_use_the_voxel_size(self):
        record = compare_case(box(slice(2, 8), slice(0, 6), 1), labels())  # 36 voxels of 6 mm^3, 12 of them wrong
        assert record["prediction_ml"] == pytest.approx(0.216)
        assert record["reference_ml"] == pytest.approx(0.288)
        assert record["volume_error_ml"] == pytest.approx(-0.072)
        assert record["false_positive_ml"] == pytest.approx(0.072)

    def test_slices_without_either_mask_have_no_score(self):
        record = compare_case(box(slice(2, 8), slice(2, 6), slice(1, 2)), labels())
        assert record["slices"] == {"n": 4, "n_both_empty": 2, "dice": 0.5, "iou": 0.5}

    @pytest.mark.parametrize(("region", "voxels"), [("wt", 48), ("tc", 12), ("et", 4)])
    @pytest.mark.parametrize("enhancing", [3, 4])
    def test_regions_in_both_label_schemes(self, region, voxels, enhancing):
        reference = labels()
        reference.data[reference.data == 4] = enhancing
        counts = compare_case(box(0, 0, 0), reference, region)["counts"]
        assert counts["true_positive"] + counts["false_negative"] == voxels

    @pytest.mark.parametrize("orientation", ["RAS", "LPS", "PIR", "SLA"])
    def test_orientation_changes_nothing(self, orientation):
        prediction = box(slice(1, 7), slice(2, 6), slice(1, 4))
        expected = compare_case(prediction, labels())
        turned = []
        for volume in (prediction, labels()):
            image = nib.Nifti1Image(volume.data, volume.affine)
            target = nib.orientations.axcodes2ornt(orientation)
            image = image.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(image.affine), target))
            turned.append(Volume(np.asarray(image.dataobj), image.affine))
        assert turned[0].orientation == orientation
        record = compare_case(*turned)
        assert record["slices"] == pytest.approx(expected["slices"])
        assert record["counts"] == expected["counts"]

    @pytest.mark.parametrize(
        ("outcome", "predicted", "referenced"),
        [("both_empty", 0, 0), ("empty_reference", 5, 0), ("empty_prediction", 0, 5)],
    )
    def test_empty_masks(self, outcome, predicted, referenced):
        masks = [box(slice(0, n), 0, 0) if n else box(slice(0), 0, 0) for n in (predicted, referenced)]
        record = compare_case(*masks)
        assert record["outcome"] == outcome
        assert record["dice"] == (None if outcome == "both_empty" else 0)
        assert record["slices"]["dice"] == record["dice"]
        assert record["false_positive_ml"] == pytest.approx(predicted * 0.006)
        assert json.loads(json.dumps(record, allow_nan=False)) == record

    def test_unknown_region(self):
        with pytest.raises(ValueError, match="region='core'; expected one of wt, tc, et"):
            compare_case(labels(), labels(), "core")


class TestCompareShape:
    def test_spacing_is_the_case_s_own(self):
        pytest.importorskip("monai")
        prediction = box(slice(1, 7), slice(2, 6), slice(1, 4))
        record = compare_shape(prediction, labels())
        masks = prediction.data > 0, labels().data > 0
        assert record["surface"]["hd95_mm"] == surface_scores(*masks, (1, 2, 3))["hd95_mm"] != 0
        assert record["surface"]["hd95_penalized_mm"] == record["surface"]["hd95_mm"]
        assert record["surface"]["nsd"] == surface_scores(*masks, (1, 2, 3))["nsd"]
        assert record["lesions"]["dice"] == lesion_scores(*masks, (1, 2, 3)).dice
        assert record["lesions"]["n_found"] == 1

    @pytest.mark.parametrize(("predicted", "referenced", "penalized"), [(0, 5, True), (5, 0, True), (0, 0, False)])
    def test_a_miss_is_never_near(self, predicted, referenced, penalized):
        pytest.importorskip("scipy")
        masks = [box(slice(0, n), 0, 0) if n else box(slice(0), 0, 0) for n in (predicted, referenced)]
        surface = compare_shape(*masks)["surface"]
        assert surface["hd95_mm"] is None
        diagonal = grid_diagonal_mm((10, 8, 4), (1, 2, 3))
        assert surface["hd95_penalized_mm"] == (pytest.approx(diagonal) if penalized else None)
        assert surface["nsd"] == (0 if penalized else None)

    def test_region_and_tolerance(self):
        pytest.importorskip("monai")
        near = box(slice(4, 6), slice(3, 5), 2)  # the enhancing tumour, one voxel of 1 mm to the side
        scores = [compare_shape(near, labels(), "et", tolerance)["surface"] for tolerance in (1.0, 0.5)]
        assert [score["tolerance_mm"] for score in scores] == [1.0, 0.5]
        assert [score["nsd"] for score in scores] == [1.0, 0.5]
        with pytest.raises(ValueError, match="region='core'"):
            compare_shape(near, labels(), "core")


class TestGrids:
    def test_one_grid_within_the_tolerance(self):
        moved = AFFINE.copy()
        moved[0, 3] = 5e-4
        assert grid_difference(labels(), Volume(labels().data, moved)) is None

    def test_shifted_grid_is_refused(self):
        moved = AFFINE.copy()
        moved[:3, 3] = (0, 3, 4)
        with pytest.raises(
            ValueError, match="prediction and reference lie on different grids: voxels up to 5 mm apart"
        ):
            compare_case(box(0, 0, 0, affine=moved), labels())

    def test_flipped_grid_is_refused(self):
        with pytest.raises(ValueError, match="lie on different grids"):
            compare_case(box(0, 0, 0, affine=np.diag([-1.0, 2, 3, 1])), labels())

    def test_other_shape_is_refused(self):
        with pytest.raises(ValueError, match="shape 16 x 14 x 5 against 16 x 14 x 6"):
            compare_synthesis(scan(), Volume(np.zeros((16, 14, 5), np.float32), AFFINE))

    def test_axial_axis_of_an_oblique_scan(self):
        angle = math.radians(20)
        turn = np.array([[1, 0, 0], [0, math.cos(angle), -math.sin(angle)], [0, math.sin(angle), math.cos(angle)]])
        affine = np.eye(4)
        affine[:3, :3] = turn[:, [2, 0, 1]]
        assert axial_axis(Volume(np.zeros((4, 5, 6), np.uint8), affine)) == 0


class TestCompareSynthesis:
    def test_the_brain_is_where_the_real_image_is_not_zero(self):
        real = scan()
        synthetic = Volume(real.data + 10, AFFINE)  # also wrong in the background, which must not count
        record = compare_synthesis(real, synthetic)
        inside = real.data[real.data != 0]
        assert record["n_voxels"] == inside.size
        assert record["data_range"] == pytest.approx(np.percentile(inside, 99))
        assert record["mae"] == pytest.approx(10)
        assert record["relative_mae"] == pytest.approx(10 / record["data_range"])
        assert record["psnr"] == pytest.approx(20 * math.log10(record["data_range"] / 10))
        assert 0.9 < record["ssim"] < 1
        assert record["undefined"] == {}

    def test_a_brain_mask_may_be_given(self):
        real, brain = scan(), np.zeros((16, 14, 6), bool)
        brain[4:9, 4:9, 2:4] = True
        assert compare_synthesis(real, scan(1), brain)["n_voxels"] == 50

    def test_ssim_runs_over_axial_slices(self):
        real, synthetic = scan(0), scan(1)
        affine = AFFINE[:, [2, 0, 1, 3]]
        turned = [Volume(np.moveaxis(volume.data, 2, 0), affine) for volume in (real, synthetic)]
        assert turned[0].orientation == "SRA"
        assert compare_synthesis(*turned)["ssim"] == pytest.approx(compare_synthesis(real, synthetic)["ssim"])

    def test_identical_images_give_finite_json(self):
        record = compare_synthesis(scan(), scan())
        assert (record["psnr"], record["ssim"], record["mae"], record["relative_mae"]) == (None, 1.0, 0.0, 0.0)
        assert record["undefined"] == {"psnr": "the images are identical, so it is infinite"}
        assert json.loads(json.dumps(record, allow_nan=False)) == record

    def test_empty_brain(self):
        record = compare_synthesis(Volume(np.zeros((4, 4, 4), np.float32), AFFINE), box(0, 0, 0, shape=(4, 4, 4)))
        assert set(record["undefined"]) == {"psnr", "ssim", "mae", "relative_mae"}
        assert set(record["undefined"].values()) == {"the brain mask is empty"}
        assert record["n_voxels"] == 0

    def test_real_image_without_range(self):
        blank = Volume(np.zeros((4, 4, 4), np.float32), AFFINE)
        record = compare_synthesis(blank, Volume(blank.data + 1, AFFINE), np.ones((4, 4, 4), bool))
        assert record["mae"] == 1
        assert record["undefined"] == dict.fromkeys(
            ("psnr", "ssim", "relative_mae"), "the real T1ce has no positive range"
        )

    def test_scores_in_the_tumour_are_those_of_its_voxels(self):
        real, synthetic = scan(0), scan(1)
        reference = np.zeros(real.shape, np.uint8)
        reference[4:9, 4:9, 2:4], reference[5:7, 5:7, 2] = 2, 4
        reference[0, 0, 0] = 2  # outside the brain, where nothing was synthesized
        record = compare_synthesis(real, synthetic, labels=Volume(reference, AFFINE))
        enhancing = reference == 4
        errors = np.abs(real.data.astype(float) - synthetic.data)[enhancing]
        tumour = record["tumour"]
        assert [tumour[region]["n_voxels"] for region in ("wt", "tc", "et")] == [50, 4, 4]
        assert tumour["et"]["mae"] == pytest.approx(errors.mean())
        assert tumour["et"]["relative_mae"] == pytest.approx(errors.mean() / record["data_range"])
        expected = 10 * math.log10(record["data_range"] ** 2 / (errors**2).mean())
        assert tumour["et"]["psnr"] == pytest.approx(expected)
        similarity = ssim_map(real.data, synthetic.data, real.data != 0, record["data_range"])
        assert tumour["et"]["ssim"] == pytest.approx(similarity[enhancing].mean())
        assert tumour["tc"] == tumour["et"]

    def test_a_region_that_is_empty_says_so(self):
        record = compare_synthesis(scan(), scan(1), labels=box(0, 0, 0, shape=(16, 14, 6)))
        assert record["tumour"]["et"]["psnr"] is None
        assert set(record["tumour"]["et"]["undefined"].values()) == {"the region is empty"}
        assert compare_synthesis(scan(), scan(1))["tumour"] is None

    def test_labels_on_another_grid_are_refused(self):
        with pytest.raises(ValueError, match="segmentation and real T1ce lie on different grids"):
            compare_synthesis(scan(), scan(1), labels=labels())

    def test_flicker_runs_from_slice_to_slice(self):
        real, synthetic = scan(0), scan(1)
        expected = flicker(real.data, synthetic.data, real.data != 0)
        assert compare_synthesis(real, synthetic)["flicker"] == expected
        turned = [Volume(np.moveaxis(one.data, 2, 0), AFFINE[:, [2, 0, 1, 3]]) for one in (real, synthetic)]
        assert compare_synthesis(*turned)["flicker"] == pytest.approx(expected)
