"""`recoseg prepare`: labelled cases into a slice data set to train on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recoseg_hf.cli.console import silence_libraries, stages
from recoseg_hf.errors import InputError

_DEFAULT_SYSTEM = "recoseg_small"


def prepare(
    brats_dir: Annotated[Path, typer.Argument(help="Folder of cases, each with FLAIR, T1, T2, T1ce and seg.")],
    out: Annotated[Path, typer.Argument(help="Folder for the data set.")],
    split: Annotated[
        Path | None, typer.Option(help="JSON with subjects by split; by default all are in `train`.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Folder or Hub id whose settings (grid, percentiles) the slices are for.")
    ] = None,
    system: Annotated[str | None, typer.Option(help="Or a system by name, such as recoseg_plus_plus.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier data set.")] = False,
) -> None:
    """Build a data set of slices, split by subject.

    By default it is made for the system recoseg_small. The training scripts take the folder as --train_data_dir.
    """
    if model and system:
        raise typer.BadParameter("give --model or --system, not both")
    if out.is_dir() and any(out.iterdir()) and not overwrite:
        raise InputError(out, "the folder is not empty", "a new folder", "Choose another one, or add --overwrite.")
    silence_libraries()
    with stages() as bar:
        bar.enter("Preparing slices")
        from recoseg_hf.inference.loading import find_model, load_settings
        from recoseg_hf.learning.slices import SliceSettings, prepare_dataset

        folder = find_model(model) if model else _system_folder(system or _DEFAULT_SYSTEM)
        settings = SliceSettings.of_pipeline(load_settings(folder))
        splits = prepare_dataset(
            brats_dir, out, split, settings, progress=lambda subject, done, total: bar.advance(done, total)
        )
    for name, rows in splits.items():
        typer.echo(f"{name}: {len(rows)} slices of {len(set(rows['subject']))} subjects")
    typer.echo(f"Data set: {out}")


def _system_folder(name: str) -> Path:
    from recoseg_hf.files import shipped_folder

    systems = {folder.parent.name: folder.parent for folder in shipped_folder("pipelines").glob("*/model_index.json")}
    if name not in systems:
        raise InputError("--system", f"no system {name!r}", f"one of {', '.join(sorted(systems))}", "Check the name.")
    return systems[name]
