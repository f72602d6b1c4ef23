"""Many cases, one after the other: those with a finished result are skipped, and one that fails stops no other."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from recoseg_hf.errors import InputError, RecosegError
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.layout import case_files, find_cases, likely_cases, subject_of_folder
from recoseg_hf.inference.prediction import input_error, predict_case
from recoseg_hf.inference.report import describe_model, input_hashes, resolve_settings
from recoseg_hf.inference.results import check_outputs, write_prediction
from recoseg_hf.inference.resuming import standing_report
from recoseg_hf.outputs import chosen_outputs
from recoseg_hf.pipeline.conventions import CONDITIONS
from recoseg_hf.pipeline.memory import is_out_of_memory

if TYPE_CHECKING:
    from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline

Progress = Callable[[str, str, int, int], None]
"""Called with the subject, the stage (`read`, `synthesize`, `segment` or `write`), how much of it is done, of what."""


@dataclass(frozen=True)
class CaseOutcome:
    """What became of a case of a cohort; small, so that thousands can be kept.

    Attributes:
        subject: its name, and that of the folder of its results.
        folder: of its scans.
        state: `done`, `skipped` (a finished result was there) or `failed`.
        seconds: that it took.
        message: of a failure, else empty.
        traceback: of a failure that is a fault of ours, else empty.
        tumour_volume_ml: of the result, also an earlier one; None for a failure.
        warnings: of the result's report.
    """

    subject: str
    folder: Path
    state: Literal["done", "skipped", "failed"]
    seconds: float
    message: str = ""
    traceback: str = ""
    tumour_volume_ml: float | None = None
    warnings: tuple[str, ...] = ()


def find_cohort(root: str | Path) -> list[Path]:
    """Find the case folders under `root`, itself included; `predict_cohort` takes them, or a part of them.

    A folder with at least two of the four scans is taken for a case, so that one that lacks a scan comes out as a
    failure and is not passed over.

    Returns:
        Folders sorted by path.

    Raises:
        InputError: `root` is no folder, it holds no whole case, or two folders give one subject's name.
    """
    found = likely_cases(Path(root))
    if not any(scans >= {*CONDITIONS} for scans in found.values()):
        return find_cases(root)
    _check_subjects([*found])
    return [*found]


def predict_cohort(
    pipeline: ReCoSegPipeline,
    folders: Sequence[Path],
    output_dir: str | Path,
    *,
    overwrite: bool = False,
    num_inference_steps: int | None = None,
    mask_threshold: float | None = None,
    seed: int = 0,
    num_samples: int | None = None,
    residual_source: str | None = None,
    outputs: Collection[str] | None = None,
    progress: Progress | None = None,
) -> Iterator[CaseOutcome]:
    """Predict cases and write each one's result to a folder of its own, `output_dir/<subject>/`.

    Each result is that of `predict_case` and `write_prediction`, byte for byte (but for the times in its report). A
    case whose result stands is skipped (see `resuming.standing_report`), so an interrupted cohort goes on where it
    was. Only one case is in memory at a time.

    Several processes may share a cohort, each with a part of `folders`. Two that come upon the same case both predict
    it, and one whole result replaces the other.

    Args:
        pipeline: from `load_pipeline`.
        folders: each as for `Case.from_folder`, which names the subjects.
        output_dir: made where it is missing.
        overwrite: replace finished results that were made otherwise; those that stand are skipped all the same.
        num_inference_steps, mask_threshold, seed, num_samples, residual_source: as for `predict_case`.
        outputs: what to write of each result, as for `write_prediction`.
        progress: told what is going on.

    Yields:
        What became of each case, in the order of `folders`, as soon as it is known.

    Raises:
        InputError: two folders give one subject's name, or an output is unknown.
    """
    _check_subjects(folders)
    settings = {
        "num_inference_steps": num_inference_steps,
        "mask_threshold": mask_threshold,
        "seed": seed,
        "num_samples": num_samples,
        "residual_source": residual_source,
    }
    chosen, told = chosen_outputs(outputs), progress or _say_nothing
    work = _Work(pipeline, describe_model(pipeline), settings, Path(output_dir), overwrite, chosen, told)
    for folder in folders:
        yield _outcome(work, folder)


@dataclass(frozen=True)
class _Work:
    """What all cases of a cohort share."""

    pipeline: ReCoSegPipeline
    model: dict[str, Any]
    settings: dict[str, Any]
    output_dir: Path
    overwrite: bool
    outputs: Sequence[str]
    progress: Progress


def _outcome(work: _Work, folder: Path) -> CaseOutcome:
    """Do one case; whatever goes wrong with it is its outcome."""
    started = time.perf_counter()
    subject, trace = subject_of_folder(folder), ""
    try:
        state, report = _finish(work, folder, subject)
        result = {"tumour_volume_ml": report["results"]["tumour_volume_ml"], "warnings": tuple(report["warnings"])}
        return CaseOutcome(subject, folder, state, round(time.perf_counter() - started, 3), **result)
    except RecosegError as error:
        message = str(error)
    except OSError as error:
        message = f"{error.filename or 'system'}: {error.strerror or error}"
    except Exception as error:
        if is_out_of_memory(error):
            message = f"{folder}: out of memory. Free memory or end other programs, and give the same command again."
        else:
            message, trace = f"internal error: {type(error).__name__}: {error}", traceback.format_exc()
    return CaseOutcome(subject, folder, "failed", round(time.perf_counter() - started, 3), message, trace)


def _finish(work: _Work, folder: Path, subject: str) -> tuple[Literal["done", "skipped"], dict[str, Any]]:
    """Leave a finished result of a case in its folder; return its report."""
    target = work.output_dir / subject
    work.progress(subject, "read", 0, 0)
    inputs = input_hashes(_files(folder, subject))
    report = _standing(work, subject, target, inputs)
    if report is not None:
        return "skipped", report
    started = time.perf_counter()
    case = Case.from_folder(folder, subject, segmentation=False)
    seconds = round(time.perf_counter() - started, 3)
    check_outputs(case, target, overwrite=True)  # what may not be replaced has been looked for above
    prediction = predict_case(work.pipeline, case, progress=_denoising(work, subject), **work.settings)
    if prediction.report["inputs"] != inputs:
        found = "its scans changed while the case was predicted"
        raise InputError(folder, found, "scans that stay as they are", "Predict the case again.")
    prediction.report["seconds"] |= {"read": seconds}
    work.progress(subject, "write", 0, 0)
    write_prediction(prediction, case, target, overwrite=True, outputs=work.outputs)
    return "done", prediction.report


def _files(folder: Path, subject: str) -> dict[str, Path]:
    """Return a case's scans; where they are not complete, the error tells also what is wrong with those there are."""
    try:
        return case_files(folder, segmentation=False)
    except InputError:
        Case.from_folder(folder, subject, segmentation=False)
        raise


