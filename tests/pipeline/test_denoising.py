from functools import partial

import pytest
import torch
from diffusers import DDPMScheduler

from recoseg_hf.pipeline.denoising import (
    PREDICTION_TYPES,
    correct_clean,
    predict_clean,
    slice_generators,
    slice_noise,
    within_range,
)


def forward_process(alpha_bar: float) -> dict[str, torch.Tensor]:
    """x_0, epsilon, x_t and v of the forward process, in double precision."""
    generator = torch.Generator().manual_seed(0)
    clean = torch.rand(2, 1, 4, 4, generator=generator, dtype=torch.float64) * 2 - 1
    noise = torch.randn(2, 1, 4, 4, generator=generator, dtype=torch.float64)
    a = torch.tensor(alpha_bar, dtype=torch.float64)
    return {
        "sample": clean,
        "epsilon": noise,
        "noisy": a.sqrt() * clean + (1 - a).sqrt() * noise,
        "v_prediction": a.sqrt() * noise - (1 - a).sqrt() * clean,
        "alpha_bar": a,
    }


@pytest.mark.parametrize("kind", PREDICTION_TYPES)
@pytest.mark.parametrize("alpha_bar", [0.999, 0.5, 1e-4])
def test_each_target_gives_the_clean_image_back(kind, alpha_bar):
    known = forward_process(alpha_bar)
    estimate = predict_clean(known[kind], known["noisy"], known["alpha_bar"], kind)
    assert torch.allclose(estimate, known["sample"], atol=1e-10)


def test_the_algebra_is_that_of_the_scheduler():
    scheduler = DDPMScheduler(prediction_type="v_prediction")
    generator = torch.Generator().manual_seed(0)
    clean, noise = torch.randn(2, 3, 1, 4, 4, generator=generator)
    timesteps = torch.tensor([0, 500, 999])
    noisy, velocity = scheduler.add_noise(clean, noise, timesteps), scheduler.get_velocity(clean, noise, timesteps)
    alpha_bar = scheduler.alphas_cumprod[timesteps].view(-1, 1, 1, 1)
    assert torch.allclose(predict_clean(velocity, noisy, alpha_bar, "v_prediction"), clean, atol=1e-4)


def test_at_zero_snr_a_velocity_is_the_negative_image():
    zero = torch.tensor(0.0)
    assert predict_clean(torch.tensor(0.7), torch.tensor(9.0), zero, "v_prediction").item() == pytest.approx(-0.7)


@pytest.mark.parametrize("kind", PREDICTION_TYPES)
@pytest.mark.parametrize("alpha_bar", [0.9, 0.01])
def test_a_correction_changes_the_output_so_that_its_image_is_the_corrected_one(kind, alpha_bar):
    generator = torch.Generator().manual_seed(1)
    output, noisy = 3 * torch.randn(2, 2, 1, 8, 8, generator=generator, dtype=torch.float64)
    a = torch.tensor(alpha_bar, dtype=torch.float64)
    before = predict_clean(output, noisy, a, kind)
    after = predict_clean(correct_clean(output, noisy, a, kind, within_range), noisy, a, kind)
    assert before.abs().max() > 1
    assert torch.allclose(after, before.clamp(-1, 1), atol=1e-9)


@pytest.mark.parametrize("kind", PREDICTION_TYPES)
def test_clamping_leaves_outputs_within_the_range_alone(kind):
    known = forward_process(0.3)
    clamped = correct_clean(known[kind], known["noisy"], known["alpha_bar"], kind, within_range)
    assert torch.allclose(clamped, known[kind], atol=1e-12)


@pytest.mark.parametrize("function", [predict_clean, partial(correct_clean, correct=within_range)])
def test_another_prediction_type_is_refused(function):
    message = "prediction_type='flow'; expected one of epsilon, v_prediction, sample"
    with pytest.raises(ValueError, match=message):
        function(torch.zeros(1), torch.zeros(1), torch.tensor(0.5), "flow")


class TestSliceNoise:
    def test_belongs_to_seed_position_and_sample(self):
        noise = slice_noise(slice_generators(5, [3, 7], sample=1), (8, 8))
        assert noise.shape == (2, 1, 8, 8)
        assert torch.equal(noise[1:], slice_noise(slice_generators(5, [7], sample=1), (8, 8)))
        assert torch.equal(noise.flip(0), slice_noise(slice_generators(5, [7, 3], sample=1), (8, 8)))

    def test_differs_by_seed_position_and_sample(self):
        first = slice_noise(slice_generators(5, [3], sample=0), (8, 8))
        for seed, position, sample in [(6, 3, 0), (5, 4, 0), (5, 3, 1), (3, 5, 0), (0, 3, 5)]:
            assert not torch.equal(first, slice_noise(slice_generators(seed, [position], sample), (8, 8)))

    @pytest.mark.parametrize(
        ("seed", "position", "sample", "values"),
        [
            (0, 0, 0, [0.995619, 0.264238, 1.536166, 1.309226]),
            (2**40 + 1, 77, 2, [-0.106386, -0.957935, 0.666787, -0.320472]),
        ],
    )
    def test_stays_the_same_between_versions(self, seed, position, sample, values):
        found = slice_noise(slice_generators(seed, [position], sample), (2, 2))
        assert found.flatten().tolist() == pytest.approx(values, abs=1e-6)

    def test_is_unit_gaussian(self):
        noise = slice_noise(slice_generators(0, range(40), sample=0), (32, 32))
        assert noise.mean().item() == pytest.approx(0, abs=0.02)
        assert noise.std().item() == pytest.approx(1, abs=0.02)

    def test_large_seeds_are_fine(self):
        assert slice_noise(slice_generators(2**62 - 1, [154], sample=3), (2, 2)).isfinite().all()
