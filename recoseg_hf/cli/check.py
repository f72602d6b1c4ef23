"""`recoseg check`: whether scans can be used, told before anything is run on them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import recoseg_hf
from recoseg_hf.cli.console import case_bar
from recoseg_hf.cli.exit_codes import EXIT_BAD_INPUT
from recoseg_hf.errors import printable

if TYPE_CHECKING:
    from rich.text import Text

    from recoseg_hf.errors import InputError
    from recoseg_hf.imaging.check import CaseCheck
    from recoseg_hf.imaging.doubts import Doubt

_MOST_JOBS = 4  # reading is bound by the disk from there on, and each process holds a case
_COLOURS = {"error": "bold red", "warning": "yellow", "ok": "green"}


def check(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Folders of cases, case folders, or single NIfTI files.")
    ] = None,
    *,
    flair: Annotated[Path | None, typer.Option(help="FLAIR of one case, instead of a folder.")] = None,
    t1: Annotated[Path | None, typer.Option(help="T1 before contrast.")] = None,
    t2: Annotated[Path | None, typer.Option(help="T2.")] = None,
    t1ce: Annotated[Path | None, typer.Option(help="T1 after contrast, if there is one.")] = None,
    seg: Annotated[Path | None, typer.Option(help="Segmentation, if there is one.")] = None,
    segmentation: Annotated[
        bool, typer.Option(help="Read the segmentations in folders too, or leave them out as `predict` does.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")] = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes that read at a time; by default one a core, 4 at most.")
    ] = None,
) -> None:
    """Check scans and segmentations without a model: everything that `predict` and `prepare` would refuse.

    All findings of a case are told at once. A warning stops nothing: spacing off 1 mm, a skull that was not stripped,
    sheared axes, a single slice, a name that misleads. Swapped modalities are not noticed here.

    Exit codes: 0 no errors, 3 an error was found.

    JSON: {"recoseg_hf": version, "counts": {"cases", "ok", "warning", "error"}, "cases": [{"subject", "place",
    "verdict", "findings": [{"severity": "error" or "warning", "file", "found", "expected", "remedy"}]}]}.
    """
    files = {name: file for name, file in zip(_NAMES, (flair, t1, t2, t1ce, seg), strict=True) if file}
    _check_usage(paths, files)
    checks = _checked(paths or [], files, segmentation, jobs)
    rows = [_row(checked) for checked in checks]
    counts = {"cases": len(rows)} | {
        verdict: sum(row["verdict"] == verdict for row in rows) for verdict in ("ok", "warning", "error")
    }
    if as_json:
        document = {"recoseg_hf": recoseg_hf.__version__, "counts": counts, "cases": rows}
        typer.echo(json.dumps(document, indent=2))  # ASCII, whatever the names are
    else:
        _print_table(rows)
        typer.echo(
            f"{counts['cases']} checked: {counts['ok']} fine, {counts['warning']} with warnings only, "
            f"{counts['error']} with errors."
        )
    if counts["error"]:
        raise typer.Exit(EXIT_BAD_INPUT)


_NAMES = ("flair", "t1", "t2", "t1ce", "seg")


def _check_usage(paths: list[Path] | None, files: dict[str, Path]) -> None:
    given = ", ".join(f"--{name}" for name in files)
    if paths and files:
        raise typer.BadParameter(f"give either paths or {given}, not both")
    if not paths and not files:
        raise typer.BadParameter("give a folder of cases, a case folder, a file, or --flair, --t1 and --t2")


def _checked(paths: list[Path], files: dict[str, Path], segmentation: bool, jobs: int | None) -> list[CaseCheck]:
    with case_bar(shown=True) as bar:
        bar.enter("Looking for cases" if paths else "Reading the scans")
        from recoseg_hf.imaging.check import check_case, check_cases, find_places

        if files:
            return [check_case(files)]
        places = [place for path in paths for place in find_places(path)]
        bar.start(len(places))
        bar.enter("Reading the scans")
        found = []
        for checked in check_cases(places, segmentation, jobs or min(os.cpu_count() or 1, _MOST_JOBS)):
            found.append(checked)
            bar.count(len(found), failed=bool(checked.problems))
        return found


def _row(checked: CaseCheck) -> dict[str, Any]:
    findings = [_finding("error", problem) for problem in checked.problems]
    findings += [_finding("warning", doubt) for doubt in checked.doubts]
    return {
        "subject": checked.subject,
        "place": str(checked.place),
        "verdict": checked.verdict,
        "findings": findings,
    }


def _finding(severity: str, about: InputError | Doubt) -> dict[str, str]:
    parts = {name: str(getattr(about, name)) for name in ("file", "found", "expected", "remedy")}
    return {"severity": severity} | parts


def _print_table(rows: list[dict[str, Any]]) -> None:
    """Print what was found, a case and then its files; of what is fine only the number is told."""
    if not any(row["findings"] for row in rows):
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, expand=True)
    table.add_column("Case, file", overflow="fold", ratio=2)
    table.add_column("Verdict", no_wrap=True)
    table.add_column("Found, and what to do", overflow="fold", ratio=5)
    for row in filter(lambda row: row["findings"], rows):
        table.add_row(Text(row["subject"], style="bold"))
        for finding in row["findings"]:
            table.add_row(*_cells(row, finding))
    Console().print(table)


def _cells(row: dict[str, Any], finding: dict[str, str]) -> list[Text]:
    """Return a finding's cells, as plain text: a file's name is never markup."""
    from rich.text import Text

    severity = finding["severity"]
    text = Text(printable(f"{finding['found']}; expected {finding['expected']}. "))
    text.append(printable(finding["remedy"]), style="bold")
    return [Text(f"  {printable(_short(finding['file'], row))}"), Text(severity, style=_COLOURS[severity]), text]


def _short(file: str, row: dict[str, Any]) -> str:
    """Name a file without what the row says anyway: its folder, and the subject."""
    if file == row["place"] and Path(file).is_dir():
        return "(folder)"
    name = Path(file).name
    return name.removeprefix(row["subject"]).lstrip("_-") or name
