"""A prediction as files: all of them or none, never over a scan, never over earlier results unasked."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from recoseg_hf.errors import InputError
from recoseg_hf.files import atomic_write, free_bytes, is_full_disk, real_path, sha256_file, sync, write_json
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.layout import SYNTHETIC_MARK
from recoseg_hf.imaging.volume import write_volume
from recoseg_hf.inference.overview import draw_overview
from recoseg_hf.inference.page import write_page
from recoseg_hf.inference.page.scene import Scene
from recoseg_hf.inference.prediction import Prediction
from recoseg_hf.inference.staging import moving_alone, staging_folder
from recoseg_hf.outputs import OUTPUTS, VOLUMES, chosen_outputs

_SUFFIXES = {
    "t1ce": f"{SYNTHETIC_MARK}t1ce.nii.gz",
    "t1ce_sidecar": f"{SYNTHETIC_MARK}t1ce.json",
    "residual": "_residual.nii.gz",
    "uncertainty": "_uncertainty.nii.gz",
    "probability": "_probability.nii.gz",
    "mask": "_mask.nii.gz",
    "labels": "_labels.nii.gz",
    "overview": "_overview.png",
    "page": "_report.html",
    "report": "_report.json",  # moved into place last: where it is, the rest is complete
}
_WRITERS = 2  # gzip leaves Python's lock, so two volumes are compressed side by side


def write_prediction(
    prediction: Prediction,
    case: Case,
    output_dir: str | Path,
    overwrite: bool = False,
    outputs: Collection[str] | None = None,
) -> dict[str, Path]:
    """Write a prediction's volumes, report, overview picture and page, or some of these.

    The files appear together at the end; a failure or Ctrl-C leaves the folder as it was. The report holds the SHA-256
    of each other file, so that a later run can tell whether the result is whole. The synthetic T1ce bears
    `_desc-synth_` in its name and has a JSON sidecar that says how it was made, so it cannot be taken for a measured
    one; the output folder may therefore be the case's own.

    Args:
        prediction: of `case`.
        case: gives the subject's name and the scans of the overview.
        output_dir: made where it is missing.
        overwrite: replace an earlier result of the subject, whole.
        outputs: names out of `OUTPUTS`, of which those are written that there are; None is all. What is not asked for
            is not computed either.

    Returns:
        The files by content: `mask`, `probability`, `overview`, `page`, `report`, and where there are such,
        `t1ce`, `t1ce_sidecar`, `residual`, `uncertainty`, `labels`.

    Raises:
        InputError: an output is unknown, there is an earlier result, a file would replace one of the case's scans, or
            the folder cannot be written to.
    """
    output_dir, chosen = Path(output_dir), chosen_outputs(outputs)
    check_outputs(case, output_dir, overwrite)
    final = output_paths(case.subject, output_dir)
    try:
        output_dir.mkdir(parents=True, exist_ok=True)
        with staging_folder(output_dir) as staging:
            staged = output_paths(case.subject, staging)
            written = _write_all(prediction, case, staged, chosen)
            with moving_alone(output_dir):
                _check_still_free(case, output_dir, overwrite)
                with _all_or_none(final, staging / "earlier"):
                    for name in written:
                        os.replace(staged[name], final[name])
        sync(output_dir)
    except OSError as error:
        room = _room(prediction, output_dir, chosen) if is_full_disk(error) else ""
        raise _not_writable(output_dir, error.strerror or str(error), room) from error
    return {name: final[name] for name in written}


@contextlib.contextmanager
def _all_or_none(paths: dict[str, Path], aside: Path) -> Iterator[None]:
    """Put an earlier result aside, and back when putting the new one in its place is broken off."""
    aside.mkdir()
    earlier = {aside / path.name: path for path in reversed(paths.values()) if path.exists()}  # the report first
    try:
        for kept, path in earlier.items():
            os.replace(path, kept)
        yield
    except BaseException:
        moved = {kept: path for kept, path in earlier.items() if kept.exists()}
        for path in paths.values():
            if path in moved.values() or path not in earlier.values():
                path.unlink(missing_ok=True)
        for kept, path in reversed(moved.items()):
            os.replace(kept, path)
        raise


def output_paths(subject: str, output_dir: Path) -> dict[str, Path]:
    """Return the path of everything that may be written for a subject."""
    return {name: output_dir / f"{subject}{suffix}" for name, suffix in _SUFFIXES.items()}


def check_outputs(case: Case, output_dir: str | Path, overwrite: bool = False) -> None:
    """Check, before any work is done, that a case's results can be written.

    Raises:
        InputError: as for `write_prediction`.
    """
    output_dir = Path(output_dir)
    check_output_folder(output_dir)
    paths = output_paths(case.subject, output_dir)
    scans = {real_path(file): name for name, file in case.sources.items() if isinstance(file, Path)}
    for path in paths.values():
        if real_path(path) in scans:
            found = f"it is the case's {scans[real_path(path)]} and would be replaced by a result"
            raise InputError(path, found, "another output folder", "Choose another one.")
    existing = [path.name for path in paths.values() if path.exists()]
    if existing and not overwrite:
        found = f"it already holds {', '.join(existing)}"
        raise InputError(output_dir, found, "no earlier result", "Choose another folder, or ask to overwrite.")


def _check_still_free(case: Case, output_dir: Path, overwrite: bool) -> None:
    """Check once more: another process may have been quicker."""
    try:
        check_outputs(case, output_dir, overwrite)
    except InputError as error:
        found = f"{error.found}, written while this result was computed"
        raise InputError(error.file, found, error.expected, error.remedy) from error


def check_output_folder(output_dir: Path) -> None:
    """Check that a folder is there, or can be made, and can be written to.

    Raises:
        InputError: a file is in its place, or permission is lacking.
    """
    if output_dir.is_symlink() and not output_dir.exists():
        raise InputError(output_dir, "it is a link that leads nowhere", "an output folder", "Choose another folder.")
    there = next(folder for folder in (output_dir, *output_dir.absolute().parents) if folder.exists())
    if not there.is_dir():
        raise InputError(there, "it is a file", "an output folder", "Choose another folder.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise _not_writable(output_dir, "permission denied")


def _room(prediction: Prediction, output_dir: Path, chosen: Sequence[str]) -> str:
    """Say what the volumes take at most, which is before they are compressed, and what there is."""
    volumes = [getattr(prediction, name) for name in VOLUMES if name in chosen]
    needed = sum(volume.data.nbytes for volume in volumes if volume is not None)
    return f": up to {needed / 1e6:.1f} MB are needed, and {free_bytes(output_dir) / 1e6:.1f} MB are free or allowed"


def _not_writable(output_dir: Path, reason: str, room: str = "") -> InputError:
    found = f"results cannot be written ({reason}){room}"
    return InputError(output_dir, found, "a writable folder", "Free space, check permissions, or choose another one.")


def _write_all(prediction: Prediction, case: Case, paths: dict[str, Path], chosen: Sequence[str]) -> list[str]:
    """Write what was chosen under its staged path; return what was written, the report last."""
    started = time.perf_counter()
    written = [name for name in chosen if name not in VOLUMES or getattr(prediction, name) is not None]
    with ThreadPoolExecutor(_WRITERS) as pool:
        jobs = [
            pool.submit(write_volume, paths[name], getattr(prediction, name)) for name in written if name in VOLUMES
        ]
        try:
            _draw(prediction, case, {name: paths[name] for name in ("overview", "page") if name in chosen})
            for job in jobs:
                job.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # what has not begun is not waited for
            raise
    report = prediction.report
    if "t1ce" in written:
        write_json(paths["t1ce_sidecar"], synthetic_sidecar(report, case.t1ce is not None))
        written.append("t1ce_sidecar")
    outputs = {name: sha256_file(paths[name]) for name in written}
    seconds = report["seconds"] | {"write": round(time.perf_counter() - started, 3)}
    asked_for = {} if chosen == OUTPUTS else {"asked_for": [*chosen]}
    write_json(paths["report"], report | {"seconds": seconds, "outputs": outputs} | asked_for)
    return [*written, "report"]


def _draw(prediction: Prediction, case: Case, paths: dict[str, Path]) -> None:
    """Draw overview and page, or one of them, from one scene."""
    scene = Scene.of(prediction, case) if paths else None
    if "overview" in paths:
        picture = draw_overview(case, prediction, scene)
        with atomic_write(paths["overview"]) as temporary:
            picture.save(temporary)
    if "page" in paths:
        write_page(prediction, case, paths["page"], scene)


def synthetic_sidecar(report: dict[str, Any], real_t1ce: bool) -> dict[str, Any]:
    """Return the JSON beside a synthetic T1ce: that it is synthetic, and how it was made."""
    return {
        "Synthetic": True,
        "Description": "Synthetic contrast-enhanced T1, computed from FLAIR, T1 and T2 by a diffusion model. It was "
        "not measured, shows no contrast agent, and is not for clinical use.",
        "Units": "those of the measured T1ce" if real_t1ce else "those of the T1",
        "GeneratedBy": {"Name": "recoseg_hf", "Version": report["versions"]["recoseg_hf"]},
        "Model": report["model"],
        **{
            key: report["settings"][key]
            for key in ("seed", "num_inference_steps", "num_samples", "scheduler", "prediction_type")
        },
    }
