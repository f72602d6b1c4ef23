"""A partial T1ce: the algebra of A, A^+ and the projections, and the sampler that keeps to what was measured."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler

from recoseg_hf.pipeline.denoising import slice_generators
from recoseg_hf.pipeline.measurement import Measurement
from tests.tiny import FEW_STEP, brain_slices, tiny_pipeline

IDENTITY = Measurement()
NOTHING = Measurement(measured=())
KINDS = {
    "everything": IDENTITY,
    "nothing": NOTHING,
    "thick slices": Measurement(slice_thickness=3),
    "a few slices": Measurement(measured=(1, 4)),
    "low resolution": Measurement(pixel_size=4),
    "a few thick slices of low resolution": Measurement(slice_thickness=2, pixel_size=2, measured=(0, 2, 9)),
}
COMPLETED = "flair,t1,t2,synthetic_t1ce"
POSITIONS = torch.tensor([1, 2, 3, 4, 5, 7])  # a volume whose slices 0 and 6 hold no brain
SOLVERS = {"DDPM": DDPMScheduler(), "DDIM": DDIMScheduler(**FEW_STEP)}
SOLVERS["DPM-Solver++"] = DPMSolverMultistepScheduler.from_config(SOLVERS["DDIM"].config)


def random_images(seed: int, dtype=torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(len(POSITIONS), 1, 8, 8, generator=generator, dtype=dtype) * 2 - 1


@pytest.fixture(params=KINDS)
def measurement(request) -> Measurement:
    return KINDS[request.param]


class TestAlgebra:
    def test_measuring_the_pseudo_inverse_gives_the_measurement(self, measurement):
        measured = measurement.apply(random_images(0), POSITIONS)
        again = measurement.apply(measurement.pseudo_inverse(measured, POSITIONS), POSITIONS)
        assert torch.allclose(again, measured, rtol=0, atol=1e-15)

    def test_the_four_conditions_of_moore_and_penrose(self, measurement):
        x, z = random_images(0), random_images(1)

        def onto_range(images):
            return measurement.pseudo_inverse(measurement.apply(images, POSITIONS), POSITIONS)

        assert torch.allclose(measurement.apply(onto_range(x), POSITIONS), measurement.apply(x, POSITIONS))
        assert torch.allclose(onto_range(onto_range(x)), onto_range(x))
        assert (onto_range(x) * z).sum().item() == pytest.approx((x * onto_range(z)).sum().item())
        y, w = measurement.apply(x, POSITIONS), measurement.apply(z, POSITIONS)
        there_and_back = measurement.apply(measurement.pseudo_inverse(y, POSITIONS), POSITIONS)
        assert (there_and_back * w).sum().item() == pytest.approx((y * w).sum().item())

    def test_embedding_agrees_with_what_was_measured_and_keeps_the_rest(self, measurement):
        x, known = random_images(0), random_images(1)
        embedded = measurement.embedding(known, POSITIONS)(x)
        assert torch.allclose(measurement.apply(embedded, POSITIONS), measurement.apply(known, POSITIONS))
        unseen = measurement.embed(embedded - x, torch.zeros_like(measurement.apply(x, POSITIONS)), POSITIONS)
        assert torch.allclose(unseen, torch.zeros_like(unseen))

    def test_embedding_twice_is_embedding_once(self, measurement):
        embed = measurement.embedding(random_images(1), POSITIONS)
        once = embed(random_images(0))
        assert torch.allclose(embed(once), once, rtol=0, atol=1e-15)

    def test_where_all_is_measured_the_image_is_the_measured_one_bit_for_bit(self):
        known = random_images(1, torch.float32)
        assert torch.equal(IDENTITY.embedding(known, POSITIONS)(random_images(0, torch.float32)), known)

    def test_where_nothing_is_measured_the_image_stays_bit_for_bit(self):
        x = random_images(0, torch.float32)
        assert torch.equal(NOTHING.embedding(random_images(1, torch.float32), POSITIONS)(x), x)

    def test_a_thick_slice_is_the_mean_of_those_that_hold_brain(self):
        x = random_images(0)
        found = Measurement(slice_thickness=3).apply(x, POSITIONS)
        expected = torch.stack([x[:2].mean(0), x[2:5].mean(0), x[5]])  # 0 to 2, 3 to 5, 6 to 8
        assert torch.allclose(found, expected)

    def test_measured_slices_are_numbered_as_thick_ones(self):
        x = random_images(0)
        measurement = Measurement(slice_thickness=3, measured=(1,))
        assert torch.allclose(measurement.apply(x, POSITIONS), x[2:5].mean(0, keepdim=True))
        assert measurement.slices_seen(8).tolist() == [False] * 3 + [True] * 3 + [False] * 2

    def test_a_coarse_pixel_is_a_mean(self):
        x = random_images(0)
        found = Measurement(pixel_size=4).apply(x, POSITIONS)
        assert found.shape == (6, 1, 2, 2)
        assert found[2, 0, 1, 0].item() == pytest.approx(x[2, 0, 4:, :4].mean().item())

    def test_pixels_that_do_not_fit_are_refused(self):
        with pytest.raises(ValueError, match="pixel_size=3; expected a divisor of image_size=8"):
            Measurement(pixel_size=3).apply(random_images(0), POSITIONS)

    @pytest.mark.parametrize(
        "settings", [{"slice_thickness": 0}, {"pixel_size": 0}, {"measured": (2, -1)}], ids=lambda s: next(iter(s))
    )
    def test_values_out_of_range_are_refused(self, settings):
        with pytest.raises(ValueError, match="expected a thickness and a pixel size of 1 or more, and slices from 0"):
            Measurement(**settings)


class TestBatches:
    @pytest.mark.parametrize("size", [1, 2, 4, 100])
    def test_no_thick_slice_is_cut(self, size):
        measurement = Measurement(slice_thickness=3)
        batches = measurement.batches(POSITIONS, size)
        assert torch.equal(torch.cat(batches), POSITIONS)
        owners = [set((batch // 3).tolist()) for batch in batches]
        assert all(not one & other for one, other in pairwise(owners))

    def test_batches_are_no_larger_than_asked_for(self):
        assert [len(batch) for batch in IDENTITY.batches(torch.arange(5), 2)] == [2, 2, 1]
        assert [len(batch) for batch in Measurement(slice_thickness=2).batches(torch.arange(9), 5)] == [4, 4, 1]


@pytest.fixture(scope="module")
def completing():
    """DDMM-Synth as ReCoSeg++ uses it: the segmenter sees the synthetic T1ce."""
    return tiny_pipeline(segmenter_inputs=COMPLETED)


def draw(pipeline, stack, embed=None, steps: int = 4) -> torch.Tensor:
    with torch.no_grad():
        return pipeline.denoise(stack.conditions, slice_generators(3, range(6), 0), steps, embed=embed)


@pytest.fixture(scope="module", params=SOLVERS)
def pipeline(request):
    return tiny_pipeline(scheduler=SOLVERS[request.param], pixel_unshuffle=2)


@pytest.fixture(scope="module")
def images():
    return brain_slices()


class TestSampler:
    @pytest.fixture
    def stack(self, pipeline, images):
        return pipeline.preprocess({name: torch.from_numpy(image) for name, image in images.items()})

    def test_measuring_nothing_is_the_plain_process_bit_for_bit(self, pipeline, stack):
        embed = NOTHING.embedding(2 * stack.t1ce - 1, torch.arange(6))
        assert torch.equal(draw(pipeline, stack, embed), draw(pipeline, stack))

    def test_measuring_everything_gives_the_measured_image(self, pipeline, stack):
        embed = IDENTITY.embedding(2 * stack.t1ce - 1, torch.arange(6))
        assert torch.allclose(draw(pipeline, stack, embed), stack.t1ce, rtol=0, atol=1e-7)

    @pytest.mark.parametrize("kind", ["thick slices", "a few slices", "low resolution"])
    def test_what_was_measured_is_kept_and_guides_the_rest(self, kind, pipeline, stack):
        measurement, positions = KINDS[kind], torch.arange(6)
        embed = measurement.embedding(2 * stack.t1ce - 1, positions)
        found, plain = draw(pipeline, stack, embed), draw(pipeline, stack)
        measured = measurement.apply(stack.t1ce, positions)
        assert torch.allclose(measurement.apply(found, positions), measured, rtol=0, atol=1e-6)
        assert not torch.allclose(measurement.apply(plain, positions), measured, atol=1e-2)


class TestCall:
    def call(self, pipeline, images, measurement, **options):
        generator = torch.Generator().manual_seed(1)
        return pipeline(**images, generator=generator, t1ce_measurement=measurement, **options)

    def test_measured_slices_come_back_in_source_units(self, images):
        # A pixel of the nets is one of the source here, and no value is clipped, so that nothing is lost on the way.
        completing = tiny_pipeline(segmenter_inputs=COMPLETED, image_size=20, lower_percentile=0, upper_percentile=100)
        partial = {**images, "t1ce": np.zeros_like(images["t1ce"])}
        partial["t1ce"][[2, 3]] = images["t1ce"][[2, 3]]
        found = self.call(completing, partial, Measurement(measured=(2, 3)), num_inference_steps=2)
        assert np.allclose(found.t1ce[[2, 3]], images["t1ce"][[2, 3]], atol=1e-2)  # of about 300
        assert not np.allclose(found.t1ce[1], images["t1ce"][1], atol=1)
        assert (found.residual, found.residual_source) == (None, "none")

    def test_what_was_not_measured_is_not_looked_at(self, completing, images):
        other = {**images, "t1ce": images["t1ce"].copy()}
        other["t1ce"][4:] *= 3
        measurement = Measurement(measured=(1, 2, 3))
        one, two = (self.call(completing, given, measurement).t1ce for given in (images, other))
        assert np.array_equal(one, two)

    def test_nothing_measured_is_no_t1ce(self, completing, images):
        plain = completing(
            **{name: images[name] for name in ("flair", "t1", "t2")}, generator=torch.Generator().manual_seed(1)
        )
        found = self.call(completing, images, NOTHING)
        assert np.array_equal(found.t1ce, plain.t1ce)
        assert np.array_equal(found.probability, plain.probability)

    def test_the_batch_size_changes_nothing(self, completing, images):
        measurement = Measurement(slice_thickness=2)
        one, two = (self.call(completing, images, measurement, slice_batch_size=size).t1ce for size in (1, 5))
        assert np.allclose(one, two, atol=1e-3)

    def test_samples_agree_where_the_t1ce_was_measured(self, images):
        output = self.call(
            tiny_pipeline(), images, Measurement(measured=(2,)), residual_source="ensemble", num_samples=3
        )
        inside = images["flair"] != 0
        assert output.uncertainty[2][inside[2]].max() < 1e-3
        assert output.uncertainty[3][inside[3]].mean() > 1

    def test_a_model_that_compares_with_t1ce_needs_a_whole_one(self, images):
        with pytest.raises(ValueError, match="no T1ce was given and this model needs it for residual"):
            self.call(tiny_pipeline(), images, Measurement(slice_thickness=2))

    def test_a_measurement_of_nothing_given_is_refused(self, completing, images):
        given = {name: images[name] for name in ("flair", "t1", "t2")}
        with pytest.raises(ValueError, match="t1ce_measurement where no t1ce was given; expected a T1ce to complete"):
            self.call(completing, given, IDENTITY)

    def test_a_model_that_draws_nothing_is_refused(self, images):
        model = tiny_pipeline(synthesizer=None, segmenter_inputs="flair,t1,t2")
        with pytest.raises(ValueError, match="this model has no synthesizer; expected"):
            self.call(model, images, IDENTITY)
