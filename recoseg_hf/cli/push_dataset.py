"""`recoseg push-dataset`: scans to the Hub, on purpose."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recoseg_hf.cli.console import silence_libraries, stages


def push_dataset(
    source: Annotated[
        str, typer.Argument(help="Folder of cases (BraTS or BIDS names), or folder or Hub id of a data set.")
    ],
    hub_id: Annotated[str, typer.Argument(help="organisation/name on the Hub.")],
    license_name: Annotated[
        str, typer.Option("--license", help="The scans' licence as the Hub names it (cc-by-4.0, other, ...).")
    ],
    split: Annotated[
        Path | None,
        typer.Option(help="JSON with subjects by split; by default a data set's own, and of folders all in `train`."),
    ] = None,
    title: Annotated[str | None, typer.Option(help="Heading of the card.")] = None,
    brats: Annotated[
        bool | None, typer.Option("--brats/--no-brats", help="The scans are of BraTS; by default told by their names.")
    ] = None,
    renumber: Annotated[
        bool,
        typer.Option(
            "--renumber",
            help="Call the subjects sub-0001, ...; the history keeps the names of an earlier push.",
        ),
    ] = False,
    may_publish: Annotated[
        bool, typer.Option("--i-may-publish-these-scans", help="Needed for every data set, simulated ones too.")
    ] = False,
    public: Annotated[bool, typer.Option("--public", help="Make the repository public; by default private.")] = False,
) -> None:
    """Publish scans as a data set with a NIfTI column for each of flair, t1, t2, t1ce and seg, and its card.

    Files are written anew: of a header nothing but the grid is kept. Nothing goes without
    --i-may-publish-these-scans: BraTS does not allow redistribution, and patients were promised something.
    """
    silence_libraries()
    with stages() as bar:
        bar.enter("Writing scans")
        from recoseg_hf.imaging.sources import open_source
        from recoseg_hf.sharing.dataset_push import push_dataset as push

        def advance(done: int, total: int) -> None:
            bar.advance(done, total)
            if done == total:
                bar.enter("Uploading")

        url = push(
            open_source(source), hub_id, license_name, split=split, title=title, brats=brats, may_publish=may_publish,
            private=not public, renumber=renumber, progress=advance,
        )  # fmt: skip
    typer.echo(f"Data set: {url}")
