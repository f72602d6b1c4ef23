"""Likeness of images against MONAI and arithmetic by hand."""

import math

import numpy as np
import pytest

from recoseg_hf.evaluation.metrics.likeness import in_brain_range, mae, mean_inside, psnr, ssim, ssim_map


def image_pair(seed=0, shape=(24, 26, 5)):
    """A positive image, a noisy copy and a mask that is no box and leaves one slice out."""
    generator = np.random.default_rng(seed)
    real = generator.gamma(4, 50, size=shape)
    x, y = np.ogrid[: shape[0], : shape[1]]
    mask = np.repeat((((x - 12) / 10) ** 2 + ((y - 13) / 8) ** 2 < 1)[:, :, None], shape[2], axis=2)
    mask[:, :, 2] = False
    return real, real + generator.normal(0, 40, size=shape), mask


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
