"""The paper's table with ours beside it: means with intervals by subject and n, both protocols."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from recoseg_hf.evaluation.in_words import mean_in_words, p_in_words
from recoseg_hf.evaluation.paper.evidence import COMMON_THRESHOLD
from recoseg_hf.evaluation.paper.measurement import NOT_MEASURED, UNDECIDED, Measurement
from recoseg_hf.evaluation.paper.published import paper_table
from recoseg_hf.evaluation.paper.summary_table import CAPTION, pair_heads, shown_cells, summary_table
from recoseg_hf.evaluation.paper.verdicts import Verdict, chance_in_words
from recoseg_hf.evaluation.sign_flips import SIGNIFICANT, SMALLEST_N
from recoseg_hf.evaluation.systems.rows import BASELINE, ROWS

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
_NONE_SHARE, _MEASURED_SHARE = 0.15, 0.7  # of `train_segmenter.py`, where a run does not say
_BAR = "\\|"  # a bar that ends no cell
_MORE = {
    "precision": ("volume", "precision", 3),
    "recall": ("volume", "recall", 3),
    "NSD": ("surface", "nsd", 3),
    "lesion-wise Dice": ("lesions", "dice", 3),
    "lesions found": ("lesions", "found", 3),
    "volume error mL": ("millilitres", "absolute_volume_error_ml", 1),
}
"""Further columns, whole volumes: section, score and digits."""


def published(data: str) -> dict[str, tuple[float, float]]:
    """Dice and IoU in percent by system, as the paper has them for a data set of this name; empty for others."""
    rows = paper_table()["rows"]
    return {row["system"]: (row["dice"], row["iou"]) for row in rows if row["data"] == data}


def table_markdown(whole: Mapping[str, Any]) -> str:
    """The paper-shaped table, and two for each data set: both protocols with what was published, and further scores.

    Args:
        whole: `options`, and by data set and row `results` (of `evaluate_masks` with `full`, without subjects) and
            `differences` to the baseline (`volume` and `paper`, each of `paired_differences`); where there is such, by
            data set `equal_thresholds` (of `at_equal_thresholds`).
    """
    parts = [f"{_caption(whole['options'])}\n", *_summary(whole["results"])]
    for data, results in whole["results"].items():
        n = max((result["n"] for result in results.values()), default=0)
        parts += [f"## {data}, n = {n} validation subjects\n", _row(_HEADS), _row(["---"] * len(_HEADS))]
        parts += [_row(cells) for cells in _cells(data, results, whole["differences"].get(data, {}))]
        parts += ["", _row(("whole volumes", *_MORE)), _row(["---"] * (len(_MORE) + 1))]
        parts += [_row(cells) for cells in _more_cells(results)]
        parts += ["", *_equal_thresholds((whole.get("equal_thresholds") or {}).get(data) or {})]
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
        parts.append(
            f"\nNot measured: {unmeasured} further claims. {DECIDED} Where two rows have other thresholds, the "
            f"verdict with both at {COMMON_THRESHOLD} stands beside. {chance_in_words(own)}\n"
        )
    return "\n".join(parts)


def table_csv(whole: Mapping[str, Any]) -> str:
    """One line for each data set and row: values and the ends of their intervals."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    scores = {
        "volume": ("dice", "iou", "precision", "recall"), "paper": ("dice", "iou"), "surface": ("hd95_mm", "nsd"),
        "lesions": ("dice",),
    }  # fmt: skip
    columns = [f"{section}_{score}" for section, names in scores.items() for score in names]
    heads = [f"{column}{end}" for column in columns for end in ("", "_low", "_high")]
    writer.writerow(["data", "row", "title", "n", *heads])
    for data, results in whole["results"].items():
        for name, result in results.items():
            sides = dict(result) | {"paper": (result.get("paper") or {}).get("volume")}
            found = [(sides.get(section) or {}).get(score) for section, names in scores.items() for score in names]
            values = [value for statistic in found for value in _ends(statistic)]
            writer.writerow([data, name, ROWS[name].title, result["n"], *values])
    return stream.getvalue()


