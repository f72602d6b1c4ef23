"""`recoseg predict`: a case, or a folder of cases, in; T1ce, residual, mask and overview out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from recoseg_hf.cli.cohort import run_cohort
from recoseg_hf.cli.running import run_case, tell
from recoseg_hf.errors import InputError
from recoseg_hf.outputs import chosen_outputs

if TYPE_CHECKING:
    from recoseg_hf.imaging.case import Case

ResidualSource = Literal["measured", "ensemble", "none"]
DataType = Literal["float32", "bfloat16"]


def predict(
    case_dir: Annotated[
        Path | None, typer.Argument(help="Folder with one file each for FLAIR, T1, T2 and, if there is one, T1ce.")
    ] = None,
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the results.")],
    cohort: Annotated[
        Path | None, typer.Option(help="Folder of case folders: predict them all, each to a folder of its own.")
    ] = None,
    flair: Annotated[Path | None, typer.Option(help="FLAIR, instead of a folder.")] = None,
    t1: Annotated[Path | None, typer.Option(help="T1 before contrast.")] = None,
    t2: Annotated[Path | None, typer.Option(help="T2.")] = None,
    t1ce: Annotated[Path | None, typer.Option(help="T1 after contrast, if there is one.")] = None,
    subject: Annotated[str | None, typer.Option(help="Name of the results; by default from the input.")] = None,
    model: Annotated[str | None, typer.Option(help="Folder or Hub id; by default the embedded model.")] = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit of a Hub model.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Denoising steps; by default the model's.")] = None,
    threshold: Annotated[
        float | None, typer.Option(min=0, max=1, help="Threshold on the probability; by default the model's.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all noise.")] = 0,
    samples: Annotated[
        int | None, typer.Option(min=1, help="Samples to average; by default 1, for `ensemble` 4.")
    ] = None,
    max_seconds: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Predict with one denoising step, then with more, until the mask is stable or the next round would "
            "end after so many seconds; reading, loading and writing do not count.",
        ),
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, ...; by default CUDA if present.")] = None,
    dtype: Annotated[
        DataType | None,
        typer.Option(help="What the nets compute in; by default bfloat16 where the processor has it, else float32."),
    ] = None,
    residual_source: Annotated[
        ResidualSource | None,
        typer.Option(help="What guides the segmentation; by default measured. Without T1ce: ensemble or none."),
    ] = None,
    outputs: Annotated[
        str | None,
        typer.Option(help="What to write, comma-separated, as in mask,labels; by default all. The report always is."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier result.")] = False,
) -> None:
    """Synthesize T1ce and segment the tumour of one case, or of all in a folder.

    The scans are NIfTI, skull-stripped and co-registered, in any orientation and spacing. Results lie on their grid:
    _desc-synth_t1ce, _residual, _probability, _mask and _labels (.nii.gz), _overview.png, _report.html (a page to
    read: volumes, place, every slice, provenance) and _report.json.

    With --cohort, cases whose result is finished are skipped, so the same command goes on after an interruption; a
    case that fails stops no other. cohort.json lists them. Under `accelerate launch -m recoseg_hf` the processes
    share the cases.

    The result looks wrong? `recoseg doctor` names what may be wrong with the scans.
    """
    files = {"flair": flair, "t1": t1, "t2": t2, "t1ce": t1ce}
    _check_usage(case_dir, files, cohort, subject)
    if threshold is not None and not 0 < threshold < 1:
        raise typer.BadParameter(f"--threshold {threshold:g}; expected a number between 0 and 1, neither of them")
    if max_seconds is not None:
        _check_refined(cohort, {"--steps": steps, "--samples": samples})
    chosen = _parse_outputs(outputs)
    model_options = {"model": model, "revision": revision, "device": device, "dtype": dtype}
    settings = {
        "num_inference_steps": steps,
        "mask_threshold": threshold,
        "seed": seed,
        "num_samples": samples,
        "residual_source": residual_source,
    }
    if cohort:
        run_cohort(cohort, output, overwrite=overwrite, outputs=chosen, **model_options, **settings)
        return

    def read() -> Case:
        from recoseg_hf.imaging.case import Case

        if case_dir:  # a site's own label file must not stand in the way of a prediction
            return Case.from_folder(case_dir, subject, segmentation=False)
        return Case.from_files(**files, subject=subject)

    first_stage = ("read", "Reading the scans")
    options = model_options | settings | {"overwrite": overwrite, "outputs": chosen, "max_seconds": max_seconds}
    tell(run_case(read, output, first_stage=first_stage, **options))


def _parse_outputs(text: str | None) -> tuple[str, ...] | None:
    """Read the names that were given."""
    if text is None:
        return None
    try:
        return chosen_outputs([name.strip() for name in text.split(",") if name.strip()])
    except InputError as error:
        raise typer.BadParameter(f"--outputs: {error.found}; expected {error.expected}") from error


def _check_usage(
    case_dir: Path | None, files: dict[str, Path | None], cohort: Path | None, subject: str | None
) -> None:
    given = [f"--{name}" for name, file in files.items() if file]
    missing = [f"--{name}" for name, file in files.items() if not file and name != "t1ce"]
    if cohort and (case_dir or given):
        other = f"the folder {case_dir}" if case_dir else ", ".join(given)
        raise typer.BadParameter(f"give either --cohort or {other}, not both")
    if cohort and subject:
        raise typer.BadParameter("--subject names one case; those of --cohort have the names of their folders")
    if case_dir and given:
        raise typer.BadParameter(f"give either the folder {case_dir} or {', '.join(given)}, not both")
    if not case_dir and not cohort and missing:
        raise typer.BadParameter(f"give a case folder, --cohort, or single files; missing: {', '.join(missing)}")


def _check_refined(cohort: Path | None, counts: dict[str, int | None]) -> None:
    """Check what goes with `--max-seconds`: it decides how many steps and samples there are."""
    if cohort:
        raise typer.BadParameter(
            "--max-seconds is for one case: the steps of each would depend on how busy the machine is, and the "
            "results of a cohort are made alike"
        )
    if given := [name for name, count in counts.items() if count is not None]:
        raise typer.BadParameter(f"give either --max-seconds or {', '.join(given)}, not both")
