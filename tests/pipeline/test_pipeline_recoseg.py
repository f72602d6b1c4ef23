import json

import numpy as np
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    UniPCMultistepScheduler,
)

from recoseg_hf.pipeline import pipeline_recoseg
from recoseg_hf.pipeline.denoising import slice_generators
from recoseg_hf.pipeline.masks import smooth_through_slices
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline
from recoseg_hf.pipeline.preprocessing import with_context
from recoseg_hf.pipeline.residual import calibrate_residual, residual_map
from tests.tiny import FEW_STEP, brain_slices, clean_of, oracle_for, tiny_pipeline

SOLVERS = [
    DDPMScheduler,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    UniPCMultistepScheduler,
    EulerDiscreteScheduler,
]
TARGETS = {
    "epsilon": {},
    "v_prediction": FEW_STEP,
    "sample": FEW_STEP | {"prediction_type": "sample"},
}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def seed_drawn_from(generator: torch.Generator) -> int:
    """The seed that a call draws from its generator."""
    return int(torch.randint(2**62, (1,), generator=generator))


def stack_of(pipeline, images):
    return pipeline.preprocess({name: torch.from_numpy(image) for name, image in images.items()})


@torch.no_grad()
def draw(pipeline, stack, seed: int, sample: int) -> torch.Tensor:
    """One draw of the filled slices in the pipeline's default number of steps."""
    filled = stack.filled_slices()
    generators = slice_generators(seed, filled.tolist(), sample)
    return pipeline.denoise(stack.conditions[filled], generators, pipeline.config.num_inference_steps)


def without(images, name):
    return {other: image for other, image in images.items() if other != name}


@pytest.fixture(scope="module")
def images():
    return brain_slices()


@pytest.fixture(scope="module")
def pipeline():
    return tiny_pipeline()


class TestSolvers:
    @pytest.mark.parametrize("target", TARGETS)
    @pytest.mark.parametrize("solver", SOLVERS)
    def test_a_perfect_net_gives_the_clean_image_back(self, solver, target, images):
        scheduler = solver.from_config(DDPMScheduler(**TARGETS[target]).config)
        pipeline = tiny_pipeline(scheduler=scheduler, synthesizer=oracle_for(scheduler))
        stack = stack_of(pipeline, images)
        found = pipeline.denoise(stack.conditions, slice_generators(0, range(6), 0), steps=8)
        assert torch.allclose(found, (clean_of(stack.conditions) + 1) / 2, atol=1e-5)

    @pytest.mark.parametrize("steps", [1, 2, 5])
    def test_few_steps_suffice_at_zero_snr(self, steps, images):
        scheduler = DDIMScheduler(**FEW_STEP)
        pipeline = tiny_pipeline(scheduler=scheduler, synthesizer=oracle_for(scheduler))
        stack = stack_of(pipeline, images)
        found = pipeline.denoise(stack.conditions, slice_generators(0, range(6), 0), steps)
        assert torch.allclose(found, (clean_of(stack.conditions) + 1) / 2, atol=1e-5)

    @pytest.mark.parametrize("solver", SOLVERS)
    def test_swapping_the_solver_of_a_pipeline_is_one_line(self, solver, images):
        pipeline = tiny_pipeline(scheduler=DDPMScheduler(timestep_spacing="trailing"))
        pipeline.scheduler = solver.from_config(pipeline.scheduler.config)
        output = pipeline(**images, num_inference_steps=3, generator=seeded())
        assert np.isfinite(output.t1ce).all()
        assert output.t1ce.std() > 0

    @pytest.mark.parametrize("solver", SOLVERS)
    def test_a_net_that_overshoots_stays_in_range(self, solver, images):
        pipeline = tiny_pipeline(scheduler=solver.from_config(DDPMScheduler(**TARGETS["sample"]).config))
        with torch.no_grad():
            pipeline.synthesizer.conv_out.weight.mul_(1e4)
        stack = stack_of(pipeline, images)
        found = pipeline.denoise(stack.conditions, slice_generators(0, range(6), 0), steps=4)
        assert 0 <= found.min() < 0.1
        assert 0.9 < found.max() <= 1

    def test_epsilon_at_zero_snr_is_refused(self, images):
        pipeline = tiny_pipeline(scheduler=DDIMScheduler(**FEW_STEP | {"prediction_type": "epsilon"}))
        with pytest.raises(ValueError, match="pure noise says nothing of x0; expected v_prediction or sample"):
            pipeline(**images)


