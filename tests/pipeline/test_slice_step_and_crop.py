"""Nets that see each n-th slice, and the brain's rows and columns alone: the same call, and results as before."""

import numpy as np
import pytest
import torch

from recoseg_hf.pipeline.measurement import Measurement
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline
from recoseg_hf.pipeline.stack_result import between_slices
from tests.tiny import brain_slices, tiny_pipeline

BOTH = {"slice_step": 2, "crop_to_brain": True}
CHOICES = {"slice_step": {"slice_step": 2}, "crop_to_brain": {"crop_to_brain": True}, "both": BOTH}
MAPS = ("probability", "t1ce", "residual", "uncertainty")


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def images():
    """Their window has 12 x 12 pixels: torch rounds by batch where 4 does not divide the pixels of a tiny map."""
    return brain_slices(count=9, height=16, width=16)


def recorded(pipeline) -> list[tuple[torch.Tensor, list[int]]]:
    """Conditions, and the generators' seeds, of each draw that the pipeline will make."""
    calls, denoise = [], pipeline.denoise

    def listen(conditions, generators, *others):
        calls.append((conditions, [generator.initial_seed() for generator in generators]))
        return denoise(conditions, generators, *others)

    pipeline.denoise = listen
    return calls


@pytest.mark.parametrize("name", CHOICES)
def test_results_lie_on_the_grid_of_the_slices(name, images):
    pipeline = tiny_pipeline(regions="wt,tc,et", context_slices=1, **CHOICES[name])
    found = pipeline(**images, generator=seeded(), num_samples=2)
    brain = images["flair"] != 0
    for map_ in MAPS:
        values = getattr(found, map_)
        assert (values.shape, values.dtype) == ((9, 16, 16), np.float32)
        assert np.isfinite(values).all()
        assert not values[~brain].any()
        assert values[4][brain[4]].any()
    assert found.mask.shape == (9, 16, 16)
    assert set(found.region_probabilities) == {"wt", "tc", "et"}
    filled = brain.any(axis=(1, 2))
    assert all(found.probability[place].any() for place in np.flatnonzero(filled))


def test_computed_slices_are_those_of_a_model_that_sees_the_same_slices(images):
    """Statistics are those of the slices that are kept: a volume of these alone is the same to the nets."""
    found = tiny_pipeline(slice_step=2)(**images, generator=seeded(), num_samples=2)
    kept = {name: image[::2] for name, image in images.items()}
    alone = tiny_pipeline().preprocess({name: torch.from_numpy(image) for name, image in kept.items()})
    assert torch.equal(alone.conditions, preprocessed(tiny_pipeline(slice_step=2), images).conditions)
    whole = tiny_pipeline(segmenter_inputs="flair,t1,t2", synthesizer=None)
    thin = tiny_pipeline(segmenter_inputs="flair,t1,t2", synthesizer=None, slice_step=2)
    assert np.allclose(thin(**images).probability[::2], whole(**kept).probability, atol=1e-6)
    assert found.probability[4].any()


def preprocessed(pipeline, images):
    return pipeline.preprocess({name: torch.from_numpy(image) for name, image in images.items()})


def test_slices_in_between_are_interpolated(images):
    pipeline = tiny_pipeline(slice_step=2)
    result = pipeline.compute(**images, generator=seeded())
    stack = preprocessed(pipeline, images)
    for name, values in result.maps.items():
        assert values.shape == (5, 1, 16, 16)
        assert torch.equal(result.of_slices(name), between_slices(values, stack.brain, 2, 9))


def test_smoothing_is_in_millimetres(images):
    smoothed = tiny_pipeline(slice_step=2, slice_smoothing=2.0).compute(**images, generator=seeded()).maps["wt"]
    kept = {name: image[::2] for name, image in images.items()}
    settings = {"segmenter_inputs": "flair,t1,t2", "synthesizer": None}
    apart = tiny_pipeline(slice_step=2, slice_smoothing=2.0, **settings).compute(**images).maps["wt"]
    near = tiny_pipeline(slice_smoothing=1.0, **settings).compute(**kept).maps["wt"]
    assert torch.allclose(apart, near, atol=1e-6)
    assert not torch.equal(smoothed, tiny_pipeline(slice_step=2).compute(**images, generator=seeded()).maps["wt"])


@pytest.mark.parametrize("name", CHOICES)
def test_the_batch_size_changes_nothing(name, images):
    pipeline = tiny_pipeline(context_slices=1, **CHOICES[name])
    one, all_ = (pipeline(**images, generator=seeded(), num_samples=2, slice_batch_size=size) for size in (1, 16))
    assert all(np.array_equal(getattr(one, map_), getattr(all_, map_)) for map_ in MAPS)


