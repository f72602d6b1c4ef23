"""Prediction in rounds: each as `predict_case` would have given it, nothing done twice, the time kept."""

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from diffusers import DDPMScheduler, UniPCMultistepScheduler

from recoseg_hf.errors import InputError
from recoseg_hf.imaging.phantom import simulate_case
from recoseg_hf.inference import predict_case, refine_case, refining
from recoseg_hf.inference.rounds import Limits, default_rounds, new_steps
from recoseg_hf.inference.timing import StageClock
from tests.inference.cases import make_case
from tests.tiny import FEW_STEP, oracle_for, tiny_pipeline

MAPS = ("mask", "probability", "t1ce", "residual", "uncertainty", "labels")
ALL = {"stable_dice": None}
"""Rounds whatever the masks."""


def assert_same(found, expected) -> None:
    for name in MAPS:
        one, other = getattr(found, name), getattr(expected, name)
        assert (one is None) == (other is None), name
        assert one is None or np.array_equal(one.data, other.data), name
    timeless = {"seconds": None}
    assert {**found.report, "refinement": None, **timeless} == {**expected.report, "refinement": None, **timeless}


def counted(pipeline) -> SimpleNamespace:
    """How many slices each net has seen from now on."""
    seen = SimpleNamespace(synthesizer=0, segmenter=0)

    def hook(name):
        def count_slices(net, inputs) -> None:
            setattr(seen, name, getattr(seen, name) + len(inputs[0]))

        return count_slices

    for name in vars(seen):
        getattr(pipeline, name).register_forward_pre_hook(hook(name))
    return seen


@pytest.mark.parametrize(
    ("settings", "options", "case"),
    [
        ({"regions": "wt,tc,et"}, {"rounds": [(1, 1), (2, 1), (4, 1), (4, 3)], "mask_threshold": 0.48}, {}),
        ({"scheduler": DDPMScheduler(num_train_timesteps=8)}, {"rounds": [(1, 1), (3, 2)], "seed": 5}, {}),
        ({"scheduler": UniPCMultistepScheduler(**FEW_STEP)}, {"rounds": [(2, 1), (4, 1)]}, {}),
        ({}, {"rounds": [(4, 2), (4, 3), (5, 3)], "residual_source": "ensemble"}, {"t1ce": None}),
        ({"flip_average": True, "context_slices": 1}, {"rounds": [(1, 1), (2, 1)], "residual_source": "none"}, {}),
        ({"synthesizer": None, "segmenter_inputs": "flair,t1,t2"}, {}, {}),
    ],
    ids=["regions", "DDPM", "UniPC", "ensemble", "none", "no synthesizer"],
)
def test_every_round_is_what_predict_case_gives(settings, options, case):
    pipeline, case = tiny_pipeline(**settings), make_case(**case)
    rest = {name: value for name, value in options.items() if name != "rounds"}
    found = list(refine_case(pipeline, case, **ALL, slice_batch_size=4, **options))
    assert len(found) == len(options.get("rounds", [1]))
    for one, (steps, samples) in zip(found, options.get("rounds", [(None, None)]), strict=True):
        expected = predict_case(pipeline, case, num_inference_steps=steps, num_samples=samples, **rest)
        assert_same(one.prediction, expected)
        assert (one.steps, one.samples) == (steps, samples)
    assert pipeline.config.num_inference_steps == 2


def test_the_last_round_of_a_simulated_case_is_a_prediction_of_its_steps():
    pipeline, case = tiny_pipeline(field_of_view=24, mask_threshold=0.49), simulate_case(0, (24, 24, 12))
    found = list(refine_case(pipeline, case))
    assert (found[0].steps, found[0].samples) == (1, 1)
    assert found[-1].dice >= 0.99
    assert [one.dice is None or one.dice < 0.99 for one in found] == [True] * (len(found) - 1) + [False]
    assert 0 < found[-1].prediction.mask.data.mean() < 1
    again = predict_case(pipeline, case, num_inference_steps=found[-1].steps, num_samples=found[-1].samples)
    assert_same(found[-1].prediction, again)