class TestResultsOnTheSourceGrid:
    def test_t1ce_is_the_clean_image_in_source_units(self, images):
        scheduler = DDIMScheduler(**FEW_STEP)
        pipeline = tiny_pipeline(scheduler=scheduler, synthesizer=oracle_for(scheduler))
        stack = stack_of(pipeline, images)
        unit = (clean_of(stack.conditions) + 1) / 2
        expected = stack.grid.to_source(stack.t1ce_scale.from_unit(unit)) * stack.source_brain
        found = pipeline(**images).t1ce
        filled = stack.filled_slices()
        assert np.allclose(found[filled], expected[filled].numpy(), atol=0.01)  # of about 300
        assert 100 < found[stack.source_brain.numpy()].mean() < 500

    @pytest.mark.parametrize(("height", "width"), [(17, 21), (40, 25), (9, 33)])
    def test_any_height_and_width_comes_back(self, height, width, pipeline):
        output = pipeline(**brain_slices(height=height, width=width))
        for name in ("mask", "probability", "t1ce", "residual"):
            assert getattr(output, name).shape == (6, height, width)

    def test_types_and_ranges(self, images):
        output = tiny_pipeline(regions="wt,tc,et")(**images, num_samples=2)
        assert output.mask.dtype == np.uint8
        assert set(np.unique(output.mask)) <= {0, 1}
        floats = [output.probability, output.t1ce, output.residual, output.uncertainty]
        assert all(values.dtype == np.float32 for values in floats)
        assert list(output.region_probabilities) == ["wt", "tc", "et"]
        assert np.array_equal(output.region_probabilities["wt"], output.probability)
        assert 0 <= output.probability.min() < output.probability.max() <= 1
        assert 0 <= output.residual.min() < output.residual.max() <= 1

    def test_outside_the_brain_everything_is_exactly_zero(self, images):
        output = tiny_pipeline(regions="wt,et")(**images, num_samples=2, mask_threshold=1e-6)
        outside = images["flair"] == 0
        maps = [output.mask, output.t1ce, output.residual, output.uncertainty, *output.region_probabilities.values()]
        assert not any(values[outside].any() for values in maps)
        assert output.mask[~outside].mean() > 0.9

    def test_the_mask_is_the_probability_above_the_threshold(self, pipeline, images):
        output = pipeline(**images, mask_threshold=0.45)
        assert np.array_equal(output.mask, output.probability > 0.45)
        default = pipeline(**images)
        assert np.array_equal(default.mask, default.probability > 0.3)

    def test_torch_tensors_do_as_well_as_arrays(self, pipeline, images):
        tensors = {name: torch.from_numpy(image) for name, image in images.items()}
        one, other = pipeline(**images, generator=seeded()), pipeline(**tensors, generator=seeded())
        assert np.array_equal(one.t1ce, other.t1ce)

    def test_a_tuple_holds_what_is_not_none(self, pipeline, images):
        output = pipeline(**images, generator=seeded())
        assert output.uncertainty is None
        found = pipeline(**images, generator=seeded(), return_dict=False)
        assert len(found) == 6
        assert np.array_equal(found[0], output.mask)
        assert found[4] == "measured"


