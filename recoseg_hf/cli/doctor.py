"""`recoseg doctor`: why a case that can be read may come out wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import recoseg_hf
from recoseg_hf.cli.console import case_bar, silence_libraries
from recoseg_hf.cli.exit_codes import EXIT_BAD_INPUT
from recoseg_hf.errors import RecosegError, printable

if TYPE_CHECKING:
    from recoseg_hf.imaging.case import Case


def doctor(
    case_dir: Annotated[Path | None, typer.Argument(help="Case folder, or a folder of case folders.")] = None,
    *,
    flair: Annotated[Path | None, typer.Option(help="FLAIR, instead of a folder.")] = None,
    t1: Annotated[Path | None, typer.Option(help="T1 before contrast.")] = None,
    t2: Annotated[Path | None, typer.Option(help="T2.")] = None,
    t1ce: Annotated[Path | None, typer.Option(help="T1 after contrast, if there is one.")] = None,
    subject: Annotated[str | None, typer.Option(help="Name of the case; by default from the input.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs, and what was measured.")] = False,
) -> None:
    """Name the likely cause where a case can be read and its result looks wrong.

    Looks for T1 and T1ce, or FLAIR and T2, under each other's name; a scan that is not registered to the others, or
    flipped from left to right; a skull that was not stripped; a wrong voxel spacing; noise, thick slices or an
    inverted contrast, unlike the scans that the model was trained on. It only warns: a suspicion is no proof, and none
    found is no clearance. No model is run.

    Exit codes: 0 looked over, whether or not anything is suspected; 3 a case cannot be read (`recoseg check` tells all
    that is wrong with it).

    JSON: {"recoseg_hf": version, "counts": {"cases", "suspected", "unreadable"}, "cannot_see": [...], "cases":
    [{"subject", "place", "suspicions": [{"cause", "scans", "message", "measured", "limit", "unit"}], "not_looked_for",
    "measures"} or {"place", "error"}]}.
    """
    files = {"flair": flair, "t1": t1, "t2": t2, "t1ce": t1ce}
    _check_usage(case_dir, files)
    silence_libraries()
    rows = list(_examined(case_dir, files, subject))
    counts = {
        "cases": len(rows),
        "suspected": sum(bool(row.get("suspicions")) for row in rows),
        "unreadable": sum("error" in row for row in rows),
    }
    if as_json:
        from recoseg_hf.inference.doctor import CANNOT_SEE

        document = {
            "recoseg_hf": recoseg_hf.__version__, "counts": counts, "cannot_see": list(CANNOT_SEE), "cases": rows,
        }  # fmt: skip
        typer.echo(json.dumps(document, indent=2))
    else:
        _tell(rows, counts)
    if counts["unreadable"]:
        raise typer.Exit(EXIT_BAD_INPUT)


def _check_usage(case_dir: Path | None, files: dict[str, Path | None]) -> None:
    given = ", ".join(f"--{name}" for name, file in files.items() if file)
    missing = ", ".join(f"--{name}" for name, file in files.items() if not file and name != "t1ce")
    if case_dir and given:
        raise typer.BadParameter(f"give either the folder {case_dir} or {given}, not both")
    if not case_dir and missing:
        raise typer.BadParameter(f"give a folder, or single files; missing: {missing}")


def _examined(case_dir: Path | None, files: dict[str, Path | None], subject: str | None) -> Iterator[dict[str, Any]]:
    with case_bar(shown=True) as bar:
        bar.enter("Looking for cases")
        from recoseg_hf.imaging.case import Case
        from recoseg_hf.imaging.check import find_places

        if case_dir is None:
            yield _row(Path(files["flair"]).parent, lambda: Case.from_files(**files, subject=subject))
            return
        places = find_places(case_dir)
        if subject and len(places) > 1:
            raise typer.BadParameter("--subject names one case; those of a folder have the names of theirs")
        bar.start(len(places))
        bar.enter("Looking the scans over")
        for number, place in enumerate(places, start=1):
            # A site's own label file must not stand in the way.
            row = _row(place, lambda place=place: Case.from_folder(place, subject, segmentation=False))
            bar.count(number, failed="error" in row)
            yield row


def _row(place: Path, read: Callable[[], Case]) -> dict[str, Any]:
    from recoseg_hf.inference.doctor import examine_case

    try:
        found = examine_case(read()).to_json()
    except (RecosegError, OSError) as error:
        return {"place": str(place), "error": " ".join(map(printable, str(error).splitlines()))}
    return {"subject": found.pop("subject"), "place": str(place), **found}


def _tell(rows: list[dict[str, Any]], counts: dict[str, int]) -> None:
    for row in rows:
        if "error" in row:
            typer.echo(f"Cannot be read: {row['error']}", err=True)
            continue
        verdict = f"{len(row['suspicions'])} suspected" if row["suspicions"] else "nothing suspicious"
        typer.echo(f"{row['subject']}: {verdict}")
        for one in row["suspicions"]:
            unit = f" {one['unit']}" if one["unit"] else ""
            evidence = f"measured {one['measured']:g}{unit}, limit {one['limit']:g}{unit}"
            typer.echo(f"  {one['cause']}: {one['message']} ({evidence})")
        for clause in row["not_looked_for"]:
            typer.echo(f"  not looked for: {clause}")
    if counts["suspected"]:
        typer.echo("A suspicion is no proof: look at the scans before you mend anything. Nothing was changed.")
    if counts["cases"] > 1:
        typer.echo(f"{counts['cases']} cases: {counts['suspected']} suspected, {counts['unreadable']} cannot be read.")
