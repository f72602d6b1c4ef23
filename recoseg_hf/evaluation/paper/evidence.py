"""What a claim about two systems, or about a residual, is judged by: a paired difference on the same subjects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from recoseg_hf.evaluation.differences import paired_differences
from recoseg_hf.evaluation.intervals import bootstrap_interval
from recoseg_hf.evaluation.paper.folder import PaperFolder
from recoseg_hf.evaluation.systems.rows import BASELINE, REGION_BASELINE, ROWS

HELD, DID_NOT_HOLD, UNDECIDED, NOT_MEASURED = "held", "did not hold", "undecided", "not measured"
PROTOCOLS = ("volume", "paper")
SCORE_NAMES = {
    "dice": "Dice", "iou": "IoU", "recall": "recall", "ssim": "SSIM", "psnr": "PSNR", "average_precision": "AUPRC",
}  # fmt: skip


@dataclass(frozen=True)
class Measurement:
    """A paired difference, or why there is none.

    Attributes:
        score: of what, such as "Dice".
        value: the mean difference, the claimed better side minus the other; None where it was not measured.
        interval: 95 % by subject; None for fewer than two subjects.
        n: subjects that have the score on both sides.
        higher, lower: on how many of them the difference is above, and below, 0; None where that is not known.
        why: where there is no value, the reason in a few words.
    """

    score: str
    value: float | None = None
    interval: tuple[float, float] | None = None
    n: int = 0
    higher: int | None = 0
    lower: int | None = 0
    why: str = ""

    @property
    def outcome(self) -> str:
        """One of the four: held or not where the interval lies on one side of 0, else undecided."""
        if self.value is None:
            return NOT_MEASURED
        if self.interval is None or self.interval[0] <= 0 <= self.interval[1]:
            return UNDECIDED
        return HELD if self.interval[0] > 0 else DID_NOT_HOLD

    @classmethod
    def of_difference(cls, score: str, found: Mapping[str, Any]) -> Measurement:
        """Take over what `paired_differences` says of a score."""
        if found["value"] is None:
            return cls(score, why="no subject has the score in both")
        interval = tuple(found["interval"]) if found["interval"] else None
        return cls(score, found["value"], interval, found["n"], found["higher"], found["lower"])

    @classmethod
    def of_values(cls, score: str, differences: Sequence[float], bootstrap: Mapping[str, Any]) -> Measurement:
        """Take one difference for each subject."""
        if not differences:
            return cls(score, why="no subject has the score")
        mean = sum(differences) / len(differences)
        higher, lower = (sum(sign * one > 0 for one in differences) for sign in (1, -1))
        interval = bootstrap_interval(differences, **bootstrap)
        return cls(score, mean, interval, len(differences), higher, lower)


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
        sweep: of `setting_sweeps.SWEEPS`.
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


Test = Better | Marks | Reaches | OwnSetting


@dataclass
class Evidence:
    """Finds differences in one folder; what two rows differ by is computed once."""

    folder: PaperFolder
    _pairs: dict[tuple[str, ...], Any] = field(default_factory=dict)

    def measure(self, test: Test, data: str, protocol: str) -> list[Measurement]:
        """What one data set says of a test under a protocol, for each of its scores."""
        if isinstance(test, Better):
            return self._better(test, data, protocol)
        if isinstance(test, OwnSetting):
            return self._setting(test, data)
        return [self._marks(test, data) if isinstance(test, Marks) else self._reaches(test, data)]

    def _better(self, test: Better, data: str, protocol: str) -> list[Measurement]:
        suffix = "" if test.region == "wt" else f" ({test.region.upper()})"
        names = {score: SCORE_NAMES[score] + suffix for score in test.scores}
        found = self._differences(test, data, protocol)
        if isinstance(found, str):
            return [Measurement(name, why=found) for name in names.values()]
        section = found.get(test.section)
        if not section:
            return [Measurement(name, why="not of every subject") for name in names.values()]
        return [Measurement.of_difference(name, section[score]) for score, name in names.items()]

    def _differences(self, test: Better, data: str, protocol: str) -> Mapping | str:
        """All differences of two rows, or why there are none."""
        rows = self.folder.results.get(data, {})
        if absent := [_title(name) for name in (test.row, test.base) if name not in rows]:
            return f"not in this run: {' and '.join(absent)}"
        if found := self._written(test, data, protocol):
            return found
        key = (data, protocol, test.region, test.section, test.row, test.base)
        if key not in self._pairs:
            self._pairs[key] = self._computed(test, data, protocol)
        return self._pairs[key]

    def _written(self, test: Better, data: str, protocol: str) -> Mapping | None:
        """What `results.json` itself says of two rows; it has the differences to the baselines."""
        found = self.folder.whole["differences"].get(data, {}).get(test.row, {})
        if test.region == "wt":
            return found.get(protocol) if test.base == BASELINE else None
        return found.get("regions", {}).get(test.region) if test.base == REGION_BASELINE else None

    def _computed(self, test: Better, data: str, protocol: str) -> Mapping | str:
        sides = [self.folder.row(data, name) for name in (test.row, test.base)]
        if not all(sides):
            return "the rows' own results are not in the folder"
        sides = [_part(side, protocol, test.region) for side in sides]
        if absent := [_title(name) for name, side in zip((test.row, test.base), sides, strict=True) if not side]:
            return f"without {test.region.upper()}: {' and '.join(absent)}"
        try:
            return paired_differences(*sides, **sides[0]["bootstrap"], sections=[test.section])
        except ValueError:  # whose message names subjects
            return "the rows were judged on different subjects"

    def _marks(self, test: Marks, data: str) -> Measurement:
        found, name = self._row(test.row, data), f"AUPRC ({test.region.upper()})"
        if isinstance(found, str):
            return Measurement(name, why=found)
        cues = [record.get("cues") or {} for record in found["subjects"]]
        pairs = [(_precision(one, "residual", test.region), _other(one, test)) for one in cues]
        differences = [a - b for a, b in pairs if a is not None and b is not None]
        return Measurement.of_values(name, differences, found["bootstrap"])

    def _reaches(self, test: Reaches, data: str) -> Measurement:
        found, name = self._row(test.row, data), SCORE_NAMES[test.score]
        if isinstance(found, str):
            return Measurement(name, why=found)
        scores = [record[test.score] - test.level for record in found["subjects"] if record[test.score] is not None]
        return Measurement.of_values(f"{name} above {test.level:.2f}", scores, found["bootstrap"])

    def _setting(self, test: OwnSetting, data: str) -> list[Measurement]:
        sweeps = self.folder.sweeps(data, test.row)
        if sweeps is None:
            return [Measurement("Dice", why=f"no sweep of settings: {_title(test.row)}")]
        own = sweeps["default"]["settings"].get(test.sweep)
        if not _same(own, test.own):
            return [Measurement("Dice", why=f"the model's own setting is {own}")]
        points = sweeps["sweeps"].get(test.sweep, {})
        found = {other: points.get(other, {}).get("difference", {}).get(test.score) for other in test.others}
        if absent := [other for other, difference in found.items() if not difference]:
            return [Measurement("Dice", why=f"not tried: {' and '.join(absent)}")]
        return [_at_setting(test, other, difference) for other, difference in found.items()]

    def _row(self, row: str, data: str) -> Mapping | str:
        if row not in self.folder.results.get(data, {}):
            return f"not in this run: {_title(row)}"
        return self.folder.row(data, row) or "the row's own results are not in the folder"


def _part(result: Mapping, protocol: str, region: str) -> Mapping | None:
    if region != "wt":
        return (result.get("regions") or {}).get(region)
    return result if protocol == "volume" else result.get("paper")


def _precision(cues: Mapping, cue: str, region: str) -> float | None:
    return cues.get(cue, {}).get(region, {}).get("average_precision")


def _other(cues: Mapping, test: Marks) -> float | None:
    if test.other == "guessing":
        return cues.get("residual", {}).get(test.region, {}).get("prevalence")
    return _precision(cues, test.other, test.region)


def _at_setting(test: OwnSetting, other: str, found: Mapping[str, Any]) -> Measurement:
    """Turn "other - own" into own - other, or into what is left of a margin."""
    tolerant = isinstance(test, NotMuchWorse)
    name = f"Dice at {other} + {test.margin:g}" if tolerant else f"Dice against {other}"
    if found["value"] is None:
        return Measurement(name, why="no subject has the score in both")
    sign, shift = (1, test.margin) if tolerant else (-1, 0.0)
    interval = tuple(sorted(sign * end + shift for end in found["interval"])) if found["interval"] else None
    higher, lower = (None, None) if tolerant else (found["worse"], found["better"])
    return Measurement(name, sign * found["value"] + shift, interval, found["n"], higher, lower)


def _same(value: Any, text: str) -> bool:
    return text == (f"{value:g}" if isinstance(value, int | float) else str(value))


def _title(row: str) -> str:
    return ROWS[row].title if row in ROWS else row