class TestReproducibility:
    """Nets on a CPU take other kernels for other batch sizes, so equality is to 1e-5 of the range, not to the bit."""

    @pytest.mark.parametrize("scheduler", [DDIMScheduler(**FEW_STEP), DDPMScheduler(timestep_spacing="trailing")])
    @pytest.mark.parametrize("batch_size", [1, 3])
    def test_batch_size_changes_nothing(self, scheduler, batch_size, images):
        pipeline = tiny_pipeline(scheduler=scheduler, context_slices=1, flip_average=True)
        whole = pipeline(**images, generator=seeded(), num_samples=2)
        parts = pipeline(**images, generator=seeded(), num_samples=2, slice_batch_size=batch_size)
        assert np.allclose(parts.t1ce, whole.t1ce, atol=1e-5 * whole.t1ce.max())
        for name in ("residual", "probability"):
            assert np.allclose(getattr(parts, name), getattr(whole, name), atol=1e-5)

    @pytest.mark.parametrize("smoothing", [0.0, 1.0])
    def test_empty_slices_change_nothing_for_the_others(self, smoothing, images):
        pipeline = tiny_pipeline(context_slices=1, slice_smoothing=smoothing)
        taller = {name: np.concatenate([image, np.zeros_like(image)]) for name, image in images.items()}
        whole, padded = pipeline(**images, generator=seeded()), pipeline(**taller, generator=seeded())
        for name in ("mask", "probability", "t1ce", "residual"):
            assert np.allclose(getattr(padded, name)[:6], getattr(whole, name), rtol=1e-6)
            assert not getattr(padded, name)[6:].any()

    @pytest.mark.parametrize("smoothing", [0.0, 1.0])
    def test_slices_beside_an_empty_one_see_no_empty_context(self, smoothing, images):
        cropped = {name: image[1:5] for name, image in images.items()}  # without the two empty slices
        settings = {"segmenter_inputs": "flair,t1,t2", "context_slices": 1, "slice_smoothing": smoothing}
        pipeline = tiny_pipeline(synthesizer=None, **settings)
        whole, found = pipeline(**images), pipeline(**cropped)
        assert np.allclose(found.probability, whole.probability[1:5], rtol=1e-6)

    def test_probabilities_are_averaged_through_the_brain(self, images):
        pipeline = tiny_pipeline(synthesizer=None, segmenter_inputs="flair,t1,t2", slice_smoothing=1.0)
        stack = pipeline.preprocess({name: torch.from_numpy(image) for name, image in images.items()})
        found = pipeline._segment(stack, None, None, "none", 16)
        pipeline.register_to_config(slice_smoothing=0.0)
        alone = pipeline._segment(stack, None, None, "none", 16)
        assert torch.allclose(found, smooth_through_slices(alone, stack.brain, 1.0))
        assert not torch.allclose(found, alone, atol=1e-4)

    @pytest.mark.parametrize("scheduler", [DDIMScheduler(**FEW_STEP), DDPMScheduler(timestep_spacing="trailing")])
    def test_with_shared_noise_equal_slices_come_out_equal(self, scheduler, images):
        pipeline = tiny_pipeline(scheduler=scheduler)
        alike = {name: np.repeat(image[2:3], 4, axis=0) for name, image in images.items()}
        shared = pipeline(**alike, generator=seeded(), shared_noise=True, slice_batch_size=3, num_samples=2)
        own = pipeline(**alike, generator=seeded(), num_samples=2)
        assert np.allclose(shared.t1ce, shared.t1ce[:1], atol=1e-5 * shared.t1ce.max())
        assert np.array_equal(shared.t1ce[0], own.t1ce[0])
        assert not np.allclose(own.t1ce, own.t1ce[:1], atol=1e-2 * own.t1ce.max())
        assert shared.uncertainty.max() > 0  # samples still differ

    def test_the_generator_decides(self, pipeline, images):
        first, again, other = (pipeline(**images, generator=seeded(seed)).t1ce for seed in (1, 1, 2))
        assert np.array_equal(first, again)
        assert not np.array_equal(first, other)

    def test_without_a_generator_the_global_seed_decides(self, pipeline, images):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(3)
            first, second = pipeline(**images).t1ce, pipeline(**images).t1ce
            torch.manual_seed(3)
            assert np.array_equal(pipeline(**images).t1ce, first)
        assert not np.array_equal(first, second)

    def test_an_arrays_values_are_left_alone(self, pipeline, images):
        before = {name: image.copy() for name, image in images.items()}
        pipeline(**images)
        assert all(np.array_equal(images[name], before[name]) for name in images)


