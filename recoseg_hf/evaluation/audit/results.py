"""What results say about themselves that cannot be, or should not: ours, or anybody's that stand in a JSON file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from recoseg_hf.evaluation.audit.agreement import statistic_findings, table_findings
from recoseg_hf.evaluation.audit.score_pairs import Score, ScorePair, as_decimal
from recoseg_hf.evaluation.audit.shared_subjects import shared_subjects
from recoseg_hf.json_files import read_json

_NAMES = ("system", "model", "name", "variant", "data", "dataset", "region", "subject")
_EXAMPLES = 3
_DIFFERENCE = {"higher", "lower", "better", "worse"}  # marks of a paired difference, which is no score


@dataclass(frozen=True)
class Finding:
    """Something to put right, or to know before one believes a number.

    Attributes:
        level: "error" for what cannot be true or invalidates a number, "warning" for what a reader must know.
        check: "impossible_pair", "shared_subjects", "oracle_slices", "missing_n", "different_n"; of `agreement`
            "bad_interval", "wrong_n", "unmarked_oracle", "wrong_difference".
        where: the place in the file.
        message: one or two sentences.
    """

    level: str
    check: str
    where: str
    message: str


@dataclass(frozen=True)
class Audit:
    """The pairs of scores that were judged, in the order of the file, and what was found."""

    pairs: tuple[ScorePair, ...]
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings of level "error"."""
        return tuple(finding for finding in self.findings if finding.level == "error")


@dataclass(frozen=True)
class _Place:
    """A mapping of the file, and what it has from those around it."""

    path: str
    values: Mapping[str, Any]
    n: int | None
    percent: bool | None
    oracle_slices: bool
    single: bool  # one subject's record
    of_subject: bool  # that record, or something in it


def read_results(file: str | Path) -> Any:
    """Read a JSON file; numbers keep the digits that they were written with.

    Raises:
        InputError: it is missing or no JSON.
    """
    return read_json(file, "a JSON file with results", "Give what `recoseg evaluate` wrote.", parse_float=Decimal)


def audit_results(content: Any, seen: Sequence[str] = ()) -> Audit:
    """Look for what cannot be true in results, and for what a reader must know.

    - A Dice and an IoU that no set of cases has, whatever they were before rounding (see `score_pairs`).
    - Subjects in two parts of a split, by their hash, or evaluated though the model was trained on them; and the same
      file under two subjects' names.
    - Scores of slices that were chosen by the reference (`oracle_slices`).
    - Scores without the number of cases they stand on, or a Dice and an IoU of different numbers of cases.
    - Intervals that do not hold their mean, and n that is not that of the subjects counted; in the table that
      `training/reproduce_paper.py` writes also differences that are not those of its rows, and rows of different n.

    Args:
        content: JSON values in any arrangement: wherever `dice` and `iou` stand side by side, as numbers, as text with
            all printed digits or as statistics of `aggregate`, they are a pair. `n`, `oracle_slices` and
            `unit` ("percent") hold for everything under them.
        seen: subjects (or their hashes) that the model was trained on.

    Returns:
        The pairs, a subject's own only where it is impossible, and the findings, errors first.
    """
    places = list(_places(content))
    judged = [(place, pair) for place in places if (pair := _pair(place))]
    findings = [
        *(_impossible(pair) for _, pair in judged if not pair.possible),
        *(Finding("error", "shared_subjects", *found) for found in shared_subjects(content, seen)),
        *(Finding(*found) for place in places for found in statistic_findings(place.path, place.values)),
        *(Finding(*found) for found in table_findings(content)),
        *_oracle_slices(places),
        *_different_n(places),
        *_missing_n(places),
    ]
    findings.sort(key=lambda finding: finding.level != "error")
    shown = tuple(pair for place, pair in judged if not (pair.possible and place.of_subject))
    return Audit(shown, tuple(findings))


