"""Every metric against MONAI or arithmetic by hand, and the edge cases row by row."""

import math

import numpy as np
import pytest

from recoseg_hf.evaluation.metrics import (
    EMPTY_MASK_TABLE,
    Counts,
    bounding_box,
    counts,
    cut_to,
    dice,
    in_brain_range,
    iou,
    mae,
    mean_inside,
    precision,
    psnr,
    recall,
    ssim,
    ssim_map,
)
from tests.evaluation.masks import edge_masks

SHAPE = (9, 8, 7)
METRICS = {"dice": dice, "iou": iou, "precision": precision, "recall": recall}


def random_masks(seed):
    """Two masks of a random density each, sometimes empty or full."""
    generator = np.random.default_rng(seed)
    densities = generator.choice([0.0, 0.02, 0.3, 0.7, 1.0], size=2)
    return [generator.random(SHAPE) < density for density in densities]


def image_pair(seed=0, shape=(24, 26, 5)):
    """A positive image, a noisy copy and a mask that is no box and leaves one slice out."""
    generator = np.random.default_rng(seed)
    real = generator.gamma(4, 50, size=shape)
    x, y = np.ogrid[: shape[0], : shape[1]]
    mask = np.repeat((((x - 12) / 10) ** 2 + ((y - 13) / 8) ** 2 < 1)[:, :, None], shape[2], axis=2)
    mask[:, :, 2] = False
    return real, real + generator.normal(0, 40, size=shape), mask


class TestCounts:
    def test_each_kind_of_voxel(self):
        assert counts([1, 1, 1, 0, 0, 0, 0], [1, 1, 0, 1, 0, 0, 0]) == Counts(2, 1, 1, 3)

    def test_any_non_zero_voxel_is_inside(self):
        assert counts(np.array([0, 255, 1]), np.array([0, 2, 4])) == Counts(2, 0, 0, 1)

    @pytest.mark.parametrize("seed", range(8))
    def test_slices_add_up_to_the_volume(self, seed):
        prediction, reference = random_masks(seed)
        slices = [counts(prediction[..., k], reference[..., k]) for k in range(SHAPE[2])]
        assert sum(slices, Counts()) == counts(prediction, reference)

    def test_differing_shapes_name_both(self):
        with pytest.raises(ValueError, match=r"prediction \(2, 3\), reference \(3, 2\)"):
            counts(np.zeros((2, 3)), np.zeros((3, 2)))


class TestOverlap:
    def test_values_by_hand(self):
        count = Counts(true_positive=3, false_positive=1, false_negative=2, true_negative=10)
        assert dice(count) == 6 / 9
        assert iou(count) == 3 / 6
        assert precision(count) == 3 / 4
        assert recall(count) == 3 / 5

    @pytest.mark.parametrize(
        ("outcome", "count", "expected"),
        [
            ("both_empty", Counts(0, 0, 0, 5), (None, None, None, None)),
            ("empty_reference", Counts(0, 3, 0, 2), (0, 0, 0, None)),
            ("empty_prediction", Counts(0, 0, 3, 2), (0, 0, None, 0)),
            ("disjoint", Counts(0, 2, 3, 0), (0, 0, 0, 0)),
            ("overlap", Counts(4, 0, 0, 1), (1, 1, 1, 1)),
        ],
    )
    def test_edge_cases(self, outcome, count, expected):
        assert count.outcome == outcome
        assert tuple(metric(count) for metric in METRICS.values()) == expected

    def test_the_table_has_every_metric(self):
        assert list(EMPTY_MASK_TABLE) == ["both_empty", "empty_reference", "empty_prediction"]
        assert all(set(row) == {*METRICS, "hd95_mm", "nsd"} for row in EMPTY_MASK_TABLE.values())

    def test_no_empty_mask_has_a_distance(self):
        assert {row["hd95_mm"] for row in EMPTY_MASK_TABLE.values()} == {None}

    @pytest.mark.parametrize("seed", range(20))
    def test_dice_and_iou_agree_with_monai(self, seed):
        torch = pytest.importorskip("torch")
        monai = pytest.importorskip("monai.metrics")
        prediction, reference = random_masks(seed)
        as_batch = [torch.as_tensor(mask[None, None]) for mask in (prediction, reference)]
        count = counts(prediction, reference)
        for ours, theirs in ((dice(count), monai.DiceMetric), (iou(count), monai.MeanIoU)):
            # With ignore_empty=False MONAI scores agreement on "nothing" as 1, which our table declines to score.
            expected = float(theirs(include_background=True, ignore_empty=False)(*as_batch))
            assert (expected, ours) == (1, None) if ours is None else ours == pytest.approx(expected, abs=1e-6)

    @pytest.mark.parametrize("name", list(edge_masks()))
    def test_edge_case_masks_agree_with_scikit_learn(self, name):
        sklearn = pytest.importorskip("sklearn.metrics")
        prediction, reference = edge_masks()[name]
        theirs = {
            "dice": sklearn.f1_score, "iou": sklearn.jaccard_score,
            "precision": sklearn.precision_score, "recall": sklearn.recall_score,
        }  # fmt: skip
        for metric, function in theirs.items():
            expected = function(reference.ravel(), prediction.ravel(), zero_division=0)
            ours = METRICS[metric](counts(prediction, reference))
            # Where scikit-learn would divide 0 by 0 it is told to give 0, and our table may say "not defined".
            assert expected == 0 if ours is None else ours == pytest.approx(expected, abs=1e-12)

    @pytest.mark.parametrize("seed", range(20))
    def test_precision_and_recall_agree_with_monai(self, seed):
        torch = pytest.importorskip("torch")
        monai = pytest.importorskip("monai.metrics")
        prediction, reference = random_masks(seed)
        # Not bool: MONAI adds the masks and looks for 2, which bool tensors never reach.
        as_batch = [torch.as_tensor(mask[None, None], dtype=torch.float32) for mask in (prediction, reference)]
        matrix = monai.get_confusion_matrix(*as_batch)
        for metric in ("precision", "recall"):
            expected = float(monai.compute_confusion_matrix_metric(metric, matrix))
            ours = METRICS[metric](counts(prediction, reference))
            assert math.isnan(expected) if ours is None else ours == pytest.approx(expected, abs=1e-6)


