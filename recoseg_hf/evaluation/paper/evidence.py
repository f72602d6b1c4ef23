"""Finds what a claim is judged by in the folder of a run: paired differences on the same subjects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from recoseg_hf.evaluation.differences import paired_differences
from recoseg_hf.evaluation.paper.criteria import (
    AtLeastAsGood,
    Better,
    Criterion,
    Marks,
    NotMuchWorse,
    OwnSetting,
    Reaches,
)
from recoseg_hf.evaluation.paper.folder import PaperFolder
from recoseg_hf.evaluation.paper.measurement import Measurement
from recoseg_hf.evaluation.sign_flips import sign_flip_p
from recoseg_hf.evaluation.systems.rows import BASELINE, REGION_BASELINE, ROWS

SCORE_NAMES = {
    "dice": "Dice", "iou": "IoU", "recall": "recall", "ssim": "SSIM", "psnr": "PSNR", "average_precision": "AUPRC",
}  # fmt: skip
COMMON_THRESHOLD = "0.5"
"""Of `equal_thresholds.EQUAL_THRESHOLDS`: the one that no system was tuned for."""
_FROM_DICE = {"dice": lambda dice: dice, "iou": lambda dice: dice / (2 - dice)}
"""Scores of one subject that follow from its Dice."""


@dataclass
class Evidence:
    """Finds differences in one folder; what two rows differ by is computed once."""

    folder: PaperFolder
    _pairs: dict[tuple[str, ...], Any] = field(default_factory=dict)

    def measure(self, test: Criterion, data: str, protocol: str) -> list[Measurement]:
        """What one data set says of a test under a protocol, for each of its scores."""
        if isinstance(test, Better):
            return self._better(test, data, protocol)
        if isinstance(test, OwnSetting):
            return self._setting(test, data)
        return [self._marks(test, data) if isinstance(test, Marks) else self._reaches(test, data)]

    def at_common_threshold(self, test: Criterion, data: str) -> list[Measurement]:
        """What two rows' masks differ by where both are cut at `COMMON_THRESHOLD`, on whole volumes.

        Returns:
            Nothing where the rows are cut alike anyway, where their masks are not what is claimed about, and where it
            is not known.
        """
        if not isinstance(test, Better) or (test.section, test.region) != ("volume", "wt"):
            return []
        cuts = [self.folder.own_cut(data, row) for row in (test.row, test.base)]
        scores = [self.folder.dice_at(data, row, COMMON_THRESHOLD) for row in (test.row, test.base)]
        if None in cuts or None in scores or cuts[0] == cuts[1]:
            return []
        judged = {self.folder.results[data][row]["n"] for row in (test.row, test.base)}
        if judged != {len(scores[0])} or len(scores[0]) != len(scores[1]):  # not of the subjects of the table
            return []
        pairs = [pair for pair in zip(*scores, strict=True) if None not in pair]
        bootstrap = self.folder.results[data][test.row]["bootstrap"]
        differences = {
            score: [_FROM_DICE[score](one) - _FROM_DICE[score](other) for one, other in pairs]
            for score in test.scores
            if score in _FROM_DICE
        }
        margin = test.margin if isinstance(test, AtLeastAsGood) else 0.0
        suffix = f" + {margin:g}" if margin else ""
        return [
            Measurement.of_values(SCORE_NAMES[score] + suffix, [one + margin for one in found], bootstrap)
            for score, found in differences.items()
        ]

    def _better(self, test: Better, data: str, protocol: str) -> list[Measurement]:
        suffix = "" if test.region == "wt" else f" ({test.region.upper()})"
        names = {score: SCORE_NAMES[score] + suffix for score in test.scores}
        found = self._differences(test, data, protocol)
        if isinstance(found, str):
            return [Measurement(name, why=found) for name in names.values()]
        section = found.get(test.section)
        if not section:
            return [Measurement(name, why="not of every subject") for name in names.values()]
        if isinstance(test, AtLeastAsGood):
            return [self._within_margin(test, data, protocol, score) for score in names]
        return [Measurement.of_difference(name, section[score]) for score, name in names.items()]

    def _within_margin(self, test: AtLeastAsGood, data: str, protocol: str, score: str) -> Measurement:
        """What is left of the margin on average; its own test by subject, so that it needs them."""
        rows = [self.folder.row(data, name) for name in (test.row, test.base)]
        name = f"{SCORE_NAMES[score]} + {test.margin:g}"
        if not all(rows):
            return Measurement(name, why="the rows' own results are not in the folder")
        sides = [_part(row, protocol, test.region) for row in rows]
        own, other = ({record["subject"]: record[score] for record in side["subjects"]} for side in sides)
        pairs = [(own[subject], other[subject]) for subject in own]
        left = [a - b + test.margin for a, b in pairs if a is not None and b is not None]
        return Measurement.of_values(name, left, rows[0]["bootstrap"])

    def _differences(self, test: Better, data: str, protocol: str) -> Mapping | str:
        """All differences of two rows, or why there are none."""
        rows = self.folder.results.get(data, {})
        if absent := [_title(name) for name in (test.row, test.base) if name not in rows]:
            return f"not in this run: {' and '.join(absent)}"
        written = self._written(test, data, protocol)
        if written and _has_p(written, test):
            return written
        key = (data, protocol, test.region, test.section, test.row, test.base)
        if key not in self._pairs:
            self._pairs[key] = self._computed(test, data, protocol)
        computed = self._pairs[key]
        return written if written and isinstance(computed, str) else computed

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
            why = self.folder.refused_sweeps(data, test.row) or "no sweep of settings"
            return [Measurement("Dice", why=f"{why}: {_title(test.row)}")]
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
    by_subject = found.get("by_subject")  # of an earlier version's sweeps there is none
    p = sign_flip_p([sign * one + shift for one in by_subject]) if by_subject else None
    return Measurement(name, sign * found["value"] + shift, interval, found["n"], higher, lower, p=p)


def _has_p(differences: Mapping, test: Better) -> bool:
    """Whether differences are of a version that tests them."""
    return all("p" in differences.get(test.section, {}).get(score, {}) for score in test.scores)


def _same(value: Any, text: str) -> bool:
    return text == (f"{value:g}" if isinstance(value, int | float) else str(value))


def _title(row: str) -> str:
    return ROWS[row].title if row in ROWS else row
