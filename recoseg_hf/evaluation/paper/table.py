"""The paper's table with ours beside it: means with intervals by subject and n, both protocols."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from recoseg_hf.evaluation.in_words import mean_in_words, p_in_words
from recoseg_hf.evaluation.paper.caption import FEW, ONE_TRAINING, caption, few_subjects
from recoseg_hf.evaluation.paper.evidence import COMMON_THRESHOLD
from recoseg_hf.evaluation.paper.measurement import NOT_MEASURED, Measurement
from recoseg_hf.evaluation.paper.published import paper_table
from recoseg_hf.evaluation.paper.score_tables import (
    CSV_COLUMNS,
    INNER_REGIONS,
    N_SLICES,
    REGIONS,
    SLICES,
    SLICES_AS_PAPER,
    SYNTHESIS,
    Column,
    equal_columns,
    find,
    found_cues,
    found_scores,
    in_order,
    title,
)  # fmt: skip
from recoseg_hf.evaluation.paper.summary_table import CAPTION, pair_heads, shown_cells, summary_table
from recoseg_hf.evaluation.paper.verdicts import Verdict, chance_in_words
from recoseg_hf.evaluation.sign_flips import SIGNIFICANT, SMALLEST_N
from recoseg_hf.evaluation.systems.rows import BASELINE, REGION_BASELINE, ROWS

_HEADS = (
    "system", "WT Dice per volume", "IoU", "HD95 mm", "minus " + ROWS[BASELINE].title,
    "as the paper (oracle slices): Dice", "IoU", "published Dice / IoU",
)  # fmt: skip


_CLAIM_HEADS = (
    "claim", "by", "judged on", "verdict", "paired difference [95 % interval], p",
    f"verdict with all rows at {COMMON_THRESHOLD}", "n",
)  # fmt: skip
DECIDED = (
    "A claim held, or did not, where the interval of its paired difference lies on one side of 0 and p is below "
    f"{SIGNIFICANT:g} (two-sided, exact: each subject's sign flipped). With fewer than {SMALLEST_N} subjects p cannot "
    "get there, and nothing is decided."
)
"""What `verdicts` decides by."""
_PROTOCOLS = {"volume": "whole volumes", "paper": "as the paper"}
_BAR = "\\|"  # a bar that ends no cell
_MORE = (
    Column("precision", ("volume", "precision")),
    Column("recall", ("volume", "recall")),
    Column("NSD", ("surface", "nsd")),
    Column("lesion-wise Dice", ("lesions", "dice")),
    Column("lesions found", ("lesions", "found")),
    Column("volume error mL", ("millilitres", "absolute_volume_error_ml"), 1),
)
_FURTHER = {
    "Slices and pooled voxels, whole volumes": SLICES,
    "Slices and pooled voxels, as the paper (oracle slices)": SLICES_AS_PAPER,
    f"Tumour core (TC), differences to {title(REGION_BASELINE)}": INNER_REGIONS["tc"],
    f"Enhancing tumour (ET), differences to {title(REGION_BASELINE)}": INNER_REGIONS["et"],
    "The synthetic T1ce against the measured one": SYNTHESIS,
}
_CUES = "What the residual picks out: area under the precision-recall curve (AUPRC) in the brain"


def published(data: str) -> dict[str, tuple[float, float]]:
    """Dice and IoU in percent by system, as the paper has them for a data set of this name; empty for others."""
    rows = paper_table()["rows"]
    return {row["system"]: (row["dice"], row["iou"]) for row in rows if row["data"] == data}


def table_markdown(whole: Mapping[str, Any], further: bool = True) -> str:
    """The paper-shaped table, and for each data set both protocols with what was published and whole volumes' scores.

    Args:
        whole: `options`, and by data set and row `results` (of `evaluate_masks` with `full`, without subjects) and
            `differences` to the baseline (`volume` and `paper`, each of `paired_differences`); where there is such, by
            data set `equal_thresholds` (of `at_equal_thresholds`).
        further: whether slices, regions, synthesis and the residual have tables too, each under a heading.
    """
    parts = [f"{caption(whole)}\n", *_summary(whole["results"])]
    for data, results in whole["results"].items():
        n = max((result["n"] for result in results.values()), default=0)
        parts += [f"## {data}, n = {n} validation subjects\n", _row(_HEADS), _row(["---"] * len(_HEADS))]
        differences = whole["differences"].get(data, {})
        parts += [*(_row(cells) for cells in _cells(data, results, differences)), ""]
        parts += _score_table("whole volumes", results, _MORE)
        equal = (whole.get("equal_thresholds") or {}).get(data) or {}
        parts += _score_table("all rows at the same threshold", equal, equal_columns(equal), equal)
        parts += _further(results, differences) if further else []
    return "\n".join(parts)


def _summary(results: Mapping[str, Mapping[str, Mapping]]) -> Iterator[str]:
    table = summary_table(results)
    heads = ["system", *(head for pair in table["pairs"] for head in pair_heads(pair))]
    yield from (f"{CAPTION}\n", _row(heads), _row(["---"] * len(heads)))
    for line in table["rows"]:
        yield _row([line["title"], *shown_cells(table, line)])
    yield ""


def claims_markdown(verdicts: Sequence[Verdict]) -> str:
    """What became of the claims, a table for each data set; those that were not measured are counted.

    Args:
        verdicts: of `judge_claims`.
    """
    parts = []
    for data in dict.fromkeys(verdict.data for verdict in verdicts):
        own = [verdict for verdict in verdicts if verdict.data == data]
        measured = [verdict for verdict in own if verdict.outcome != NOT_MEASURED]
        parts += [f"## Claims on {data}\n", _row(_CLAIM_HEADS), _row(["---"] * len(_CLAIM_HEADS))]
        parts += [_row(_claim_cells(verdict)) for verdict in measured]
        unmeasured = len({verdict.claim for verdict in own} - {verdict.claim for verdict in measured})
        sizes = [one.n for verdict in measured for one in verdict.measurements if one.n]
        notes = (
            f"Not measured: {unmeasured} further claims.",
            DECIDED,
            f"Where two rows have other thresholds, the verdict with both at {COMMON_THRESHOLD} stands beside.",
            chance_in_words(own),
            few_subjects(min(sizes, default=FEW)),
            ONE_TRAINING,
        )
        parts.append(f"\n{' '.join(note for note in notes if note)}\n")
    return "\n".join(parts)


def table_csv(whole: Mapping[str, Any]) -> str:
    """One line for each data set and row: values and the ends of their intervals, and p of paired differences."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    heads = [f"{name}{end}" for name, column in CSV_COLUMNS.items() for end in _csv_ends(column)]
    writer.writerow(["data", "row", "title", "n", *heads])
    for data, results in whole["results"].items():
        differences = whole["differences"].get(data, {})
        for name in in_order(results):
            sides = (results[name], differences.get(name))
            found = [(find(sides[bool(column.minus)], column.path), column) for column in CSV_COLUMNS.values()]
            values = [value for one, column in found for value in _csv_values(one, column)]
            writer.writerow([data, name, title(name), results[name]["n"], *values])
    return stream.getvalue()