def _cells(data: str, results: Mapping[str, Mapping], differences: Mapping[str, Mapping]) -> Iterator[list[str]]:
    known = published(data)
    for name, result in results.items():
        paper = (result.get("paper") or {}).get("volume", {})
        surface = (result.get("surface") or {}).get("hd95_mm")
        difference = differences.get(name, {}).get("volume", {}).get("volume", {}).get("dice")
        pair = known.get(ROWS[name].published or "")
        yield [
            ROWS[name].title,
            *(mean_in_words(result["volume"][score]) for score in ("dice", "iou")),
            mean_in_words(surface, 1),
            _difference(difference),
            *(mean_in_words(paper.get(score)) for score in ("dice", "iou")),
            f"{pair[0]} / {pair[1]}" if pair else "",
        ]


def _more_cells(results: Mapping[str, Mapping]) -> Iterator[list[str]]:
    for name, result in results.items():
        found = [((result.get(section) or {}).get(score), digits) for section, score, digits in _MORE.values()]
        yield [ROWS[name].title, *(mean_in_words(statistic, digits) for statistic, digits in found)]


def _equal_thresholds(found: Mapping[str, Mapping[str, Mapping]]) -> Iterator[str]:
    """The rows at the same thresholds, each with what it is ahead of the baseline."""
    if not found:
        return
    taus = list(next(iter(found.values())))
    heads = [cell for tau in taus for cell in (f"Dice at {tau}", f"minus {ROWS[BASELINE].title}")]
    yield _row(["all rows at the same threshold", *heads])
    yield _row(["---"] * (len(heads) + 1))
    for name, scores in found.items():
        pairs = [(mean_in_words(scores[tau]["dice"]), _difference(scores[tau]["minus_baseline"])) for tau in taus]
        yield _row([ROWS[name].title, *(cell for pair in pairs for cell in pair)])
    yield ""


def _claim_cells(verdict: Verdict) -> list[str]:
    claim, judged_on = verdict.claim, _PROTOCOLS[verdict.protocol]
    differences = _differences(verdict.measurements)
    outcome, common = _outcome(verdict), _at_common(verdict)
    return [claim.text, claim.by, judged_on, outcome, differences, common, _numbers(verdict)]


def _outcome(verdict: Verdict) -> str:
    """The outcome, and where it is open what the interval alone would say."""
    if verdict.outcome != UNDECIDED or verdict.by_interval == UNDECIDED:
        return verdict.outcome
    return f"{UNDECIDED} (the interval alone: {verdict.by_interval})"


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


def _caption(options: Mapping[str, Any]) -> str:
    size = "the paper's widths" if options["full_size"] else "widths 32-64-128 on pixels folded 2 x 2"
    steps = f" and {options['inference_steps']} denoising steps" if options["inference_steps"] else ""
    return (
        f"Every net: {options['budget']} optimiser steps of {options['train_batch_size']} slices (3D nets: of "
        f"{options['patches']} patches), seed {options['seed']}, precision {options['mixed_precision']}. "
        f"The paper's 2D systems have {size}{steps}; ReCoSeg small, the regression and the 3D nets their own. "
        f"2D segmenters see {100 * options['healthy_slice_share']:.0f} % of the slices without tumour"
        f"{_dropped(options)}. Each system has its own threshold (`pipelines/README.md`), which alone moves Dice by "
        "points: the last table has all at the same. "
        "Of each net the best of four validations is kept, chosen on the subjects that are judged here, as the "
        "thresholds of ReCoSeg small were: values are optimistic for that. Means over the validation subjects with "
        "95 % bootstrap intervals by subject."
    )


def _dropped(options: Mapping[str, Any]) -> str:
    """Which rows were trained without what they are judged with: the residual is left out of some slices."""
    share = options.get("none_share", _NONE_SHARE)
    if not share:
        return ""
    return (
        f", and those with a residual none in {100 * share / (share + _MEASURED_SHARE):.0f} % of them, which costs "
        "them where it is there, as here. The 3D row with a residual, and rows with T1ce or |T1ce - T1| in its place, "
        "always see theirs: only --none_share 0 treats all rows alike"
    )


def _ends(statistic: Mapping[str, Any] | None) -> Sequence[float | str]:
    if not statistic or statistic["value"] is None:
        return ["", "", ""]
    return [statistic["value"], *(statistic["interval"] or ["", ""])]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', _BAR) for cell in cells)} |"
