"""All rows that were finished with the same options, and the files of their table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from recoseg_hf.evaluation.differences import paired_differences
from recoseg_hf.evaluation.paper.folder import PaperFolder
from recoseg_hf.evaluation.paper.summary_table import summary_csv, summary_table
from recoseg_hf.evaluation.paper.table import claims_markdown, table_csv, table_markdown
from recoseg_hf.evaluation.paper.verdicts import judge_claims
from recoseg_hf.evaluation.systems.rows import BASELINE, REGION_BASELINE, ROWS
from recoseg_hf.files import atomic_write, write_json

AT_ONE_THRESHOLD = ("equal_thresholds", "thresholds")
"""What is measured of all rows together, by data set."""

Results = Mapping[str, Mapping[str, Mapping[str, Any]]]


def former_table(folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """What `results.json` holds, if it was made with these options; else nothing."""
    file = folder / "results.json"
    found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    same = found.get("options") == json.loads(json.dumps(dict(options)))
    return found if same else {}


def finished_rows(folder: Path, former: Mapping[str, Any], finished: Mapping[str, Iterable[str]]) -> dict[str, dict]:
    """Read what rows are worth: those of a former table, and those that are new.

    Args:
        folder: of the whole run, with a folder for each data set.
        former: see `former_table`.
        finished: names of the new ones by data set.

    Returns:
        By data set and row, in the order of `ROWS`, what `evaluate_masks` returned.
    """
    before = former.get("results", {})
    found = {}
    for data in [*before, *(data for data in finished if data not in before)]:
        names = {*before.get(data, {}), *finished.get(data, ())}
        files = {name: folder / data / "results" / f"{name}.json" for name in ROWS if name in names}
        found[data] = {name: json.loads(file.read_text("utf-8")) for name, file in files.items() if file.is_file()}
    return found


def write_tables(folder: Path, results: Results, options: Mapping[str, Any], **more: Mapping[str, Any]) -> None:
    """JSON, CSV and Markdown of all data sets, without a subject's name.

    Args:
        folder: to write to.
        results: by data set and row, see `finished_rows`.
        options: of all rows.
        more: goes into the JSON as it is, see `AT_ONE_THRESHOLD`.
    """
    unnamed = {data: {name: _unnamed(result) for name, result in rows.items()} for data, rows in results.items()}
    differences = {data: compared(rows) for data, rows in results.items()}
    whole = {"options": dict(options), "table": summary_table(unnamed), "results": unnamed, "differences": differences}
    whole |= more
    write_json(folder / "results.json", whole)
    claims = claims_markdown(judge_claims(PaperFolder(folder, whole)))
    texts = {
        "table.csv": table_csv(whole),
        "table_as_paper.csv": summary_csv(whole["table"]),
        "table.md": f"{table_markdown(whole)}\n{claims}",
    }
    for file, text in texts.items():
        with atomic_write(folder / file) as path:
            path.write_text(text, encoding="utf-8")


def compared(results: Mapping[str, Mapping]) -> dict[str, Any]:
    """Each row's difference to the baseline, subject by subject, under both protocols; of regions to theirs."""
    base, found = results.get(BASELINE), {}
    for name, result in results.items():
        if base and name != BASELINE:
            paper = paired_differences(result["paper"], base["paper"])
            found[name] = {"volume": paired_differences(result, base), "paper": paper}
        inner = (results.get(REGION_BASELINE) or {}).get("regions")
        if inner and result.get("regions") and name != REGION_BASELINE:
            differences = {region: paired_differences(result["regions"][region], inner[region]) for region in inner}
            found[name] = found.get(name, {}) | {"regions": differences}
    return found


def _unnamed(result: Mapping[str, Any]) -> dict[str, Any]:
    left_out = ("subjects", "missing", "unlabelled", "unmatched")
    found = {name: value for name, value in result.items() if name not in left_out}
    paper = {"paper": _unnamed(found["paper"])} if found.get("paper") else {}
    regions = {name: _unnamed(part) for name, part in (found.get("regions") or {}).items()}
    return found | paper | ({"regions": regions} if regions else {})
