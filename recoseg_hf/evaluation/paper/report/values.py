"""All that the page shows, as JSON values: what is looked through for names and paths before anything is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import recoseg_hf
from recoseg_hf.evaluation.audit import audit_results, read_results
from recoseg_hf.evaluation.paper.caption import ONE_TRAINING, few_subjects, how_it_was_run
from recoseg_hf.evaluation.paper.claims import OURS, PAPER
from recoseg_hf.evaluation.paper.evidence import COMMON_THRESHOLD
from recoseg_hf.evaluation.paper.folder import RESULTS, PaperFolder
from recoseg_hf.evaluation.paper.published import paper_table
from recoseg_hf.evaluation.paper.report import tables, words
from recoseg_hf.evaluation.paper.report.chart import dice_chart
from recoseg_hf.evaluation.paper.report.sweeps import sweep_tables
from recoseg_hf.evaluation.paper.score_tables import (
    INNER_REGIONS,
    SHAPE,
    SLICES,
    SLICES_AS_PAPER,
    SYNTHESIS,
    VOXELS,
    equal_columns,
    in_order,
    title,
)
from recoseg_hf.evaluation.paper.summary_table import CAPTION
from recoseg_hf.evaluation.paper.verdicts import Verdict, chance_in_words, judge_claims
from recoseg_hf.evaluation.sign_flips import SIGNIFICANT, SMALLEST_N
from recoseg_hf.evaluation.systems.rows import BASELINE, REGION_BASELINE
from recoseg_hf.learning.subjects import subject_hash

_STAGES = {
    "synthesizer": "synthesizer trained",
    "residuals": "residuals drawn",
    "model": "segmenter trained",
}
_FLAGS = ("max_train_steps", "train_batch_size", "gradient_accumulation_steps", "learning_rate", "lr_scheduler")


def gather_values(folder: PaperFolder) -> dict[str, Any]:
    """What there is to show of a run, without pictures.

    Args:
        folder: of the run.

    Returns:
        JSON values; texts are names of rows, data sets, options and figures, and sentences of ours.
    """
    verdicts = judge_claims(folder)
    return {
        "version": recoseg_hf.__version__,
        "options": {name.replace("_", " "): _plain(value) for name, value in folder.whole["options"].items()},
        "baseline": title(BASELINE),
        "region_baseline": title(REGION_BASELINE),
        "common_threshold": COMMON_THRESHOLD,
        "how": how_it_was_run(folder.whole),
        "one_training": ONE_TRAINING,
        "significant": f"{SIGNIFICANT:g}",
        "smallest_n": SMALLEST_N,
        "table": tables.paper_shaped(folder.results),
        "table_caption": CAPTION,
        "sets": [_data_set(folder, data, [one for one in verdicts if one.data == data]) for data in folder.results],
        "audit": words.findings(audit_results(read_results(folder.folder / RESULTS))),
        "paper_audit": words.findings(audit_results(paper_table())),
    }


def _data_set(folder: PaperFolder, data: str, verdicts: Sequence[Verdict]) -> dict[str, Any]:
    results, differences = folder.results[data], folder.whole["differences"].get(data, {})
    n = max((result["n"] for result in results.values()), default=0)
    equal = (folder.whole.get("equal_thresholds") or {}).get(data) or {}
    return {
        "name": data,
        "n": n,
        "few": few_subjects(n),
        "level": next((f"{100 * result['bootstrap']['level']:g} %" for result in results.values()), "95 %"),
        "tolerance": _tolerance(results),
        "stages": _stages(folder, data),
        "seconds": round(sum(stage.get("seconds", 0) for stage in folder.stages(data).values())),
        "main": tables.main_table(data, results, differences),
        "chart": dice_chart(results),
        "tables": {
            "equal": tables.score_table(equal, equal_columns(equal), n, equal),
            "voxels": tables.score_table(results, VOXELS, n),
            "slices": tables.score_table(results, SLICES, n),
            "slices_as_paper": tables.score_table(results, SLICES_AS_PAPER, n),
            "shape": tables.score_table(results, SHAPE, n),
            "regions": tables.score_table(results, sum(INNER_REGIONS.values(), ()), n, differences),
            "synthesis": tables.score_table(results, SYNTHESIS, n),
        },
        "cues": tables.cue_table(results),
        "sweeps": [
            {"of": title(name), "tables": sweep_tables(sweeps)}
            for name in in_order(results)
            if (sweeps := folder.sweeps(data, name))
        ],
        "refused_sweeps": [
            f"{title(name)}: {why}." for name in in_order(results) if (why := folder.refused_sweeps(data, name))
        ],
        "summary": [*words.headlines(results, differences), *words.summary(verdicts)],
        "claims": {"paper": words.told_claims(verdicts, PAPER), "ours": words.told_claims(verdicts, OURS)},
        "chance": chance_in_words(verdicts),
        "seen": _trained_on(folder, data),
        "figures": [file.stem for file in folder.figures(data)],
    }


def _stages(folder: PaperFolder, data: str) -> list[dict[str, Any]]:
    found = []
    for name, record in folder.stages(data).items():
        kind, _, row = name.partition("_")
        flags = record.get("flags", {})
        found.append(
            {
                "what": _STAGES.get(kind, kind),
                "row": title(row),
                "seconds": record.get("seconds"),
                "flags": [str(flags.get(flag, "")) for flag in _FLAGS],
            }
        )
    return found


def _tolerance(results: Mapping[str, Mapping]) -> str:
    found = {(result.get("surface") or {}).get("nsd_tolerance_mm") for result in results.values()} - {None}
    return " or ".join(f"{one:g} mm" for one in sorted(found))


def _trained_on(folder: PaperFolder, data: str) -> list[str]:
    """Rows that were judged on a subject which their model has seen: a sentence each, without a name."""
    found = []
    for name in in_order(folder.results[data]):
        row, seen = folder.row(data, name), folder.subjects_seen(data, name)
        if row is None or seen is None:
            continue
        both = {subject_hash(record["subject"]) for record in row["subjects"]} & set(seen)
        if both:
            subjects = "1 subject" if len(both) == 1 else f"{len(both)} subjects"
            found.append(f"{title(name)} was judged on {subjects} that it was trained on.")
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, int | float) else str(value)