def _csv_ends(column: Column) -> tuple[str, ...]:
    if column.path[-1] == N_SLICES:
        return ("",)
    return ("", "_low", "_high", "_p") if column.minus else ("", "_low", "_high")


def _csv_values(found: Any, column: Column) -> list[Any]:
    if column.path[-1] == N_SLICES:
        return ["" if found is None else found]
    value = None if not found else found["value"]
    p = (found or {}).get("p")
    ends = ["", ""] if value is None or not found["interval"] else found["interval"]
    return ["" if value is None else value, *ends, *(["" if p is None else p] if column.minus else [])]


def _cells(data: str, results: Mapping[str, Mapping], differences: Mapping[str, Mapping]) -> Iterator[list[str]]:
    known = published(data)
    for name in in_order(results):
        result = results[name]
        paper = (result.get("paper") or {}).get("volume", {})
        surface = (result.get("surface") or {}).get("hd95_mm")
        difference = differences.get(name, {}).get("volume", {}).get("volume", {}).get("dice")
        pair = known.get(ROWS[name].published or "") if name in ROWS else None
        yield [
            title(name),
            *(mean_in_words(result["volume"][score]) for score in ("dice", "iou")),
            mean_in_words(surface, 1),
            _difference(difference),
            *(mean_in_words(paper.get(score)) for score in ("dice", "iou")),
            f"{pair[0]} / {pair[1]}" if pair else "",
        ]


