"""`recoseg report`: the paper's table as one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    results_dir: Annotated[
        Path, typer.Argument(help="The --output_dir of training/reproduce_paper.py, with its results.json.")
    ],
    output: Annotated[Path | None, typer.Option(help="HTML file. By default report.html in RESULTS_DIR.")] = None,
) -> None:
    """Write the paper's table, what was run, the claims and the figures as one self-contained HTML page.

    It names no subject and no path. Its figures may show patients: keep the page where their scans may be.
    """
    from recoseg_hf.evaluation.paper.report import write_report

    typer.echo(f"Report: {write_report(results_dir, output)}")