class TestPsnrAndMae:
    def test_psnr_by_hand(self):
        real, synthetic = np.full((2, 2, 2), 10.0), np.full((2, 2, 2), 12.0)
        assert psnr(real, synthetic, np.ones((2, 2, 2)), data_range=20.0) == pytest.approx(20.0)

    def test_default_range_is_the_99th_percentile_inside(self):
        real = np.concatenate([np.arange(101.0), np.full(1000, 1e6)]).reshape(1, 1, -1)
        mask = real < 1e6
        assert in_brain_range(real, mask) == 99.0
        assert psnr(real, real + 9.9, mask) == pytest.approx(20.0)

    def test_psnr_agrees_with_monai_inside_the_mask(self):
        torch = pytest.importorskip("torch")
        monai = pytest.importorskip("monai.metrics")
        real, synthetic, mask = image_pair()
        inside = [torch.as_tensor(image[mask])[None, None] for image in (synthetic, real)]
        assert psnr(real, synthetic, mask, 700.0) == pytest.approx(
            float(monai.PSNRMetric(max_val=700.0)(*inside)), abs=1e-4
        )

    def test_mae_by_hand(self):
        real, mask = np.zeros((1, 2, 2)), np.array([[[True, True], [True, False]]])
        assert mae(real, np.array([[[3.0, -3.0], [0.0, 99.0]]]), mask) == 2.0

    def test_values_outside_the_mask_do_not_count(self):
        real, synthetic, mask = image_pair()
        spoilt = np.where(mask, synthetic, np.nan)
        for metric in (psnr, mae, ssim):
            assert metric(real, spoilt, mask) == metric(real, synthetic, mask)

    def test_identical_images(self):
        real, _, mask = image_pair()
        assert (psnr(real, real, mask), mae(real, real, mask), ssim(real, real, mask)) == (math.inf, 0.0, 1.0)

    def test_constant_images(self):
        real, mask = np.full((16, 16, 2), 50.0), np.ones((16, 16, 2), bool)
        assert psnr(real, real + 5, mask) == pytest.approx(20.0)
        assert 0.9 < ssim(real, real + 5, mask) < 1

    def test_an_image_without_range_has_no_psnr_or_ssim(self):
        real, mask = np.zeros((4, 4, 2)), np.ones((4, 4, 2), bool)
        assert (psnr(real, real + 1, mask), ssim(real, real + 1, mask), mae(real, real + 1, mask)) == (None, None, 1.0)

    def test_an_empty_mask_has_no_score(self):
        real, synthetic, mask = image_pair()
        assert [metric(real, synthetic, mask & False) for metric in (psnr, ssim, mae)] == [None, None, None]
        assert in_brain_range(real, mask & False) is None

    def test_a_value_that_is_not_finite_is_refused(self):
        real, synthetic, mask = image_pair()
        synthetic[12, 13, 0] = np.nan
        with pytest.raises(ValueError, match="the synthetic image holds NaN or Inf inside the mask"):
            psnr(real, synthetic, mask)

    def test_differing_shapes_name_all(self):
        with pytest.raises(ValueError, match=r"real \(2, 2, 2\), synthetic \(2, 2, 3\), mask \(2, 2, 2\)"):
            mae(np.zeros((2, 2, 2)), np.zeros((2, 2, 3)), np.zeros((2, 2, 2)))


