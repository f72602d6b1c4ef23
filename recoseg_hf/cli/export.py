"""`recoseg export`: a model as a folder for the Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recoseg_hf.cli.console import silence_libraries, stages
from recoseg_hf.files import real_path


def export(
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to make; its name is the model's.")],
    model: Annotated[str | None, typer.Argument(help="Folder or Hub id; by default the embedded model.")] = None,
    evaluation: Annotated[
        Path | None, typer.Option(help="JSON file of `recoseg evaluate` about this model; its numbers fill the card.")
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="How the card calls the data of the evaluation.")] = None,
    hub_id: Annotated[str | None, typer.Option(help="organisation/name, for the examples in the card.")] = None,
    license_file: Annotated[
        Path | None, typer.Option("--license", help="Terms of the weights, in Markdown; by default those of MODEL.")
    ] = None,
    example: Annotated[
        bool | None,
        typer.Option(
            "--example/--no-example",
            help="Draw a simulated case. By default where the model takes few steps and [phantom] is installed.",
        ),
    ] = None,
    endpoint: Annotated[
        bool, typer.Option("--endpoint/--no-endpoint", help="Add the files of an Inference Endpoint.")
    ] = True,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export.")] = False,
) -> None:
    """Write a folder for the Hub, and prove that strangers can load it.

    Weights in float32 and fp16, code, card, preprocessing, an endpoint's handler, hashes. The folder appears once a
    process without recoseg_hf has loaded it and got the same result. Paths, subjects' ids, pickles and numbers in the
    card that were not measured are refused.
    """
    silence_libraries()
    with stages() as bar:
        from diffusers.utils import logging

        from recoseg_hf.hub import export_model

        logging.disable_progress_bar()
        export_model(
            model,
            output,
            evaluation=evaluation,
            dataset=dataset,
            hub_id=hub_id,
            license_file=license_file,
            example=example,
            endpoint=endpoint,
            overwrite=overwrite,
            progress=bar.enter,
        )
    typer.echo(f"Folder:       {output}")
    typer.echo("Checked:      a process without recoseg_hf loads it and gets the same result")
    typer.echo(f"Publish it:   recoseg push {output} {hub_id or 'organisation/' + real_path(output).name}")