def test_what_ended_it_is_said_of_the_last_alone():
    pipeline, case = tiny_pipeline(), make_case()
    found = list(refine_case(pipeline, case, rounds=[(1, 1), (2, 1), (3, 1)], **ALL))
    assert [(one.ended, one.is_final) for one in found] == [(None, False), (None, False), ("rounds", True)]
    assert found[0].dice is None
    for before, one in pairwise(found):
        masks = [result.prediction.mask.data != 0 for result in (before, one)]
        assert one.dice == pytest.approx(2 * (masks[0] & masks[1]).sum() / (masks[0].sum() + masks[1].sum()))
        assert one.seconds >= before.seconds > 0
    told = found[-1].prediction.report["refinement"]
    assert told["ended"] == "rounds"
    assert [(one["steps"], one["dice"]) for one in told["rounds"]] == [(one.steps, one.dice) for one in found]
    assert len(found[0].prediction.report["refinement"]["rounds"]) == 1
    assert sum(found[-1].prediction.report["seconds"].values()) == pytest.approx(found[-1].seconds, abs=1e-3)


def test_a_net_that_knows_the_image_is_stable_at_once():
    pipeline = tiny_pipeline()
    pipeline = tiny_pipeline(synthesizer=oracle_for(pipeline.scheduler))
    found = list(refine_case(pipeline, make_case()))
    assert [(one.steps, one.ended) for one in found] == [(1, None), (2, "stable")]
    assert found[-1].dice > 0.99


def test_two_empty_masks_are_alike():
    found = list(refine_case(tiny_pipeline(), make_case(), mask_threshold=0.999))
    assert [(one.dice, one.ended) for one in found] == [(None, None), (1.0, "stable")]


def test_nothing_is_computed_twice():
    case = make_case()
    slices = int((case.flair.data != 0).any(axis=(0, 1)).sum())
    pipeline = tiny_pipeline()
    seen, steps = counted(pipeline), []
    for _ in refine_case(pipeline, case, rounds=[(1, 1), (2, 1), (4, 1), (4, 3), (5, 3)], **ALL):
        steps.append(seen.synthesizer / slices)
    assert np.diff(steps, prepend=0).tolist() == [1, 1, 3, 8, 12]
    assert seen.segmenter == 5 * slices


def test_a_segmentation_that_sees_no_t1ce_is_done_once():
    pipeline, case = tiny_pipeline(), make_case()
    seen = counted(pipeline)
    rounds = refine_case(pipeline, case, residual_source="none", **ALL)
    next(rounds)
    once = seen.segmenter
    assert next(rounds).dice == 1
    assert seen.segmenter == once > 0
    pipeline = tiny_pipeline(segmenter_inputs="flair,synthetic_t1ce")
    seen = counted(pipeline)
    list(refine_case(pipeline, case, residual_source="none", rounds=[(1, 1), (2, 1)], **ALL))
    assert seen.segmenter == 2 * once


def test_the_scans_are_prepared_once():
    pipeline, calls = tiny_pipeline(), []

    class Counting(type(pipeline)):
        def preprocess(self, *given):
            calls.append(given)
            return super().preprocess(*given)

    pipeline.__class__ = Counting
    assert len(list(refine_case(pipeline, make_case(), rounds=[(1, 1), (2, 1)], **ALL))) == 2
    assert len(calls) == 1


@pytest.mark.parametrize("spacing", ["trailing", "linspace", "leading"])
def test_steps_are_counted_beforehand_and_never_too_few(spacing):
    pipeline, case = tiny_pipeline(scheduler=DDPMScheduler(9, timestep_spacing=spacing)), make_case()
    slices = int((case.flair.data != 0).any(axis=(0, 1)).sum())
    rounds, seen = [(1, 1), (2, 1), (2, 2), (3, 3), (2, 3)], counted(pipeline)
    alike = Limits.of(pipeline, rounds, None, None).begins_alike
    done = [seen.synthesizer / slices for _ in refine_case(pipeline, case, rounds=rounds, **ALL)]
    expected = [new_steps(rounds[:number], one, alike) for number, one in enumerate(rounds)]
    if not alike:  # two numbers of steps may begin alike by chance
        assert all(made <= counted for made, counted in zip(np.diff(done, prepend=0), expected, strict=True))
    else:
        assert np.diff(done, prepend=0).tolist() == expected == [1, 1, 2, 7, 1]


def test_no_time_gives_the_first_mask():
    found = list(refine_case(tiny_pipeline(), make_case(), max_seconds=0))
    assert [(one.steps, one.ended) for one in found] == [(1, "time")]
    assert found[0].prediction.mask.data.any()