def _further(results: Mapping[str, Mapping], differences: Mapping[str, Mapping]) -> Iterator[str]:
    """What has a heading of its own; nothing of what no row has."""
    for heading, columns in _FURTHER.items():
        if table := list(_score_table("system", results, columns, differences)):
            yield from (f"### {heading}\n", *table)
    if cues := found_cues(results):
        yield from (f"### {_CUES}\n", _row(["cue", *(one.upper() for one in REGIONS)]))
        yield _row(["---"] * (len(REGIONS) + 1))
        for name, _, found in cues:
            yield _row([name, *map(mean_in_words, found)])
        yield ""


def _score_table(
    corner: str,
    results: Mapping[str, Mapping],
    columns: Sequence[Column],
    differences: Mapping[str, Mapping] | None = None,
) -> Iterator[str]:
    """The rows that have any of the columns' scores, each score with its unit in the head."""
    lines = found_scores(results, columns, differences)
    if not lines:
        return
    yield _row([corner, *(f"{one.head} {one.unit}".strip() for one in columns)])
    yield _row(["---"] * (len(columns) + 1))
    for name, found in lines:
        yield _row([title(name), *(_shown(one, column) for one, column in zip(found, columns, strict=True))])
    yield ""


def _shown(found: Any, column: Column) -> str:
    if isinstance(found, int):
        return str(found)
    return _difference(found) if column.minus else mean_in_words(found, column.digits)


def _claim_cells(verdict: Verdict) -> list[str]:
    claim, judged_on = verdict.claim, _PROTOCOLS[verdict.protocol]
    differences = _differences(verdict.measurements)
    outcome, common = _outcome(verdict), _at_common(verdict)
    return [claim.text, claim.by, judged_on, outcome, differences, common, _numbers(verdict)]


def _outcome(verdict: Verdict) -> str:
    """The outcome, and where it is open what the interval alone would say."""
    return f"{verdict.outcome} (the interval alone: {verdict.by_interval})" if verdict.doubt else verdict.outcome


def _at_common(verdict: Verdict) -> str:
    """What one threshold for all rows says; empty where it is not another than each row's own."""
    if verdict.common_outcome is None:
        return ""
    hangs = ": the verdict hangs on the threshold" if verdict.hangs_on_threshold else ""
    return f"{verdict.common_outcome}{hangs} ({_differences(verdict.at_common)})"


def _differences(measurements: Sequence[Measurement]) -> str:
    return "; ".join(f"{one.score} {_difference(_as_statistic(one)) or one.why}" for one in measurements)


def _difference(found: Mapping[str, Any] | None) -> str:
    """A paired difference with its interval and, where it is known, p."""
    told = [mean_in_words(found, sign="+"), p_in_words((found or {}).get("p"))]
    return ", ".join(one for one in told if one)


def _as_statistic(measurement: Measurement) -> dict[str, Any]:
    return {"value": measurement.value, "interval": measurement.interval, "p": measurement.p}


def _numbers(verdict: Verdict) -> str:
    return " and ".join(str(n) for n in sorted({one.n for one in verdict.measurements}))


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', _BAR) for cell in cells)} |"
