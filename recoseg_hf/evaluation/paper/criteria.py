"""What a claim may be judged by, as data: each says what has to come out above 0."""

from __future__ import annotations

from dataclasses import dataclass

PROTOCOLS = ("volume", "paper")


@dataclass(frozen=True)
class Better:
    """One row scores higher than another, subject by subject.

    Attributes:
        row, base: of `systems.rows.ROWS`.
        scores: of `section`.
        section: of `scores.SECTIONS`.
        region: "wt", or "tc" or "et" where a row has `regions`.
    """

    row: str
    base: str
    scores: tuple[str, ...] = ("dice", "iou")
    section: str = "volume"
    region: str = "wt"

    @property
    def protocols(self) -> tuple[str, ...]:
        """Under which protocols it can be judged."""
        return PROTOCOLS if self.section == "volume" and self.region == "wt" else PROTOCOLS[:1]


@dataclass(frozen=True)
class AtLeastAsGood(Better):
    """One row loses at most a margin to another, subject by subject.

    Attributes:
        margin: of the scores.
    """

    scores: tuple[str, ...] = ("dice",)
    margin: float = 0.02


@dataclass(frozen=True)
class Marks:
    """A row's residual picks out a region better than another cue, or than guessing, by average precision.

    Attributes:
        row: whose residual.
        region: "wt", "tc" or "et".
        other: "flair", "static_residual", or "guessing": the region's share of the brain.
    """

    row: str
    region: str
    other: str
    protocols: tuple[str, ...] = PROTOCOLS[:1]


@dataclass(frozen=True)
class Reaches:
    """A row's mean score lies above a level."""

    row: str
    level: float
    score: str = "dice"
    protocols: tuple[str, ...] = PROTOCOLS[:1]


@dataclass(frozen=True)
class OwnSetting:
    """A model does better at its own setting than at others, as `training/ablate_inference.py` measured it.

    Attributes:
        row: whose model.
        sweep: of `sweep_plan.SWEEPS`.
        own: the value that has to be the model's own.
        others: values beside it.
        score: of the sweep, such as "dice_wt".
    """

    row: str
    sweep: str
    own: str
    others: tuple[str, ...]
    score: str = "dice_wt"
    protocols: tuple[str, ...] = PROTOCOLS[:1]


@dataclass(frozen=True)
class NotMuchWorse(OwnSetting):
    """At other settings than its own a model loses at most a margin.

    Attributes:
        margin: of the score.
    """

    margin: float = 0.02


Criterion = Better | Marks | Reaches | OwnSetting