def _standing(work: _Work, subject: str, target: Path, inputs: dict[str, str]) -> dict[str, Any] | None:
    try:
        settings = resolve_settings(work.pipeline, work.settings, "t1ce" in inputs)
    except ValueError as error:
        raise input_error(subject, {}, str(error)) from error
    try:
        return standing_report(subject, target, inputs, work.model, settings, work.outputs)
    except InputError:
        if not work.overwrite:
            raise
    return None


def _denoising(work: _Work, subject: str) -> Callable[[int, int], None]:
    """Tell of the nets' progress; the segmenter starts when the last slice is synthesized."""
    first = "synthesize" if work.pipeline.synthesizer is not None else "segment"
    work.progress(subject, first, 0, 0)

    def advance(done: int, total: int) -> None:
        work.progress(subject, *(("segment", 0, 0) if done == total else (first, done, total)))

    return advance


def _check_subjects(folders: Sequence[Path]) -> None:
    seen: dict[str, Path] = {}
    for folder in folders:
        subject = subject_of_folder(folder).casefold()  # some file systems take two cases of letters for one
        if subject in seen:
            found = f"its subject's name is also that of {seen[subject]}"
            raise InputError(folder, found, "folders of different names", "Rename one, or predict them apart.")
        seen[subject] = folder


def _say_nothing(subject: str, stage: str, done: int, total: int) -> None:
    """Tell nobody of the progress."""