@pytest.mark.parametrize(("max_seconds", "rounds"), [(5.9, 1), (6, 2), (10.9, 2), (11, 3), (23.9, 3), (24, 4)])
def test_the_time_is_kept(monkeypatch, max_seconds, rounds):
    """Each call of the synthesizer takes 2 seconds, each of the segmenter 1, all else none."""
    pipeline, now = tiny_pipeline(), SimpleNamespace(seconds=0)

    def takes(seconds):
        def wait(*_) -> None:
            now.seconds += seconds

        return wait

    pipeline.synthesizer.register_forward_hook(takes(2))
    pipeline.segmenter.register_forward_hook(takes(1))
    monkeypatch.setattr(refining, "StageClock", lambda stage: StageClock(stage, lambda: now.seconds))
    planned = [(1, 1), (1, 2), (3, 1), (4, 2)]  # of which 1, 1, 2 and 3 + 3 steps are new
    found = []
    for one in refine_case(pipeline, make_case(), rounds=planned, max_seconds=max_seconds, **ALL):
        now.seconds += 100  # the caller's own
        found.append(one)
    assert [one.seconds for one in found] == [3, 6, 11, 24][:rounds]
    assert found[-1].ended == ("rounds" if rounds == 4 else "time")


@pytest.mark.parametrize(
    ("source", "own", "timesteps", "expected"),
    [
        ("measured", 2, 1000, [(1, 1), (2, 1), (2, 2), (2, 4), (4, 4), (4, 8)]),
        ("none", 50, 1000, [(1, 1), (2, 1), (2, 2), (2, 4), (4, 4), (4, 8), (50, 1)]),
        ("measured", 2, 3, [(1, 1), (2, 1), (2, 2), (2, 4)]),
        ("ensemble", 2, 1000, [(4, 2), (4, 4), (4, 8), (4, 16)]),
        ("ensemble", 50, 1000, [(4, 2), (4, 4), (4, 8), (4, 16), (50, 2)]),
    ],
)
def test_the_usual_rounds_fit_the_source_and_the_model(source, own, timesteps, expected):
    pipeline = tiny_pipeline(num_inference_steps=own, scheduler=DDPMScheduler(timesteps))
    assert list(default_rounds(pipeline, source)) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_seconds": -1}, r"^max_seconds: it is -1; expected 0 or more"),
        ({"max_seconds": float("nan")}, r"^max_seconds: it is nan; expected 0 or more"),
        ({"stable_dice": 0}, r"^stable_dice: it is 0; expected more than 0 and at most 1"),
        ({"stable_dice": 1.5}, r"^stable_dice: it is 1.5; expected"),
        ({"rounds": []}, r"^case sub-01: no rounds; expected one pair of steps and samples"),
        ({"rounds": [(1, 1), (0, 1)]}, r"^case sub-01: num_inference_steps=0; expected 1 to 1000"),
        ({"rounds": [(1, 1), (1, 0)]}, r"^case sub-01: num_samples=0; expected 1 to"),
        ({"mask_threshold": 1.0}, r"^case sub-01: mask_threshold=1.0; expected"),
        ({"residual_source": "ensemble", "rounds": [(4, 2), (2, 2)]}, "at least 2 and 4: fewer have no spread"),
    ],
)
def test_what_cannot_be_done_is_said_before_the_first_round(options, message):
    with pytest.raises(InputError, match=message):
        refine_case(tiny_pipeline(), make_case(), **options)


def test_without_t1ce_the_caller_must_choose():
    with pytest.raises(InputError, match=r"^case sub-01: no T1ce was given"):
        refine_case(tiny_pipeline(), make_case(t1ce=None))


def test_progress_is_told_of_each_round():
    told, case = [], make_case()
    slices = int((case.flair.data != 0).any(axis=(0, 1)).sum())
    list(refine_case(tiny_pipeline(), case, rounds=[(1, 1), (3, 1)], progress=lambda *at: told.append(at), **ALL))
    assert told == [(slices, slices), *((step * slices, 3 * slices) for step in (1, 2, 3))]


def test_two_runs_side_by_side_do_not_meet():
    pipeline, cases = tiny_pipeline(), [make_case(), replace(make_case(), t1ce=make_case().t1)]
    runs = [refine_case(pipeline, case, rounds=[(1, 1), (2, 1)], **ALL) for case in cases]
    for one, other in zip(*runs, strict=True):
        for case, found in zip(cases, (one, other), strict=True):
            assert_same(found.prediction, predict_case(pipeline, case, num_inference_steps=found.steps))