def _places(content: Any, outer: _Place | None = None, path: str = "", single: bool = False) -> Iterator[_Place]:
    """Yield every mapping in JSON values, the outer before the inner."""
    outer = outer or _Place("", {}, None, None, False, False, False)
    if isinstance(content, Mapping):
        place = _Place(
            path,
            content,
            n=_count(content["n"]) if "n" in content else outer.n,
            percent=True if content.get("unit") in ("percent", "%") else outer.percent,
            oracle_slices=bool(content.get("oracle_slices", outer.oracle_slices)),
            single=single,
            of_subject=single or outer.of_subject,
        )
        yield place
        for name, value in content.items():
            yield from _places(value, place, f"{path}.{name}" if path else str(name))
    elif isinstance(content, list | tuple):
        for number, value in enumerate(content):
            label = _label(value) or str(number)
            yield from _places(value, outer, f"{path}[{label}]", single=path.split(".")[-1] == "subjects")


def _label(value: Any) -> str:
    if not isinstance(value, Mapping):
        return ""
    return ", ".join(str(value[name]) for name in _NAMES if isinstance(value.get(name), str))


def _count(value: Any) -> int | None:
    number = as_decimal(value)
    return int(number) if number is not None and number > 0 else None


def _scores(place: _Place) -> dict[str, Decimal]:
    """The Dice and IoU that stand in a mapping; none of a paired difference."""
    found = {}
    for name, value in place.values.items():
        if str(name).lower() in ("dice", "iou") and not (isinstance(value, Mapping) and _DIFFERENCE & value.keys()):
            number = as_decimal(value.get("value") if isinstance(value, Mapping) else value)
            if number is not None:
                found[str(name).lower()] = number
    return found


def _numbers(place: _Place) -> dict[str, int | None]:
    """The n of each score of a mapping: its own, or what holds for all around it."""
    found = {}
    for name, value in place.values.items():
        if str(name).lower() in ("dice", "iou"):
            own = isinstance(value, Mapping) and "n" in value
            found[str(name).lower()] = _count(value["n"]) if own else 1 if place.single else place.n
    return found


def _pair(place: _Place) -> ScorePair | None:
    scores, numbers = _scores(place), _numbers(place)
    if len(scores) < 2 or len(set(numbers.values())) > 1:
        return None
    percent = max(scores.values()) > 1 if place.percent is None else place.percent
    return ScorePair(
        where=place.path,
        dice=Score.read(scores["dice"], percent),
        iou=Score.read(scores["iou"], percent),
        n=numbers["dice"],
        pooled=place.single or place.path.split(".")[-1] == "pooled",
        oracle_slices=place.oracle_slices,
    )


def _impossible(pair: ScorePair) -> Finding:
    scale, unit = (100, " %") if pair.dice.percent else (1, "")
    low, high = (f"{scale * bound:.4g}" for bound in pair.possible_iou)
    cases = "pooled voxels or one case" if pair.pooled else "one set of cases"
    message = (
        f"Dice {pair.dice.printed}{unit} and IoU {pair.iou.printed}{unit} are not of {cases}: with this Dice, the IoU "
        f"lies between {low}{unit} and {high}{unit}, rounding allowed for."
    )
    return Finding("error", "impossible_pair", pair.where, message)


def _oracle_slices(places: Sequence[_Place]) -> Iterator[Finding]:
    for place in places:
        if place.values.get("oracle_slices") is True:
            message = "The reference chose the slices: what was invented on the others is in no score under this."
            yield Finding("warning", "oracle_slices", place.path or "the file", message)


def _different_n(places: Sequence[_Place]) -> Iterator[Finding]:
    for place in places:
        numbers = _numbers(place)
        if len(_scores(place)) == 2 and len(set(numbers.values())) > 1:
            message = f"Dice of {numbers['dice']} cases and IoU of {numbers['iou']}: not one set, so not compared."
            yield Finding("warning", "different_n", place.path or "the file", message)


def _missing_n(places: Sequence[_Place]) -> Iterator[Finding]:
    """One finding for the whole file, since a table that lacks n mostly does so in every row."""
    scored = [place for place in places if _scores(place)]
    without = [place.path or "the file" for place in scored if not all(_numbers(place).values())]
    if without:
        some = ", ".join(without[:_EXAMPLES]) + (", ..." if len(without) > _EXAMPLES else "")
        message = f"{len(without)} of {len(scored)} do not say on how many cases they stand: {some}."
        yield Finding("warning", "missing_n", "n", message)
