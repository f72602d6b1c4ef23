"""`recoseg evaluate`: a folder of predictions against a folder of references."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recoseg_hf.cli.console import stages
from recoseg_hf.errors import InputError


def evaluate(
    predictions: Annotated[Path, typer.Argument(help="Folder with <subject>_mask.nii.gz, as `predict` writes them.")],
    references: Annotated[Path, typer.Argument(help="Folder of cases with <subject>_seg.nii.gz.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="JSON file for every number.")],
    subject: Annotated[
        list[str] | None, typer.Option(help="Evaluate this subject only; may be given several times.")
    ] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Leave out, and list, references without a prediction.")
    ] = False,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="Measure also HD95, NSD, lesion-wise Dice, what the residual and two trivial cues pick out (AUPRC), "
            "and the paper's protocol; about 3 s more per subject, and the [eval] extra.",
        ),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the JSON file.")] = False,
) -> None:
    """Compare predictions with reference cases.

    Masks, and synthetic T1ce where there is one: Dice, IoU, precision, recall and volumes, per volume, per slice and
    pooled, each with n and a bootstrap interval. Empty masks are counted apart. Of the synthetic T1ce, PSNR, SSIM and
    MAE in the brain and in the tumour, and how much it flickers through-plane.
    """
    if output.exists() and not overwrite:
        raise InputError(output, "it exists", "a new file", "Choose another name, or add --overwrite.")
    from recoseg_hf.evaluation import evaluate_masks, summary_rows
    from recoseg_hf.files import write_json

    with stages() as bar:
        bar.enter("Comparing")
        result = evaluate_masks(
            predictions,
            references,
            subjects=subject or None,
            allow_missing=allow_missing,
            full=full,
            progress=bar.advance,
        )
    write_json(output, result)
    rows = [*summary_rows(result), ("Every number", str(output))]
    width = max(len(label) for label, _ in rows) + 2
    for label, text in rows:
        typer.echo(f"{label + ':':<{width}}{text}")