def test_noise_belongs_to_a_slices_place_in_the_volume(images):
    seeds = {}
    for step in (1, 2):
        pipeline = tiny_pipeline(slice_step=step)
        calls = recorded(pipeline)
        pipeline(**images, generator=seeded(3))
        places = preprocessed(pipeline, images).filled_slices() * step
        seeds[step] = dict(zip(places.tolist(), calls[0][1], strict=True))
    assert sorted(seeds[2]) == [place for place in sorted(seeds[1]) if place % 2 == 0]
    assert all(seeds[1][place] == seed for place, seed in seeds[2].items())


def test_nets_see_a_window_that_holds_the_brain_and_no_more_than_it_must(images):
    pipeline = tiny_pipeline(crop_to_brain=True, pixel_unshuffle=2)
    assert pipeline.window_multiple == 4
    assert tiny_pipeline().window_multiple is None
    flat = {name: image[:, 6:11] for name, image in images.items()}
    calls = recorded(pipeline)
    pipeline(**flat, generator=seeded())
    held = preprocessed(tiny_pipeline(), flat).brain[:, 0].any(dim=0).nonzero()
    assert (held.amax(dim=0) - held.amin(dim=0) + 1).tolist() == [4, 10]
    assert calls[0][0].shape[1:] == (3, 12, 16)


@pytest.mark.parametrize("name", CHOICES)
def test_a_measured_part_of_t1ce_is_kept(name, images):
    """Each slice is computed, since a thick one is the mean of several."""
    pipeline = tiny_pipeline(context_slices=1, **CHOICES[name])
    measurement = Measurement(slice_thickness=3, pixel_size=2)
    calls = recorded(pipeline)
    result = pipeline.compute(**images, generator=seeded(), t1ce_measurement=measurement, residual_source="none")
    tensors = {image: torch.from_numpy(values) for image, values in images.items()}
    stack = pipeline.preprocess(tensors, measurement)
    assert (stack.slice_step, len(stack.conditions)) == (1, 9)
    filled = stack.filled_slices()
    assert sum(len(conditions) for conditions, _ in calls) == len(filled)
    scale = stack.t1ce_scale
    drawn = (result.maps["t1ce"] - scale.dark) / (scale.bright - scale.dark)
    found, real = (measurement.apply(values[filled], filled) for values in (drawn, stack.t1ce))
    assert torch.allclose(found, real, atol=1e-4)
    assert result.restored("wt").shape == images["flair"].shape


def test_measured_pixels_fill_the_window_whatever_its_multiple(images):
    pipeline = tiny_pipeline(crop_to_brain=True)
    narrow = {name: torch.from_numpy(image[:, 6:11]) for name, image in images.items()}
    assert pipeline.preprocess(narrow).conditions.shape[-2:] == (8, 12)
    assert pipeline.preprocess(narrow, Measurement(pixel_size=8)).conditions.shape[-2:] == (16, 16)
    with pytest.raises(ValueError, match="pixel_size=3; expected a divisor of image_size=16"):
        pipeline(**images, t1ce_measurement=Measurement(pixel_size=3), residual_source="none")


@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_volume_of_fewer_slices_than_a_step_is_segmented(count):
    rng = np.random.default_rng(count)
    images = {name: np.zeros((count, 17, 21), np.float32) for name in ("flair", "t1", "t2", "t1ce")}
    for image in images.values():
        image[-1, 3:14, 4:18] = rng.uniform(1, 2, (11, 14))
    found = tiny_pipeline(slice_step=5, crop_to_brain=True, context_slices=1)(**images, generator=seeded())
    assert found.probability[-1, 3:14, 4:18].all()
    assert not found.probability[:-1].any()


def test_settings_travel_with_the_weights(images, tmp_path):
    pipeline = tiny_pipeline(context_slices=1, **BOTH)
    pipeline.save_pretrained(tmp_path)
    loaded = ReCoSegPipeline.from_pretrained(tmp_path)
    loaded.set_progress_bar_config(disable=True)
    assert {name: loaded.config[name] for name in BOTH} == BOTH
    before, after = (each(**images, generator=seeded()) for each in (pipeline, loaded))
    assert all(np.array_equal(getattr(before, map_), getattr(after, map_)) for map_ in ("probability", "t1ce"))
    assert not np.array_equal(before.t1ce, tiny_pipeline(context_slices=1)(**images, generator=seeded()).t1ce)