class TestSamples:
    def test_t1ce_is_the_mean_of_the_draws_and_uncertainty_their_deviation(self, pipeline, images):
        output = pipeline(**images, generator=seeded(), num_samples=3)
        stack, seed = stack_of(pipeline, images), seed_drawn_from(seeded())
        filled = stack.filled_slices()
        draws = torch.stack([draw(pipeline, stack, seed, sample) for sample in range(3)])
        scale, brain = stack.t1ce_scale, stack.source_brain[filled]
        mean = stack.grid.to_source(scale.from_unit(draws.mean(0))) * brain
        spread = draws.std(0, correction=0) * stack.brain[filled] * (scale.bright - scale.dark)
        assert np.allclose(output.t1ce[filled], mean.numpy(), atol=1e-3)
        assert np.allclose(output.uncertainty[filled], (stack.grid.to_source(spread) * brain).numpy(), atol=1e-3)
        assert output.uncertainty.max() > 0

    def test_each_step_of_each_batch_is_reported(self, pipeline, images):
        calls = []
        pipeline(
            **images,
            num_samples=2,
            slice_batch_size=3,
            callback_on_step_end=lambda *arguments: calls.append(arguments),
        )
        assert [call[1] for call in calls] == [0, 1] * 4
        assert [call[2] for call in calls] == [999, 499] * 4
        assert [call[3]["done"] for call in calls] == [3, 6, 7, 8, 11, 14, 15, 16]
        assert {call[3]["total"] for call in calls} == {16}
        assert calls[0][0] is pipeline


class TestResidualSources:
    def test_measured_is_the_calibrated_difference_from_the_real_t1ce(self, images):
        pipeline = tiny_pipeline(residual_clip=0.2)
        output = pipeline(**images, generator=seeded())
        stack, seed = stack_of(pipeline, images), seed_drawn_from(seeded())
        synthetic = torch.zeros_like(stack.t1ce)
        synthetic[stack.filled_slices()] = draw(pipeline, stack, seed, 0)
        residual = calibrate_residual(residual_map(stack.t1ce, synthetic, stack.brain), 0.2)
        expected = stack.grid.to_source(residual) * stack.source_brain
        assert output.residual_source == "measured"
        assert np.allclose(output.residual, expected.numpy(), atol=1e-5)

    def test_without_t1ce_nothing_happens_unless_asked_for(self, pipeline, images):
        message = (
            r"no T1ce was given and this model needs it for residual\. Give t1ce, or choose "
            r"residual_source='ensemble' or 'none' where the residual needs it"
        )
        for source in (None, "measured"):
            with pytest.raises(ValueError, match=message):
                pipeline(**without(images, "t1ce"), residual_source=source)

    def test_none_shows_the_segmenter_no_residual(self, pipeline, images):
        output = pipeline(**without(images, "t1ce"), residual_source="none", generator=seeded())
        assert (output.residual, output.residual_source) == (None, "none")
        assert output.t1ce.any()
        scale = stack_of(pipeline, without(images, "t1ce")).t1ce_scale
        assert scale.low <= output.t1ce[output.t1ce != 0].min()
        other = pipeline(**images, residual_source="none", generator=seeded(1))
        assert np.array_equal(output.probability, other.probability)  # whatever was synthesized

    def test_ensemble_takes_the_spread_of_four_draws_of_four_steps(self, pipeline, images):
        calls = []
        output = pipeline(
            **without(images, "t1ce"),
            residual_source="ensemble",
            callback_on_step_end=lambda *arguments: calls.append(arguments[1]),
        )
        assert output.residual_source == "ensemble"
        assert 0.5 < output.residual.max() <= 1
        assert output.uncertainty.any()
        assert calls == [0, 1, 2, 3] * 4

    @pytest.mark.parametrize(("samples", "steps"), [(1, 4), (4, 3)])
    def test_an_ensemble_without_spread_is_refused(self, samples, steps, pipeline, images):
        message = (
            rf"'ensemble' with num_samples={samples} and num_inference_steps={steps}; expected at least 2 and 4: "
            "fewer have no spread"
        )
        with pytest.raises(ValueError, match=message):
            pipeline(**images, residual_source="ensemble", num_samples=samples, num_inference_steps=steps)

    def test_another_source_is_refused(self, pipeline, images):
        with pytest.raises(ValueError, match="residual_source='guess'; expected one of measured, ensemble, none"):
            pipeline(**images, residual_source="guess")

    def test_the_segmenter_is_told_the_source(self):
        inputs = torch.randn(2, 4, 16, 16, generator=seeded())
        told, untold = tiny_pipeline(), tiny_pipeline(classes=None)
        with torch.no_grad():
            by_source = [told.segment_slices(inputs, source) for source in ("measured", "ensemble", "none")]
            assert not torch.allclose(by_source[0], by_source[1])
            assert not torch.allclose(by_source[1], by_source[2])
            assert torch.equal(untold.segment_slices(inputs, "measured"), untold.segment_slices(inputs, "none"))

    @pytest.mark.parametrize("source", ["none", "ensemble"])
    def test_a_segmenter_of_both_is_shown_t1ce_with_the_measured_residual_alone(self, images, source):
        pipeline = tiny_pipeline(segmenter_inputs="flair,t1,t2,t1ce,residual")
        with pytest.raises(ValueError, match="needs it for residual, t1ce"):
            pipeline(**without(images, "t1ce"))
        waived = pipeline(**without(images, "t1ce"), residual_source=source, generator=seeded())
        given = pipeline(**images, residual_source=source, generator=seeded())
        assert waived.residual_source == source
        assert np.array_equal(given.probability, waived.probability)
        _, shown = pipeline._channels_of(stack_of(pipeline, images), None, None, "measured")
        _, hidden = pipeline._channels_of(stack_of(pipeline, images), None, None, source)
        assert shown[:, 3].any()
        assert not hidden[:, 3].any()
        assert torch.equal(shown[:, :3], hidden[:, :3])

    @pytest.mark.parametrize("inputs", ["flair,t1,t2,t1ce", "flair,static_residual"])
    def test_t1ce_itself_cannot_be_waived(self, inputs, images):
        pipeline = tiny_pipeline(segmenter_inputs=inputs)
        with pytest.raises(ValueError, match=f"needs it for {inputs.split(',')[-1]}. Give t1ce"):
            pipeline(**without(images, "t1ce"), residual_source="none")
        assert pipeline(**images).residual_source == "measured"


