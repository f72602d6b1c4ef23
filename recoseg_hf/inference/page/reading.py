"""The page of a result that was written before, made from its files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from recoseg_hf.errors import InputError
from recoseg_hf.files import real_path, sha256_file, write_json
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.layout import modalities_in
from recoseg_hf.imaging.nifti import read_nifti
from recoseg_hf.imaging.paths import listing
from recoseg_hf.imaging.volume import Volume, read_labels, same_grid
from recoseg_hf.inference.page.page import write_page
from recoseg_hf.inference.prediction import Prediction
from recoseg_hf.inference.report import input_hashes
from recoseg_hf.inference.results import output_paths
from recoseg_hf.inference.views import RESIDUAL_CAPTIONS
from recoseg_hf.json_files import read_json
from recoseg_hf.pipeline.conventions import CONDITIONS, MODALITIES

_REPORT = "_report.json"
_TEXT_OR_NONE, _NUMBER_OR_NONE = (str, type(None)), (float, type(None))
_FORM = {  # what a page shows of a report
    "subject": str,
    "inputs": {"*": str},
    "model": {
        "name": str, "revision": _TEXT_OR_NONE, "segmenter_inputs": str, "weights_sha256": str,
        "configuration_sha256": str,
    },
    "settings": {
        "residual_source": str, "mask_threshold": float, "seed": int, "num_inference_steps": _NUMBER_OR_NONE,
        "num_samples": _NUMBER_OR_NONE, "scheduler": _TEXT_OR_NONE, "prediction_type": _TEXT_OR_NONE, "dtype": str,
        "device": str,
    },
    "results": {"tumour_volume_ml": float, "*": float},
    "grid": {"shape": [int], "voxel_spacing_mm": [float], "orientation": str, "resampled": bool},
    "versions": {"recoseg_hf": str, "*": str},
    "warnings": [str],
    "outputs": {"mask": str, "probability": str, "*": str},
}  # fmt: skip
_EXPECTED = "what `recoseg predict --output` wrote for a case"


def find_reports(folder: str | Path) -> list[Path]:
    """Return the reports of the cases whose results are in a folder."""
    return sorted(Path(folder).glob(f"*{_REPORT}"))


def write_page_again(
    folder: str | Path, scans: str | Path | None = None, subject: str | None = None, output: str | Path | None = None
) -> tuple[Path, bool]:
    """Write the page of a case's result from its files, for one that has none or was shown with other scans.

    Args:
        folder: of the result.
        scans: the case's folder; by default the scans in `folder` itself, if they are there. Without scans, the page
            shows outlines on the synthetic T1ce.
        subject: whose result, where the folder has several.
        output: the file; by default where `write_prediction` puts it, and the report's record of it is renewed.

    Returns:
        The page, and whether it shows the scans.

    Raises:
        InputError: there is no such result, it is not whole, the scans are not those it was made from, or the page
            would replace a scan, another file of the result, or, itself without the scans, one that may show them.
    """
    folder = Path(folder)
    report_file = _choose(folder, subject)
    report = _read_report(report_file)
    paths = output_paths(report["subject"], folder)
    prediction = _read_prediction(paths, report)
    case = _read_case(folder, scans, prediction)
    page = Path(output) if output else paths["page"]
    _check_place(page, [file for name, file in paths.items() if name != "page"], case)
    if case is None and page.exists():
        found = "it is there already, and the scans are not at hand to draw it again"
        raise InputError(page, found, "the case's scans, or another file", "Name the case's folder, or an output.")
    write_page(prediction, case, page)
    if real_path(page) == real_path(paths["page"]):
        added = {"outputs": report["outputs"] | {"page": sha256_file(page)}}
        if "page" not in report.get("asked_for", ["page"]):
            added["asked_for"] = [*report["asked_for"], "page"]
        write_json(report_file, report | added)
    return page, case is not None


def _check_place(page: Path, others: list[Path], case: Case | None) -> None:
    scans = [file for file in case.sources.values() if isinstance(file, Path)] if case else []
    if real_path(page) in {real_path(file) for file in (*others, *scans)}:
        found = "it is a scan or another file of this result, and would be replaced by the page"
        raise InputError(page, found, "a file of its own", "Name another one, .html.")


def _choose(folder: Path, subject: str | None) -> Path:
    reports = find_reports(folder)
    if subject:
        reports = [file for file in reports if file.name == f"{subject}{_REPORT}"]
    if not reports:
        wanted = f"{subject or '<subject>'}{_REPORT}"
        raise InputError(folder, f"no {wanted}; {listing(folder)}", _EXPECTED, "Check the path.")
    if len(reports) > 1:
        names = ", ".join(file.name.removesuffix(_REPORT) for file in reports)
        raise InputError(folder, f"it holds the results of {names}", "one subject", "Say whose page to write.")
    return reports[0]


def _read_report(file: Path) -> dict[str, Any]:
    report = read_json(file, _EXPECTED, "Predict the case again.", _FORM)
    if (source := report["settings"]["residual_source"]) not in RESIDUAL_CAPTIONS:
        found = f"its residual source is {source!r}"
        raise InputError(file, found, f"one of {', '.join(RESIDUAL_CAPTIONS)}", "Predict the case again.")
    if file.name != f"{report['subject']}{_REPORT}":
        raise InputError(file, f"it is the report of {report['subject']}", "the name it was written by", "Rename it.")
    return report


def _read_prediction(paths: dict[str, Path], report: dict[str, Any]) -> Prediction:
    """Read the volumes that the report records, each as it was written."""
    volumes = {}
    for name in ("mask", "labels", "probability", "t1ce", "residual"):
        if name not in report["outputs"]:
            continue
        if not paths[name].is_file() or sha256_file(paths[name]) != report["outputs"][name]:
            found = "it is missing" if not paths[name].is_file() else "it was changed after it was written"
            raise InputError(paths[name], found, "the file that the report records", "Predict the case again.")
        labels = name in ("mask", "labels")
        volumes[name] = read_labels(paths[name]) if labels else Volume(*read_nifti(paths[name]))
    return Prediction(report=report, **volumes)


def _read_case(folder: Path, scans: str | Path | None, prediction: Prediction) -> Case | None:
    """Read the scans that a result was made from; None where no place of them is known."""
    if scans is None and not modalities_in(folder).keys() >= {*CONDITIONS}:
        return None
    place, report = Path(scans or folder), prediction.report
    case = Case.from_folder(place, report["subject"])
    hashes = input_hashes(case.sources)
    recorded = report["inputs"]
    differing = [name for name in MODALITIES if name in recorded and hashes.get(name) != recorded[name]]
    if differing or not same_grid(prediction.mask, case.flair.shape, case.flair.affine):
        found = f"its {' and '.join(differing) or 'grid'} is not what the result of {report['subject']} was made from"
        raise InputError(place, found, "the scans of this result", "Name the folder of the case that was predicted.")
    unused = case.t1ce is not None and recorded and "t1ce" not in recorded
    return replace(case, t1ce=None) if unused else case
