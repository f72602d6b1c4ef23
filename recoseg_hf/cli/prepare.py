"""`recoseg prepare`: cases into a slice data set to train on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recoseg_hf.cli.console import silence_libraries, stages
from recoseg_hf.errors import InputError

if TYPE_CHECKING:
    from recoseg_hf.learning.teaching import Teacher

_DEFAULT_SYSTEM = "recoseg_small"


def prepare(
    source: Annotated[
        str,
        typer.Argument(
            help="Folder of cases (BraTS or BIDS names), or folder or Hub id of a data set with NIfTI columns."
        ),
    ],
    out: Annotated[Path, typer.Argument(help="Folder for the data set.")],
    split: Annotated[
        Path | None,
        typer.Option(help="JSON with subjects by split; by default a data set's own, and of folders all in `train`."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Folder or Hub id whose settings (grid, percentiles) the slices are for.")
    ] = None,
    system: Annotated[str | None, typer.Option(help="Or a system by name, such as recoseg_plus_plus.")] = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a data set on the Hub.")] = None,
    streaming: Annotated[
        bool, typer.Option("--streaming", help="Read a data set on the Hub row by row, without downloading it first.")
    ] = False,
    allow_unlabelled: Annotated[
        bool,
        typer.Option(
            "--allow-unlabelled", help="Take subjects without segmentation too, for the synthesizer and mean teacher."
        ),
    ] = False,
    teacher: Annotated[
        str | None,
        typer.Option(help="Folder or Hub id of a model whose probabilities become part of the targets of `train`."),
    ] = None,
    teacher_share: Annotated[
        float, typer.Option(min=0, max=1, help="Its part in them, above 0; the rest is the reference's.")
    ] = 0.5,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier data set.")] = False,
) -> None:
    """Build a data set of slices, split by subject.

    By default it is made for the system recoseg_small. The training scripts take the folder as --train_data_dir.

    SOURCE has a folder for each case with one file each for FLAIR, T1, T2, T1ce and the segmentation
    (<subject>/<subject>_flair.nii.gz, or sub-01/anat/sub-01_FLAIR.nii.gz with the segmentation under derivatives/);
    or it is a `datasets` data set with a NIfTI column for each, in a folder or on the Hub as organisation/name.
    """
    if model and system:
        raise typer.BadParameter("give --model or --system, not both")
    if teacher and not teacher_share:
        raise typer.BadParameter("--teacher-share 0 leaves nothing of the teacher; expected more than 0, at most 1")
    if out.is_dir() and any(out.iterdir()) and not overwrite:
        raise InputError(out, "the folder is not empty", "a new folder", "Choose another one, or add --overwrite.")
    silence_libraries()
    with stages() as bar:
        bar.enter("Preparing slices")
        from recoseg_hf.imaging.sources import FolderCases, open_source
        from recoseg_hf.inference.loading import find_model, load_settings
        from recoseg_hf.learning.slices import SliceSettings, prepare_dataset, read_manifest

        folder = find_model(model) if model else _system_folder(system or _DEFAULT_SYSTEM)
        settings = SliceSettings.of_pipeline(load_settings(folder))
        cases = open_source(source, revision, streaming)
        splits = prepare_dataset(
            cases, out, split, settings,
            progress=lambda subject, done, total: bar.advance(done, total), allow_unlabelled=allow_unlabelled,
            teacher=_teacher(teacher, teacher_share) if teacher else None,
        )  # fmt: skip
    if isinstance(cases, FolderCases) and split is None:
        _warn_of_incomplete(cases.root)
    _warn_of_labels(read_manifest(out))
    for name, rows in splits.items():
        typer.echo(f"{name}: {len(rows)} slices of {len(set(rows['subject']))} subjects")
    typer.echo(f"Data set: {out}")


def _warn_of_incomplete(root: Path) -> None:
    from recoseg_hf.imaging.layout import incomplete_cases, subject_of_folder

    if subjects := [subject_of_folder(folder) for folder in incomplete_cases(root)]:
        typer.echo(f"Warning: left out for want of FLAIR, T1 or T2: {', '.join(subjects)}.", err=True)


def _warn_of_labels(manifest: dict[str, Any]) -> None:
    from recoseg_hf.learning.slices import ONE_LABEL, UNLABELLED

    warnings = {
        UNLABELLED: "have no segmentation: for the synthesizer and the mean teacher alone",
        ONE_LABEL: "have a segmentation of label 1 alone, which BraTS gives to necrotic core: if it is a mask of the "
        "whole tumour, train systems of the region wt only",
    }
    for entry, warning in warnings.items():
        subjects = manifest.get(entry)
        if subjects:
            typer.echo(f"Warning: {len(subjects)} subjects {warning}.", err=True)


def _teacher(model: str, share: float) -> Teacher:
    from recoseg_hf.cli.running import quiet_pipeline
    from recoseg_hf.inference.prediction import predict_case
    from recoseg_hf.inference.report import describe_model
    from recoseg_hf.learning.teaching import Teacher

    pipeline = quiet_pipeline(model, None, None, None)
    origin = describe_model(pipeline)
    return Teacher(lambda case: predict_case(pipeline, case).region_probabilities, share, origin)


def _system_folder(name: str) -> Path:
    from recoseg_hf.files import shipped_folder

    systems = {folder.parent.name: folder.parent for folder in shipped_folder("pipelines").glob("*/model_index.json")}
    if name not in systems:
        raise InputError("--system", f"no system {name!r}", f"one of {', '.join(sorted(systems))}", "Check the name.")
    return systems[name]
