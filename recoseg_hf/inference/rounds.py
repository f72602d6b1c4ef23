"""The rounds of a refined prediction: how many steps and samples each has, and after which there is no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline

Round = tuple[int, int]
"""Denoising steps and samples."""

ROUNDS: tuple[Round, ...] = ((1, 1), (2, 1), (2, 2), (2, 4), (4, 4), (4, 8))
"""Few steps, then samples: one of many steps has detail of its own, and the mean of several is nearer the T1ce."""
ENSEMBLE_ROUNDS: tuple[Round, ...] = ((4, 2), (4, 4), (4, 8), (4, 16))
"""A spread needs two samples of four steps; more tell it better, and those drawn before all serve."""
STABLE_DICE = 0.99
"""Of two successive masks; how alike those of real cases are is under "Steps" in `docs/performance.md`."""

Ended = Literal["stable", "time", "rounds"]


def default_rounds(pipeline: ReCoSegPipeline, source: str) -> tuple[Round, ...]:
    """Return the rounds of `refine_case`; of a model that takes more steps by default, these come last.

    Args:
        pipeline: the model.
        source: of `ReCoSegPipeline.resolve_source`.
    """
    if pipeline.synthesizer is None:
        return ((1, 1),)
    own, most = pipeline.config.num_inference_steps, pipeline.scheduler.config.num_train_timesteps
    rounds = ENSEMBLE_ROUNDS if source == "ensemble" else ROUNDS
    if own > rounds[-1][0]:  # a model that is meant to be sampled in many steps
        rounds = (*rounds, (own, rounds[0][1]))
    return tuple(one for one in rounds if one[0] <= most)


@dataclass(frozen=True)
class Limits:
    """When to end.

    Attributes:
        rounds: that are planned.
        max_seconds, stable_dice: as for `refine_case`.
        begins_alike: whether any number of steps begins at one timestep.
    """

    rounds: tuple[Round, ...]
    max_seconds: float | None = None
    stable_dice: float | None = STABLE_DICE
    begins_alike: bool = True

    @classmethod
    def of(
        cls,
        pipeline: ReCoSegPipeline,
        rounds: Sequence[Round],
        max_seconds: float | None,
        stable_dice: float | None,
    ) -> Limits:
        """Return the limits of these rounds of a pipeline."""
        alike = pipeline.scheduler.config.get("timestep_spacing") == "trailing"
        return cls(tuple(rounds), max_seconds, stable_dice, alike)

    def reached(
        self, done: int, dice: float | None, before: Mapping[str, float], seconds: Mapping[str, float]
    ) -> Ended | None:
        """Say why round `done`, counted from 1, is the last, or None.

        Args:
            done: rounds that are over.
            dice: of the last two masks.
            before: seconds of all rounds but the last, by stage.
            seconds: of all rounds, by stage.
        """
        if dice is not None and self.stable_dice is not None and dice >= self.stable_dice:
            return "stable"
        if done == len(self.rounds):
            return "rounds"
        last = {stage: value - before.get(stage, 0.0) for stage, value in seconds.items()}
        if self.max_seconds is not None and sum(seconds.values()) + self._next_seconds(done, last) > self.max_seconds:
            return "time"
        return None

    def _next_seconds(self, done: int, last: Mapping[str, float]) -> float:
        """What the next round will take if a step takes what it took in the last, and all else as long as then."""
        synthesis = last.get("synthesize", 0.0)
        once = last.get("preprocess", 0.0) if done == 1 else 0.0
        steps = new_steps(self.rounds[: done - 1], self.rounds[done - 1], self.begins_alike)
        coming = new_steps(self.rounds[:done], self.rounds[done], self.begins_alike)
        return sum(last.values()) - synthesis - once + synthesis / max(steps, 1) * coming


def new_steps(done: Sequence[Round], coming: Round, begins_alike: bool) -> int:
    """Count the denoising steps of a round that no earlier one has done, over its samples.

    Args:
        done: earlier rounds.
        coming: the round.
        begins_alike: whether each sample's first step is the same for any number of steps.
    """
    steps, samples = coming
    drawn = max((count for number, count in done if number == steps), default=0)
    begun = max((count for _, count in done), default=0) if begins_alike else 0
    return sum(steps - (sample < begun) for sample in range(drawn, samples))


def check_rounds(
    pipeline: ReCoSegPipeline, source: str, rounds: Sequence[Round], mask_threshold: float | None, batch_size: int
) -> None:
    """Check all rounds before the first.

    Raises:
        ValueError: the model cannot be run so, or there are no rounds.
    """
    from recoseg_hf.pipeline.checks import check_counts

    if not rounds:
        raise ValueError("no rounds; expected one pair of steps and samples or more")
    threshold = pipeline.config.mask_threshold if mask_threshold is None else mask_threshold
    for steps, samples in rounds:
        pipeline.resolve_counts(source, steps, samples)
        check_counts(steps, samples, threshold, batch_size, pipeline.scheduler.config.num_train_timesteps)
