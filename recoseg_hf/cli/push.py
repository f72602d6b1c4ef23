"""`recoseg push`: an exported folder to the Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recoseg_hf.cli.console import silence_libraries, stages


def push(
    folder: Annotated[Path, typer.Argument(help="What `recoseg export` wrote.")],
    hub_id: Annotated[str, typer.Argument(metavar="ORGANISATION/NAME", help="Made where there is none.")],
    private: Annotated[
        bool, typer.Option("--private/--public", help="Of a repository that is made; a public one is refused.")
    ] = True,
    revision: Annotated[str | None, typer.Option(help="Branch; made where there is none. By default main.")] = None,
    tag: Annotated[str | None, typer.Option(help="Name for the commit.")] = None,
) -> None:
    """Upload an exported folder in one commit.

    Only what its manifest lists, unchanged since the export: no checkpoint, no log, and the card as it is.
    """
    silence_libraries()
    with stages() as bar:
        bar.enter("Uploading")
        from huggingface_hub.utils import disable_progress_bars

        from recoseg_hf.hub import push_folder

        disable_progress_bars()
        pushed = push_folder(folder, hub_id, private, revision, tag)
    typer.echo(f"Commit:       {pushed.commit}")
    typer.echo(f"Address:      {pushed.url}")
    if pushed.tag:
        typer.echo(f"Tag:          {pushed.tag}")
    typer.echo(f'Load it:      load_pipeline("{pushed.hub_id}", revision="{pushed.tag or pushed.commit}")')
