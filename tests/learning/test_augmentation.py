from dataclasses import fields, replace

import pytest
import torch

from recoseg_hf.learning.augmentation import AugmentationSettings, draw_transform, jitter_conditions, warp
from recoseg_hf.learning.randomness import SampleRandomness

NOTHING = AugmentationSettings(flip=0, affine=0, intensity=0, field=0, blur=0, noise=0)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def streams(size: int, seed: int = 0) -> SampleRandomness:
    return SampleRandomness.of_samples(seed, first=0, size=size)


@pytest.fixture
def images():
    """(B, K, C, H, W) with every pixel of its own value."""
    return torch.rand(4, 3, 2, 12, 12, generator=seeded())


def test_without_augmentation_nothing_changes(images):
    transform = draw_transform(NOTHING, streams(4))
    assert torch.allclose(warp(images, transform), images, atol=1e-6)
    conditions = torch.randn(4, 1, 3, 12, 12)
    assert torch.equal(jitter_conditions(conditions, transform), conditions)


def test_a_flip_is_left_right_along_h(images):
    transform = draw_transform(replace(NOTHING, flip=1), streams(4))
    assert torch.allclose(warp(images, transform), images.flip(-2), atol=1e-6)


def test_about_half_of_the_slices_are_flipped():
    transform = draw_transform(replace(NOTHING, flip=0.5), streams(400))
    assert 160 < (transform.affine[:, 1, 1] < 0).sum() < 240


def test_a_rotation_moves_no_pixel_beyond_its_range():
    transform = draw_transform(replace(NOTHING, affine=1, scaling=0, shearing=0, translation=0), streams(200))
    matrices = transform.affine[:, :, :2]
    assert torch.allclose(matrices @ matrices.mT, torch.eye(2).expand(200, 2, 2), atol=1e-5)
    degrees = torch.atan2(matrices[:, 1, 0], matrices[:, 0, 0]) * 180 / torch.pi
    assert 14 < degrees.abs().max() <= 15
    assert degrees.min() < 0 < degrees.max()


def test_scale_and_shift_stay_in_range():
    settings = replace(NOTHING, affine=1, rotation=0, shearing=0, scaling=0.1, translation=0.04)
    transform = draw_transform(settings, streams(200))
    assert (transform.affine[:, 0, 0] - 1).abs().max() <= 0.1
    assert transform.affine[:, :, 2].abs().max() <= 0.08  # the field of view spans -1 to 1


def test_all_channels_and_context_slices_move_alike(images):
    transform = draw_transform(AugmentationSettings(affine=1), streams(4))
    together = warp(images, transform)
    for context in range(3):
        for channel in range(2):
            alone = warp(images[:, context : context + 1, channel : channel + 1], transform)
            assert torch.allclose(together[:, context, channel], alone[:, 0, 0], atol=1e-6)


def test_slices_move_each_in_their_own_way():
    same = torch.rand(1, 1, 12, 12, generator=seeded()).expand(4, 1, 12, 12)
    warped = warp(same, draw_transform(AugmentationSettings(affine=1), streams(4)))
    assert not any(torch.allclose(warped[0], other, atol=1e-3) for other in warped[1:])


def test_jitter_is_per_condition_and_alike_for_context_slices():
    conditions = torch.ones(5, 3, 3, 4, 4)
    jittered = jitter_conditions(conditions, draw_transform(replace(NOTHING, intensity=1), streams(5)))
    assert torch.equal(jittered[:, 0], jittered[:, 2])
    per_condition = jittered[:, 0, :, 0, 0]
    assert not torch.allclose(per_condition[:, 0], per_condition[:, 1])
    assert torch.equal(jittered, jittered[..., :1, :1].expand_as(jittered))
    assert (per_condition - 1).abs().max() <= 0.3 + 0.4


def test_a_field_is_slow_alike_for_context_slices_and_has_its_level():
    transform = draw_transform(replace(NOTHING, field=1, field_level=0.2), streams(100))
    field = jitter_conditions(torch.zeros(100, 3, 3, 32, 32), transform)
    assert torch.equal(field[:, 0], field[:, 2])
    assert 0.1 < field.std().item() < 0.2  # interpolation between the drawn values lowers it
    assert field.diff(dim=-1).abs().max() < 0.2
    assert not torch.allclose(field[0, 0, 0], field[0, 0, 1], atol=1e-2)


def test_blur_halves_the_resolution_and_keeps_the_mean(images):
    transform = draw_transform(replace(NOTHING, blur=1), streams(4))
    conditions = torch.randn(4, 1, 3, 12, 12, generator=seeded())
    blurred = jitter_conditions(conditions, transform)
    assert blurred.mean((-1, -2)) == pytest.approx(conditions.mean((-1, -2)), abs=0.1)
    assert blurred.std() < 0.7 * conditions.std()


def test_noise_has_the_level_asked_for():
    transform = draw_transform(replace(NOTHING, noise=1, noise_level=0.2), streams(2))
    noise = jitter_conditions(torch.zeros(2, 1, 3, 64, 64), transform)
    assert noise.std().item() == pytest.approx(0.2, rel=0.05)


def test_the_generator_decides_everything(images):
    conditions = torch.randn(4, 1, 3, 12, 12, generator=seeded())
    results = []
    for seed in (1, 1, 2):
        transform = draw_transform(AugmentationSettings(affine=1, noise=1), streams(4, seed))
        torch.rand(3)  # the global state has no say
        results.append((warp(images, transform), jitter_conditions(conditions, transform)))
    assert all(torch.equal(one, other) for one, other in zip(results[0], results[1], strict=True))
    assert not any(torch.equal(one, other) for one, other in zip(results[0], results[2], strict=True))


def test_the_papers_probabilities_lie_in_its_range_for_flips_and_intensities():
    settings = AugmentationSettings()
    assert 0.3 <= settings.flip <= 0.5
    assert 0.3 <= settings.intensity <= 0.5
    assert all(getattr(settings, field.name) >= 0 for field in fields(settings))


def test_a_slice_is_augmented_alike_in_any_batch(images):
    """Two processes with half the batch see what one with the whole sees."""
    whole = draw_transform(AugmentationSettings(), streams(4))
    second = draw_transform(AugmentationSettings(), SampleRandomness.of_samples(0, first=2, size=2))
    assert torch.equal(warp(images, whole)[2:], warp(images[2:], second))
    conditions = torch.randn(4, 1, 3, 12, 12, generator=seeded())
    assert torch.equal(jitter_conditions(conditions, whole)[2:], jitter_conditions(conditions[2:], second))
