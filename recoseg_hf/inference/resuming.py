"""Whether an earlier result of a case stands, so that a cohort goes on where it was left."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import recoseg_hf
from recoseg_hf.errors import InputError
from recoseg_hf.files import sha256_file
from recoseg_hf.imaging.nifti import read_nifti
from recoseg_hf.imaging.paths import IMAGE_SUFFIXES
from recoseg_hf.inference.results import output_paths
from recoseg_hf.inference.staging import is_being_made
from recoseg_hf.json_files import is_nested_deeply, mismatch
from recoseg_hf.outputs import OUTPUTS

_ASK = "Choose another output folder, or ask to overwrite."
_DTYPE = "This processor computes in another dtype: name the earlier one (`--dtype`), or ask to overwrite."
_FORM = {
    "inputs": {"*": str}, "outputs": {"*": str}, "model": dict, "settings": dict, "versions": dict,
    "results": {"tumour_volume_ml": float}, "warnings": [str],
}  # fmt: skip
_PLACES = ("device",)  # where a result was computed, not what


def standing_report(
    subject: str,
    folder: Path,
    inputs: Mapping[str, str],
    model: Mapping[str, Any],
    settings: Mapping[str, Any],
    asked_for: Sequence[str] = OUTPUTS,
) -> dict[str, Any] | None:
    """Return the report of a finished result made from the same scans by the same model, settings and version.

    A result counts as finished when every file that its report records is there with the recorded hash. What is torn
    is to be made again; what was made otherwise, from other scans too, or changed by a person is not touched.

    Args:
        subject: of the case.
        folder: where its results are.
        inputs: hash of each scan's file, see `report.input_hashes`.
        model: what `report.describe_model` says.
        settings: what `report.resolve_settings` says.
        asked_for: outputs that are wanted; a result with more of them stands too.

    Returns:
        The report, or None where the case is to be predicted.

    Raises:
        InputError: there is a finished result that was made otherwise or without an output that is wanted, a volume
            changed since it was written, or files without a report that no killed run left.
    """
    paths = output_paths(subject, folder)
    present = [path.name for path in paths.values() if path.exists()]
    if not present:
        return None
    if not paths["report"].exists():
        if is_being_made(folder):
            return None
        raise InputError(folder, f"it holds {', '.join(present)} and no report", "no files, or a whole result", _ASK)
    report = _read(paths["report"])
    if report is None or not _whole(report["outputs"], paths):
        return None
    _check_same_scans(paths["report"], report["inputs"], inputs)
    _check_made_alike(paths["report"], report, model, settings)
    _check_asked_for(paths["report"], report.get("asked_for", OUTPUTS), asked_for)
    return report


def _read(path: Path) -> dict[str, Any] | None:
    """Read a report; None for one that is damaged."""
    try:
        report = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None
    if is_nested_deeply(report):
        return None
    found = mismatch(report, _FORM)
    if not found and not report["outputs"] and "asked_for" not in report:  # a model may have none of what was
        found = "its outputs are empty"
    if found:
        expected = f"a report with {', '.join(_FORM)}"
        raise InputError(path, f"it does not record what its result was made from: {found}", expected, _ASK)
    return report


def _whole(outputs: Mapping[str, str], paths: Mapping[str, Path]) -> bool:
    """Compare the files with their recorded hashes.

    Raises:
        InputError: a volume has another hash and is readable: somebody may have put work into it.
    """
    whole = True
    for name, digest in outputs.items():
        path = paths.get(name)
        if path is None or not path.is_file():
            whole = False
        elif sha256_file(path) != digest:
            if _is_volume(path):
                raise InputError(path, "it was changed after it was written", "the file that the report records", _ASK)
            whole = False
    return whole


def _is_volume(path: Path) -> bool:
    if not path.name.endswith(IMAGE_SUFFIXES):
        return False
    try:
        read_nifti(path)
    except InputError:
        return False
    return True


def _check_same_scans(path: Path, then: Mapping[str, str], now: Mapping[str, str]) -> None:
    """Another site's subject may have the same name, so a result of other scans is not taken for an old one."""
    differing = [name for name in sorted({*then, *now}) if then.get(name) != now.get(name)]
    if differing:
        found = f"it was made from another {' and another '.join(differing)}"
        raise InputError(path, found, "a result of these scans", _ASK)


def _check_made_alike(
    path: Path, report: Mapping[str, Any], model: Mapping[str, Any], settings: Mapping[str, Any]
) -> None:
    versions = {"recoseg_hf": recoseg_hf.__version__}
    then = _making(report["model"], report["settings"], report["versions"])
    now = _making(model, settings, versions)
    differing = [name for name in now if then.get(name) != now[name]]
    if differing:
        found = f"it was made with {', '.join(f'{name} {then.get(name)}' for name in differing)}"
        remedy = _DTYPE if then.get("dtype") != now.get("dtype") else _ASK
        raise InputError(path, found, ", ".join(f"{name} {now[name]}" for name in differing), remedy)


def _check_asked_for(path: Path, then: Sequence[str], now: Sequence[str]) -> None:
    """What the other run left out is not made here: its result would be replaced, whole."""
    names = [name for name in OUTPUTS if name in then] if isinstance(then, Sequence) else []
    lacking = [name for name in now if name not in names]
    if lacking:
        found = f"only {', '.join(names) or 'its report'} was asked for"
        raise InputError(path, found, f"a result with {', '.join(lacking)} too", _ASK)


def _making(model: Mapping[str, Any], settings: Mapping[str, Any], versions: Mapping[str, Any]) -> dict[str, Any]:
    """Name all that decides a result beside the scans; hashes cut short, as a message shows them."""
    hashes = {name: str(model.get(f"{name}_sha256"))[:16] for name in ("weights", "configuration")}
    chosen = {name: settings.get(name) for name in sorted(settings) if name not in _PLACES}
    return hashes | chosen | {"recoseg_hf": versions.get("recoseg_hf")}
