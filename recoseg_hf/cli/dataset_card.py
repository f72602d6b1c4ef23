"""`recoseg dataset-card`: a card for a data set of scans, measured from the scans."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recoseg_hf.cli.console import silence_libraries, stages
from recoseg_hf.errors import InputError


def dataset_card(
    source: Annotated[
        str, typer.Argument(help="Folder of cases (BraTS or BIDS names), or folder or Hub id of a data set.")
    ],
    license_name: Annotated[
        str, typer.Option("--license", help="The scans' licence as the Hub names it (cc-by-4.0, other, ...).")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="The card.")] = Path("README.md"),
    split: Annotated[Path | None, typer.Option(help="JSON with subjects by split.")] = None,
    title: Annotated[str | None, typer.Option(help="Heading of the card.")] = None,
    brats: Annotated[
        bool | None, typer.Option("--brats/--no-brats", help="The scans are of BraTS; by default told by their names.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier card.")] = False,
) -> None:
    """Write a data set's card: counts, grids and tumour volumes, measured; no names, paths or dates.

    Of case folders it is the card of the data set that `recoseg push-dataset` makes of them.
    """
    if output.exists() and not overwrite:
        raise InputError(output, "it is there already", "a new file", "Name another one, or add --overwrite.")
    silence_libraries()
    with stages() as bar:
        bar.enter("Measuring scans")
        from recoseg_hf.imaging.sources import RowCases, open_source
        from recoseg_hf.sharing.dataset_card import render_dataset_card, write_dataset_card
        from recoseg_hf.sharing.measuring import measure_dataset

        cases = open_source(source)
        measure = measure_dataset(cases, split, bar.advance)
        options = {"title": title} if title else {}
        columns = cases.rows.columns if isinstance(cases, RowCases) else None
        text = render_dataset_card(measure, license_name, brats=brats, own_columns=columns, **options)
    typer.echo(f"Card: {write_dataset_card(output, text)}")
