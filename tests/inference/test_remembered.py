"""What is remembered is what would have been drawn, and only that."""

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler

from recoseg_hf.inference.remembered import remember
from recoseg_hf.pipeline.measurement import Measurement
from tests.tiny import brain_slices, tiny_pipeline
from tests.volumes import tiny_volume_pipeline


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def counted(pipeline) -> list:
    """Calls of the synthesizer from now on."""
    calls = []
    pipeline.synthesizer.register_forward_pre_hook(lambda *_: calls.append(1))
    return calls


def same(one, other) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("mask", "probability", "t1ce"))


@pytest.mark.parametrize("scheduler", [None, DDPMScheduler(num_train_timesteps=8)], ids=["ddim", "ddpm"])
def test_every_call_gives_what_the_pipeline_gives(scheduler):
    plain, images = tiny_pipeline(scheduler=scheduler), brain_slices()
    kept = remember(plain)
    calls = [
        {},
        {},
        {"residual_source": "none"},
        {"num_samples": 2},
        {"num_inference_steps": 3},
        {"shared_noise": True},
    ]
    for options in calls:
        found, expected = (one(**images, generator=seeded(), **options) for one in (kept, plain))
        assert same(found, expected), options
    assert not same(kept(**images, generator=seeded(1)), kept(**images, generator=seeded()))
    other = images | {"flair": images["flair"] * (1 + images["t1"] / 1000)}
    assert same(kept(**other, generator=seeded()), plain(**other, generator=seeded()))


def test_only_what_is_new_is_drawn():
    kept, images = remember(tiny_pipeline()), brain_slices()
    calls = counted(kept)
    kept(**images, generator=seeded())
    assert len(calls) == 2  # steps, on one batch
    for options in ({}, {"residual_source": "none"}, {"mask_threshold": 0.7}):
        kept(**images, generator=seeded(), **options)
    assert len(calls) == 2
    kept(**images, generator=seeded(), num_samples=3)
    assert len(calls) == 2 + 2 * 2  # the first sample is there
    kept.forget()
    kept(**images, generator=seeded())
    assert len(calls) == 2 + 2 * 2 + 2


def test_settings_hold_within_alone_and_leave_the_given_pipeline_alone():
    plain, images = tiny_pipeline(), brain_slices()
    kept = remember(plain)
    calls = counted(plain)
    with kept.set_to(residual_clip=0.05):
        found = kept(**images, generator=seeded())
    assert same(found, tiny_pipeline(residual_clip=0.05)(**images, generator=seeded()))
    assert (kept.config.residual_clip, plain.config.residual_clip) == (1.0, 1.0)
    drawn = len(calls)
    assert same(kept(**images, generator=seeded()), plain(**images, generator=seeded()))
    assert len(calls) == drawn + 2  # the plain one's own
    with kept.set_to(shared_noise=True):
        shared = kept(**images, generator=seeded())
    assert same(shared, plain(**images, generator=seeded(), shared_noise=True))
    assert not kept.shared_noise


def test_a_measured_part_is_drawn_anew():
    kept, images = remember(tiny_pipeline()), brain_slices()
    calls = counted(kept)
    for _ in range(2):
        measurement = Measurement(slice_thickness=2)
        kept(**images, generator=seeded(), t1ce_measurement=measurement, residual_source="none")
    assert len(calls) > 2


def test_a_3d_system_remembers_too():
    pipeline = tiny_volume_pipeline(segmenter_inputs="flair,t1,t2,residual", synthesizer=True)
    kept, images = remember(pipeline), brain_slices()
    calls = counted(kept)
    found = [kept(**images, generator=seeded()) for _ in range(2)]
    once = len(calls)
    assert same(found[0], found[1])
    assert same(found[0], pipeline(**images, generator=seeded()))
    assert len(calls) == 2 * once
