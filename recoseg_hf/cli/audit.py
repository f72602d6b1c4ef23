"""`recoseg audit`: whether results can be true, and what a reader must know of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recoseg_hf.cli.exit_codes import EXIT_BAD_INPUT
from recoseg_hf.errors import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from recoseg_hf.evaluation.audit import Audit
    from recoseg_hf.evaluation.audit.score_pairs import ScorePair


def audit(
    results: Annotated[
        list[Path] | None,
        typer.Argument(
            help="JSON files: what `evaluate` or reproduce_paper.py wrote, published numbers, a split, a manifest."
        ),
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="Model folder: no subject that it was trained on may be among the results.")
    ] = None,
    paper_table: Annotated[
        bool, typer.Option("--paper-table", help="Audit Table 1 of ReCoSeg++ (arXiv 2508.01058), as published.")
    ] = False,
) -> None:
    """Look for what cannot be true in results.

    Errors: a Dice and an IoU that no set of cases has; subjects in two parts of a split, or evaluated though the model
    was trained on them; one scan under two names; intervals, numbers of subjects and differences that do not agree
    with the scores beside them. Warnings: slices chosen by the reference; scores without n. Exits with 3 where there
    are errors.
    """
    if not results and not paper_table:
        raise typer.BadParameter("give JSON files, or --paper-table")
    from rich.console import Console

    from recoseg_hf.evaluation.audit import audit_results

    seen = _seen_by(model) if model else []
    console = Console(highlight=False)
    errors = 0
    for title, content in _contents(results or (), paper_table):
        found = audit_results(content, seen)
        _show(console, title, found)
        errors += len(found.errors)
    if errors:
        raise typer.Exit(EXIT_BAD_INPUT)


def _contents(results: Sequence[Path], paper_table: bool) -> Iterator[tuple[str, Any]]:
    from recoseg_hf.evaluation.audit import read_results
    from recoseg_hf.evaluation.paper import published

    if paper_table:
        content = published.paper_table()
        yield content["source"], content
    for file in results:
        yield str(file), read_results(file)


def _seen_by(model: Path) -> list[str]:
    from recoseg_hf.learning.run_record import RECORD, subjects_seen

    seen = subjects_seen(model)
    if seen is None:
        raise InputError(model, f"no {RECORD} in it", "a model with a record of whom it saw", "Name another folder.")
    return seen


def _show(console: Console, title: str, found: Audit) -> None:
    console.print(title, style="bold", markup=False, soft_wrap=True)
    if found.pairs:
        console.print(_table(found.pairs))
    for finding in found.findings:
        console.print(f"{finding.level}: {finding.where}: {finding.message}", markup=False, soft_wrap=True)
    counts = {
        "pair of scores": len(found.pairs),
        "error": len(found.errors),
        "warning": len(found.findings) - len(found.errors),
    }
    console.print(", ".join(_counted(noun, count) for noun, count in counts.items()) + "\n")


def _counted(noun: str, count: int) -> str:
    first, *rest = noun.split(" ")
    return " ".join([str(count), first if count == 1 else f"{first}s", *rest])


def _table(pairs: Sequence[ScorePair]) -> Any:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("scores", overflow="fold")
    for heading in ("Dice", "IoU", "possible IoU", "n"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("verdict")
    for pair in pairs:
        style = None if pair.possible else "bold red"
        cells = (pair.where or "the file", _digits(pair.dice), _digits(pair.iou), _possible(pair), str(pair.n or "?"))
        table.add_row(*(Text(cell) for cell in cells), _verdict(pair), style=style)
    return table


def _digits(score: Any) -> str:
    """A number as printed; of a computed one, the first digits."""
    return score.printed if len(score.printed) <= 7 else f"{float(score.printed):.4f}"


def _possible(pair: ScorePair) -> str:
    scale, decimals = (100, 2) if pair.dice.percent else (1, 4)
    low, high = (f"{scale * bound:.{decimals}f}" for bound in pair.possible_iou)
    return low if low == high else f"{low} to {high}"


def _verdict(pair: ScorePair) -> str:
    verdict = "possible" if pair.possible else "impossible"
    return f"{verdict}, oracle slices" if pair.oracle_slices else verdict