class TestSystems:
    @pytest.mark.parametrize("source", ["measured", "ensemble"])
    def test_without_a_synthesizer_there_is_no_residual(self, source, images):
        pipeline = tiny_pipeline(synthesizer=None, segmenter_inputs="flair,t1,t2")
        output = pipeline(**images)
        assert (output.t1ce, output.residual, output.uncertainty, output.residual_source) == (None, None, None, "none")
        assert output.probability.any()
        with pytest.raises(
            ValueError, match=f"residual_source='{source}' needs a synthesizer; expected 'none' or None"
        ):
            pipeline(**images, residual_source=source)

    def test_a_static_residual_is_a_measured_one(self, images):
        pipeline = tiny_pipeline(synthesizer=None, segmenter_inputs="flair,t1,t2,static_residual")
        assert pipeline(**images).residual_source == pipeline(**images, residual_source="measured").residual_source
        assert pipeline(**images).residual_source == "measured"

    def test_synthetic_t1ce_can_be_a_channel(self, images):
        pipeline = tiny_pipeline(segmenter_inputs="flair,t1,t2,synthetic_t1ce")
        output = pipeline(**without(images, "t1ce"), generator=seeded())
        other = pipeline(**without(images, "t1ce"), generator=seeded(1))
        assert output.residual_source == "none"
        assert not np.array_equal(output.probability, other.probability)

    def test_folded_pixels_keep_their_places(self, images):
        scheduler = DDIMScheduler(**FEW_STEP)
        pipeline = tiny_pipeline(pixel_unshuffle=2, scheduler=scheduler)
        assert pipeline.synthesizer.config.in_channels == 16
        pixels = torch.rand(1, 3, 16, 16)
        assert torch.equal(pipeline._unfold(pipeline._fold(pixels)), pixels)
        assert np.isfinite(pipeline(**images).t1ce).all()

    def test_channels_are_in_the_order_of_the_setting(self, images):
        seen = []
        pipeline = tiny_pipeline(synthesizer=None, segmenter_inputs="t2,flair")
        pipeline.segmenter.register_forward_pre_hook(lambda net, arguments: seen.append(arguments[0]))
        pipeline(**images)
        stack = stack_of(pipeline, images)
        filled = stack.filled_slices()
        assert torch.equal(seen[0], stack.conditions[filled][:, [2, 0]])

    @pytest.mark.parametrize("turn", [slice(None), slice(None, None, -1)])
    @pytest.mark.filterwarnings("error:.*writable")
    def test_the_arrays_of_a_caller_are_left_as_they_are(self, images, turn):
        given = {name: np.ascontiguousarray(image)[:, turn] for name, image in images.items()}
        former = {name: image.copy() for name, image in given.items()}
        for image in given.values():
            image.setflags(write=False)
        output = tiny_pipeline(regions="wt,tc,et")(**given, generator=seeded())
        for name, image in given.items():
            np.testing.assert_array_equal(image, former[name])
            assert not np.shares_memory(image, output.probability)
            assert not np.shares_memory(image, output.t1ce)

    @pytest.mark.parametrize("average", [False, True])
    def test_slices_that_were_folded_before_are_segmented_as_those_that_were_not(self, images, average):
        pipeline = tiny_pipeline(
            pixel_unshuffle=2, context_slices=1, flip_average=average, synthesizer=None, segmenter_inputs="flair,t2"
        )
        found = pipeline.compute(**images, slice_batch_size=3).maps["wt"]
        stack = stack_of(pipeline, images)
        filled = stack.filled_slices()
        seen = with_context(stack.conditions[filled][:, [0, 2]], torch.arange(len(filled)), 1)
        expected = pipeline.segment_slices(seen, "none")
        if average:
            expected = (expected + pipeline.segment_slices(seen.flip(-2), "none").flip(-2)) / 2
        assert torch.equal(found[filled], expected)

    def test_averaging_over_the_mirror_image_makes_the_result_symmetric(self, images):
        settings = {"synthesizer": None, "segmenter_inputs": "flair,t1,t2", "field_of_view": 21}
        mirrored = {name: image[:, ::-1] for name, image in images.items()}
        for average, symmetric in [(True, True), (False, False)]:
            pipeline = tiny_pipeline(flip_average=average, **settings)
            one, other = pipeline(**images).probability, pipeline(**mirrored).probability[:, ::-1]
            assert np.allclose(one, other, atol=1e-5) == symmetric

    def test_the_mirror_image_is_looked_at_where_the_first_look_sees_something(self, images):
        settings = {"synthesizer": None, "segmenter_inputs": "flair,t1,t2", "context_slices": 1}
        once, all_ = (
            tiny_pipeline(flip_average=average, **settings).compute(**images).maps["wt"] for average in (False, True)
        )
        largest = once.flatten(1).amax(dim=1)
        least = float(largest.max()) - 1e-6  # one slice exceeds it
        near = int(largest.argmax()) + np.array([-1, 0, 1])
        assert 0 <= near[0] < near[2] < len(once)
        others = np.setdiff1d(np.arange(len(once)), near)
        pipeline = tiny_pipeline(flip_average=True, flip_above=least, **settings)
        for batch in (1, 2, None):
            found = pipeline.compute(**images, slice_batch_size=batch).maps["wt"]
            assert torch.equal(found[near], all_[near])
            assert torch.equal(found[others], once[others])
        assert not torch.allclose(once[others], all_[others])
        nowhere = tiny_pipeline(flip_average=True, flip_above=0.999, **settings).compute(**images).maps["wt"]
        assert torch.equal(nowhere, once)

    def test_bfloat16_nets_give_float32_results(self, images):
        reference = tiny_pipeline()(**images, generator=seeded())
        pipeline = tiny_pipeline()
        pipeline.synthesizer.to(torch.bfloat16)
        pipeline.segmenter.to(torch.bfloat16)
        output = pipeline(**images, generator=seeded())
        assert output.probability.dtype == output.t1ce.dtype == np.float32
        assert np.allclose(output.probability, reference.probability, atol=0.05)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    tiny_pipeline(context_slices=1, regions="wt,et", mask_threshold=0.45).save_pretrained(folder)
    return folder