class TestSsim:
    @pytest.mark.parametrize("seed", range(3))
    def test_agrees_with_monai(self, seed):
        torch = pytest.importorskip("torch")
        regression = pytest.importorskip("monai.metrics.regression")
        real, synthetic, mask = image_pair(seed)
        # MONAI keeps only whole windows, so five zeros all round make its map as large as the slice.
        padded = [np.pad(image * mask, ((5, 5), (5, 5), (0, 0))) for image in (synthetic, real)]
        batches = [torch.as_tensor(image.transpose(2, 0, 1)[:, None].copy()) for image in padded]
        maps, _ = regression.compute_ssim_and_cs(*batches, 2, (11, 11), (1.5, 1.5), data_range=500.0)
        expected = maps.numpy()[:, 0].transpose(1, 2, 0)[mask].mean()
        assert ssim(real, synthetic, mask, 500.0) == pytest.approx(expected, abs=1e-4)

    def test_window_by_hand_at_one_voxel(self):
        real, synthetic, _ = image_pair()
        mask = np.zeros(real.shape, bool)
        mask[12, 13, 1] = True
        weight = (1 / np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2).sum()) ** 2
        x, y, c1, c2 = real[12, 13, 1], synthetic[12, 13, 1], (0.01 * 500) ** 2, (0.03 * 500) ** 2
        luminance = (2 * weight**2 * x * y + c1) / (weight**2 * (x**2 + y**2) + c1)
        spread = weight - weight**2
        structure = (2 * spread * x * y + c2) / (spread * (x**2 + y**2) + c2)
        assert ssim(real, synthetic, mask, 500.0) == pytest.approx(luminance * structure)

    def test_slices_lie_along_the_named_axis(self):
        volumes = image_pair()
        moved = [np.moveaxis(volume, 2, 0) for volume in volumes]
        assert ssim(*moved, 500.0, slice_axis=0) == pytest.approx(ssim(*volumes, 500.0), abs=1e-12)
        assert ssim(*moved, 500.0) != pytest.approx(ssim(*volumes, 500.0), abs=1e-3)

    def test_every_brain_voxel_weighs_the_same(self):
        real, synthetic, mask = image_pair()
        mask[8:, :, 3] = False
        parts = [mask & (np.arange(5) == k) for k in range(5)]
        weighted = sum(ssim(real, synthetic, part, 500.0) * part.sum() for part in parts if part.any())
        assert ssim(real, synthetic, mask, 500.0) == pytest.approx(weighted / mask.sum())

    def test_more_noise_scores_less(self):
        real, synthetic, mask = image_pair()
        scores = [ssim(real, real + k * (synthetic - real), mask) for k in (0, 0.5, 1, 2)]
        assert scores[0] == 1
        assert scores == sorted(scores, reverse=True)

    def test_needs_a_volume(self):
        with pytest.raises(ValueError, match=r"SSIM needs 3D volumes; found shape \(4, 4\)"):
            ssim(np.ones((4, 4)), np.ones((4, 4)), np.ones((4, 4)))


class TestSsimMap:
    def test_its_mean_over_a_part_is_the_part_s_score(self):
        real, synthetic, mask = image_pair()
        similarity = ssim_map(real, synthetic, mask, 500.0)
        assert similarity.shape == real.shape
        assert not similarity[~mask].any()
        assert similarity[mask].mean() == pytest.approx(ssim(real, synthetic, mask, 500.0), abs=1e-12)
        part = mask & (np.arange(5) < 2)
        assert mean_inside(similarity, part) == pytest.approx(ssim(real, synthetic, part, 500.0), abs=1e-12)

    def test_nothing_to_average(self):
        real, synthetic, mask = image_pair()
        assert ssim_map(real, synthetic, mask & False) is None
        assert mean_inside(None, mask) is None
        assert mean_inside(real, mask & False) is None


def test_bounding_box_holds_the_mask_and_no_more():
    mask = np.zeros((6, 5, 4), bool)
    mask[1, 4, 0] = mask[3, 2, 3] = True
    assert bounding_box(mask) == (slice(1, 4), slice(2, 5), slice(0, 4))


def test_cut_to_the_mask():
    values = np.asfortranarray(np.arange(120.0).reshape(6, 5, 4))
    mask = (values > 60) & (values < 80)
    inside, cut = cut_to(mask, values)
    assert np.array_equal(cut[inside], values[mask])
    assert (cut.shape, cut.flags["C_CONTIGUOUS"]) == ((1, 5, 4), True)
    assert [one.shape for one in cut_to(mask & False, values)] == [(6, 5, 4)] * 2
    with pytest.raises(ValueError, match=r"shapes differ: mask \(6, 5, 4\), array 1 \(6, 5\)"):
        cut_to(mask, values[..., 0])
