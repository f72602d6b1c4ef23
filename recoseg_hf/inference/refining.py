"""A first mask at once, then better founded ones for as long as there is time: prediction in rounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from recoseg_hf.errors import InputError
from recoseg_hf.imaging.brain_window import BrainWindow
from recoseg_hf.imaging.case import Case
from recoseg_hf.inference.prediction import Prediction, altered, input_error, predict_cut
from recoseg_hf.inference.report import describe_model
from recoseg_hf.inference.rounds import STABLE_DICE, Ended, Limits, Round, check_rounds, default_rounds
from recoseg_hf.inference.timing import StageClock

if TYPE_CHECKING:
    from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline


@dataclass(frozen=True, eq=False)
class Refinement:
    """What a round of `refine_case` gave.

    Attributes:
        prediction: equal, to the bit, to that of `predict_case` with these steps and samples, but for the seconds in
            its report, which are those of all rounds so far, and `refinement` there, which tells of the rounds.
        steps: denoising steps; None for a model without a synthesizer.
        samples: draws whose mean is the synthetic T1ce; None for a model without a synthesizer.
        seconds: of work so far; what the caller does between two rounds does not count.
        dice: between its mask and the one before, in [0, 1], 1 where both are empty; None for the first.
        ended: why no round comes after it: the mask is `stable`, the next would end after the `time`, or there are no
            more `rounds`; None where one comes.
    """

    prediction: Prediction
    steps: int | None
    samples: int | None
    seconds: float
    dice: float | None = None
    ended: Ended | None = None

    @property
    def is_final(self) -> bool:
        """Whether no round comes after it."""
        return self.ended is not None


def refine_case(
    pipeline: ReCoSegPipeline,
    case: Case,
    *,
    max_seconds: float | None = None,
    stable_dice: float | None = STABLE_DICE,
    rounds: Sequence[Round] | None = None,
    mask_threshold: float | None = None,
    seed: int = 0,
    residual_source: str | None = None,
    slice_batch_size: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Refinement]:
    """Predict a case after one denoising step, then after more, until its mask is stable or the time is over.

    To refine is to solve the same reverse process, from the same noise, in more steps, and to average more samples of
    it. A single step gives a T1ce without detail; a few give the detail; many give a sample detail that is not in the
    T1ce, and the mean of several samples is without it. The mask follows the residual, and settles once that does.
    That it settles is what the rounds show, case by case: a mask that hardly moves does not hang on steps or noise.
    That each is nearer to the truth than the one before is not promised; `docs/performance.md` has what was measured.

    Nothing is done twice: the scans are prepared once, samples drawn in one round serve the next, and where all
    numbers of steps begin at one noise level (`timestep_spacing="trailing"`), so does each sample's first step.

    Args:
        pipeline: from `load_pipeline`; best one that samples in few steps. Of epsilon prediction, or with leading
            timesteps, the first masks are poor.
        case: as for `predict_case`.
        max_seconds: of work. The first round is always done; another only if, at the pace of the one before, it ends
            in time. None sets no limit.
        stable_dice: end once two successive masks have at least this Dice, in (0, 1]; None does all rounds. Labels of
            TC and ET are not looked at.
        rounds: steps and samples of each; None takes `default_rounds`.
        mask_threshold, seed, residual_source, slice_batch_size: as for `predict_case`.
        progress: called in each round while denoising with how many slices times steps are done and how many there
            are.

    Yields:
        What each round gave, as soon as it is known; `is_final` holds of the last, and of no other.

    Raises:
        InputError: as for `predict_case`, before the first round for all that can be known then.
    """
    settings = {
        "seed": seed, "num_inference_steps": None, "num_samples": None, "mask_threshold": mask_threshold,
        "residual_source": residual_source,
    }  # fmt: skip
    _check_limits(max_seconds, stable_dice)
    try:
        source = pipeline.resolve_source(residual_source, case.t1ce is not None)
        planned = tuple(default_rounds(pipeline, source) if rounds is None else rounds)
        check_rounds(pipeline, source, planned, mask_threshold, slice_batch_size)
    except ValueError as error:
        raise input_error(case.subject, case.sources, str(error)) from error
    limits = Limits.of(pipeline, planned, max_seconds, stable_dice)
    return _refine(pipeline, case, limits, settings, slice_batch_size, progress)


def _refine(
    pipeline: ReCoSegPipeline,
    case: Case,
    limits: Limits,
    settings: dict[str, Any],
    slice_batch_size: int | None,
    progress: Callable[[int, int], None] | None,
) -> Iterator[Refinement]:
    from recoseg_hf.inference.remembered import remember_case

    clock, seconds = StageClock("preprocess"), {}
    cut, model, described = BrainWindow.around(case), remember_case(pipeline), describe_model(pipeline)
    rounds, mask = [], None
    for number, (steps, samples) in enumerate(limits.rounds, 1):
        given = settings | {"num_inference_steps": steps, "num_samples": samples}
        prediction = predict_cut(model, case, cut, clock, given, slice_batch_size, progress)
        dice = None if mask is None else _dice(mask, prediction.mask.data)
        mask, before, seconds = prediction.mask.data, seconds, clock.seconds()
        clock.enter(None)  # what the caller does with it does not count
        ended = limits.reached(number, dice, before, seconds)
        rounds.append(_round(prediction, seconds, dice))
        added = {"model": described, "seconds": seconds, "refinement": {"rounds": [*rounds], "ended": ended}}
        found = Refinement(altered(prediction, report=prediction.report | added), **rounds[-1], ended=ended)
        yield found
        del prediction, found  # so that one whole result less is in memory while the next is made
        if ended:
            return


def _round(prediction: Prediction, seconds: Mapping[str, float], dice: float | None) -> dict[str, Any]:
    """Tell of a round what its report is to say."""
    settings = prediction.report["settings"]
    return {
        "steps": settings["num_inference_steps"],
        "samples": settings["num_samples"],
        "seconds": round(sum(seconds.values()), 3),
        "dice": dice,
    }


def _dice(one: np.ndarray, other: np.ndarray) -> float:
    """Dice of two uint8 masks."""
    total = int(np.count_nonzero(one)) + int(np.count_nonzero(other))
    return 2 * int(np.count_nonzero(one & other)) / total if total else 1.0


def _check_limits(max_seconds: float | None, stable_dice: float | None) -> None:
    if max_seconds is not None and not max_seconds >= 0:
        raise InputError("max_seconds", f"it is {max_seconds:g}", "0 or more", "Choose another one, or none.")
    if stable_dice is not None and not 0 < stable_dice <= 1:
        found, remedy = f"it is {stable_dice:g}", "Choose another one, or none."
        raise InputError("stable_dice", found, "more than 0 and at most 1", remedy)
