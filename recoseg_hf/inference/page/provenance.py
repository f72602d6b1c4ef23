"""How a result came about, in rows to read: the report's values, named for people."""

from __future__ import annotations

from typing import Any

from recoseg_hf.inference.views import RESIDUAL_CAPTIONS
from recoseg_hf.pipeline.conventions import MODALITIES

Rows = dict[str, str]
_TITLES = {"flair": "FLAIR", "t1": "T1", "t2": "T2", "t1ce": "T1ce"}


def provenance(report: dict[str, Any]) -> dict[str, Rows]:
    """Return what a result was made of and with, in groups of rows.

    Seconds are left out: they are in the report, and the same result gives the same page.
    """
    return {
        "Model": _model(report["model"]),
        "Settings": _settings(report["settings"]),
        "Scans": _scans(report["inputs"], report["grid"]),
        "Versions": dict(sorted(report["versions"].items())),  # the order of a report that was read
    }


def _model(model: dict[str, Any]) -> Rows:
    return {
        "Name": model["name"],
        "Revision": model["revision"] or "none: not from the Hub",
        "Segmenter sees": model["segmenter_inputs"].replace(",", ", "),
        "Weights, SHA-256": model["weights_sha256"],
        "Configuration, SHA-256": model["configuration_sha256"],
    }


def _settings(settings: dict[str, Any]) -> Rows:
    source = settings["residual_source"]
    rows = {
        "Threshold on the probability": f"{settings['mask_threshold']:g}",
        "Residual": f"{source}: {RESIDUAL_CAPTIONS[source]}",
        "Seed": str(settings["seed"]),
    }
    if settings["num_inference_steps"] is not None:
        rows["Denoising steps"] = str(settings["num_inference_steps"])
        rows["Samples averaged"] = str(settings["num_samples"])
        rows["Scheduler"] = f"{settings['scheduler']}, {settings['prediction_type']}"
    return rows | {"Computed in": f"{settings['dtype']} on {settings['device']}"}


def _scans(inputs: dict[str, str], grid: dict[str, Any]) -> Rows:
    spacing = " x ".join(f"{size:g}" for size in grid["voxel_spacing_mm"])
    return {
        "Grid": f"{' x '.join(map(str, grid['shape']))} voxels of {spacing} mm, axes {grid['orientation']}",
        "Resampled": "to 1 mm for the model and back" if grid["resampled"] else "no",
        **{f"{_TITLES[name]}, SHA-256": inputs[name] for name in MODALITIES if name in inputs},
    }
