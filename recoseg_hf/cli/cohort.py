"""`recoseg predict --cohort`: the cases under a folder, shared by the processes that were launched."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

import recoseg_hf
from recoseg_hf.cli.console import CaseBar, case_bar, silence_libraries
from recoseg_hf.cli.exit_codes import EXIT_BAD_INPUT, EXIT_INTERNAL
from recoseg_hf.cli.processes import Exchange, LostProcessesError, Place
from recoseg_hf.cli.running import quiet_pipeline
from recoseg_hf.process import tune_process

if TYPE_CHECKING:
    from recoseg_hf.inference import CaseOutcome

LIST_NAME = "cohort.json"
_STAGES = {"read": "reading", "synthesize": "synthesizing T1ce", "segment": "segmenting", "write": "writing"}
_HOW_TO_REPORT = (
    "An internal error is a fault of recoseg_hf {version}, not of your data. Report its `traceback` in {file}, "
    "without patient data."
)


def run_cohort(
    cohort: Path,
    output: Path,
    *,
    model: str | None,
    revision: str | None,
    device: str | None,
    dtype: str | None,
    overwrite: bool,
    outputs: Sequence[str] | None = None,
    **settings: Any,
) -> None:
    """Predict this process's part of a cohort; the first process tells what became of all of it.

    Args:
        cohort: folder of case folders.
        output: each case gets a folder in it; `cohort.json` lists them.
        model, revision, device, dtype: of `quiet_pipeline`; by default each process has a GPU of its own.
        overwrite: replace finished results that were made otherwise.
        outputs: what to write of each case; None is all.
        settings: of `predict_cohort`.
    """
    place = Place.from_environment()
    silence_libraries()
    tune_process()
    with _telling_how_to_go_on(), ExitStack() as until_the_end, case_bar(shown=place.rank == 0) as bar:
        bar.enter("Looking for cases")
        from recoseg_hf.inference import find_cohort, predict_cohort
        from recoseg_hf.inference.report import describe_model
        from recoseg_hf.inference.results import check_output_folder

        folders = find_cohort(cohort)
        check_output_folder(output)
        exchange = until_the_end.enter_context(Exchange(place))
        bar.enter("Loading the model")
        pipeline = quiet_pipeline(model, revision, device or place.device(), dtype)
        listing = output / LIST_NAME
        if place.rank == 0:
            listing.unlink(missing_ok=True)  # that of an earlier run; this one's comes at the end
        bar.start(len(folders))
        own = folders[place.rank :: place.size]
        outcomes = predict_cohort(
            pipeline, own, output, overwrite=overwrite, outputs=outputs, progress=_shown_on(bar), **settings
        )
        rows = [_counted(outcome, cohort, exchange, bar) for outcome in outcomes]
        bar.enter("Waiting for the other processes" if place.size > 1 else "")
        lost = None
        try:
            rows = exchange.collect(rows)
        except LostProcessesError as error:
            rows, lost = error.rows, error
    try:
        if place.rank == 0:
            _finish(rows, listing, describe_model(pipeline), settings, place.size, len(folders))
    finally:
        if lost is not None:
            raise lost


def _shown_on(bar: CaseBar) -> Any:
    def show(subject: str, stage: str, done: int, total: int) -> None:
        bar.enter(f"{subject}: {_STAGES[stage]}", done, total)

    return show


def _counted(outcome: CaseOutcome, cohort: Path, exchange: Exchange, bar: CaseBar) -> dict[str, Any]:
    """Show that a case is finished; return its row of the list."""
    bar.count(exchange.count(), outcome.state == "failed")
    row = {
        "subject": outcome.subject,
        "folder": outcome.folder.relative_to(cohort).as_posix(),
        "state": outcome.state,
        "seconds": outcome.seconds,
    }
    if outcome.state == "failed":
        return row | {"message": outcome.message} | ({"traceback": outcome.traceback} if outcome.traceback else {})
    return row | {"tumour_volume_ml": outcome.tumour_volume_ml, "warnings": list(outcome.warnings)}


def _finish(
    rows: list[dict[str, Any]],
    listing: Path,
    model: dict[str, Any],
    settings: dict[str, Any],
    processes: int,
    cases: int,
) -> None:
    """Write the list, tell what came out, and exit with a code of its own where a case failed."""
    from recoseg_hf.files import write_json

    rows = sorted(rows, key=lambda row: row["folder"])
    counts = Counter(row["state"] for row in rows)
    states = {state: counts[state] for state in ("done", "skipped", "failed")}
    write_json(
        listing,
        {
            "model": model,
            "settings": settings,
            "processes": processes,
            "counts": states,
            "complete": len(rows) == cases,
            "cases": rows,
            "recoseg_hf": recoseg_hf.__version__,
        },
    )
    if len(rows) < cases:
        typer.echo(
            f"The list lacks {cases - len(rows)} of {cases} cases, those of processes that were lost.", err=True
        )
    _tell_failures([row for row in rows if row["state"] == "failed"], listing)
    warned = sum(bool(row.get("warnings")) for row in rows)
    if warned:
        typer.echo(f"Warnings for {warned} of {len(rows)} cases: see {listing}", err=True)
    where = f" in {processes} processes" if processes > 1 else ""
    typer.echo(f"Cases:        {len(rows)}{where}: {', '.join(f'{n} {state}' for state, n in states.items())}")
    typer.echo(f"Model:        {model['name']}")
    typer.echo(f"Results:      {listing.parent}")
    typer.echo(f"List:         {listing}")
    if counts["failed"]:
        raise typer.Exit(EXIT_INTERNAL if any("traceback" in row for row in rows) else EXIT_BAD_INPUT)


def _tell_failures(failed: list[dict[str, Any]], listing: Path) -> None:
    if not failed:
        return
    width = max(len(row["subject"]) for row in failed)
    typer.echo("Failed:", err=True)
    for row in failed:
        message = row["message"].replace("\n", "\n" + " " * (width + 4))  # one line for each problem of the case
        typer.echo(f"  {row['subject']:<{width}}  {message}", err=True)
    if any("traceback" in row for row in failed):
        typer.echo(_HOW_TO_REPORT.format(version=recoseg_hf.__version__, file=listing), err=True)


@contextlib.contextmanager
def _telling_how_to_go_on() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        typer.echo("The same command goes on with the cases that are not finished.", err=True)
        raise
