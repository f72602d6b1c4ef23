"""`recoseg report`: one case's result, or the paper's table, as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    results_dir: Annotated[
        Path,
        typer.Argument(
            help="A case's results (the --output of `recoseg predict`), or the --output_dir of "
            "training/reproduce_paper.py."
        ),
    ],
    case: Annotated[
        Path | None, typer.Option(help="Folder of the case's scans, if they are not in RESULTS_DIR themselves.")
    ] = None,
    subject: Annotated[str | None, typer.Option(help="Whose page, where RESULTS_DIR has several cases.")] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="HTML file. By default <subject>_report.html, or report.html for the table, in RESULTS_DIR."
        ),
    ] = None,
) -> None:
    """Write a result as one self-contained HTML page.

    Of a case: volumes, where the tumour lies, every slice, warnings and provenance. `recoseg predict` writes this page
    already; here it is made again, for example of a result that has none. Of the paper's table: what was run, scores,
    claims and figures.

    No page holds a path. Pages may show patients: keep them where their scans may be.
    """
    from recoseg_hf.evaluation.paper.folder import RESULTS
    from recoseg_hf.inference.page.reading import find_reports, write_page_again

    if find_reports(results_dir) or case or subject:
        page, with_scans = write_page_again(results_dir, case, subject, output)
        if not with_scans:
            typer.echo(
                "Warning: Without the scans the outlines are drawn on the synthetic T1ce. --case adds them.", err=True
            )
    elif (results_dir / RESULTS).exists():
        from recoseg_hf.evaluation.paper.report import write_report

        page = write_report(results_dir, output)
    else:
        raise _neither(results_dir)
    typer.echo(f"Report: {page}")


def _neither(folder: Path) -> Exception:
    from recoseg_hf.errors import InputError
    from recoseg_hf.imaging.paths import listing

    found = f"no results.json and no <subject>_report.json; {listing(folder)}" if folder.is_dir() else "no such folder"
    expected = "the --output of `recoseg predict`, or the --output_dir of training/reproduce_paper.py"
    return InputError(folder, found, expected, "Check the path; of a cohort, give one case's folder.")