class TestSavingAndLoading:
    def test_a_loaded_pipeline_gives_the_same_result(self, folder, images):
        saved, loaded = tiny_pipeline(context_slices=1, regions="wt,et"), ReCoSegPipeline.from_pretrained(folder)
        assert type(loaded.scheduler) is DDIMScheduler
        assert loaded.config.mask_threshold == 0.45
        loaded.set_progress_bar_config(disable=True)
        one, other = (pipeline(**images, generator=seeded()) for pipeline in (saved, loaded))
        assert np.array_equal(one.probability, other.probability)
        assert np.array_equal(one.t1ce, other.t1ce)

    def test_only_safetensors_and_json_are_written(self, folder):
        suffixes = {file.suffix for file in folder.rglob("*") if file.is_file()}
        assert suffixes == {".json", ".safetensors"}

    def test_the_index_names_diffusers_components_alone_and_holds_no_other_list(self, folder):
        index = json.loads((folder / "model_index.json").read_text())
        lists = {name: value for name, value in index.items() if isinstance(value, list)}
        assert set(lists) == {"synthesizer", "scheduler", "segmenter"}
        assert all(library == "diffusers" for library, _ in lists.values())
        assert index["_class_name"] == "ReCoSegPipeline"

    def test_a_system_without_a_synthesizer_comes_back(self, tmp_path, images):
        pipeline = tiny_pipeline(synthesizer=None, segmenter_inputs="flair,t1,t2")
        pipeline.save_pretrained(tmp_path)
        loaded = ReCoSegPipeline.from_pretrained(tmp_path)
        assert loaded.synthesizer is None
        assert np.array_equal(loaded(**images).probability, pipeline(**images).probability)

    def test_weights_that_are_not_safetensors_are_refused(self, tmp_path):
        tiny_pipeline().save_pretrained(tmp_path, safe_serialization=False)
        assert list(tmp_path.rglob("*.bin"))
        with pytest.raises(OSError, match="safetensors"):
            ReCoSegPipeline.from_pretrained(tmp_path)

    @pytest.mark.parametrize("options", [{}, {"use_safetensors": False}])
    def test_a_poisoned_pickle_does_not_run(self, tmp_path, options):
        sentinel = tmp_path / "ran"
        folder = tmp_path / "model"
        tiny_pipeline().save_pretrained(folder)
        (folder / "segmenter" / "diffusion_pytorch_model.safetensors").unlink()
        torch.save({"conv_in.weight": _Poison(str(sentinel))}, folder / "segmenter" / "diffusion_pytorch_model.bin")
        if options:  # so that loading reaches the segmenter
            net = tiny_pipeline().synthesizer
            net.save_pretrained(folder / "synthesizer", safe_serialization=False)
        with pytest.raises(OSError, match=r"safetensors|diffusion_pytorch_model\.bin"):
            ReCoSegPipeline.from_pretrained(folder, **options)
        assert not sentinel.exists()

    def test_without_a_name_the_embedded_default_is_loaded(self, folder, monkeypatch):
        monkeypatch.setattr(pipeline_recoseg, "EMBEDDED_MODEL", folder)
        assert ReCoSegPipeline.from_pretrained().config.mask_threshold == 0.45

    def test_without_embedded_weights_a_name_is_needed(self, tmp_path, monkeypatch):
        monkeypatch.setattr(pipeline_recoseg, "EMBEDDED_MODEL", tmp_path)
        with pytest.raises(ValueError, match=r"without a name needs the installed package .*; name a folder"):
            ReCoSegPipeline.from_pretrained()

    def test_a_configuration_folder_is_built_with_seeded_weights(self, folder):
        state = torch.random.get_rng_state()
        one, again, other = (ReCoSegPipeline.from_config_folder(folder, seed) for seed in (1, 1, 2))
        assert torch.equal(torch.random.get_rng_state(), state)
        weights = [pipeline.segmenter.conv_in.weight for pipeline in (one, again, other)]
        assert torch.equal(weights[0], weights[1])
        assert not torch.equal(weights[0], weights[2])
        assert one.config.regions == "wt,et"
        assert one.scheduler.config == ReCoSegPipeline.from_pretrained(folder).scheduler.config

    def test_a_configuration_without_a_synthesizer_is_built(self, tmp_path):
        tiny_pipeline(synthesizer=None, segmenter_inputs="flair,t1,t2").save_pretrained(tmp_path)
        assert ReCoSegPipeline.from_config_folder(tmp_path).synthesizer is None


class _Poison:
    """Unpickled, it makes a file."""

    def __init__(self, path: str):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")
