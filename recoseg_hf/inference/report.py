"""The record of a run: which model, which settings, what came out, how long it took.

It holds no path and nothing from a scan's header, so that it can be shared where the scan cannot.
"""

from __future__ import annotations

import hashlib
import platform
import re
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import recoseg_hf
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.grids import is_regular, ras_grid
from recoseg_hf.imaging.volume import Volume

if TYPE_CHECKING:
    from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline

_SPACING_TOLERANCE = 0.1  # mm
_ANGLE_TOLERANCE = 1.0  # degrees
_HUB_SNAPSHOT = re.compile(r"models--(?P<name>[^/\\]+)[/\\]snapshots[/\\](?P<revision>[0-9a-f]{40})")


def build_report(
    pipeline: ReCoSegPipeline, case: Case, mask: Volume, settings: dict[str, Any], seconds: dict[str, float]
) -> dict[str, Any]:
    """Put a run's record together; `settings` as the caller gave them, where None stands for the model's default."""
    resolved = _resolved(pipeline, settings)
    return {
        "subject": case.subject,
        "model": describe_model(pipeline),
        "settings": resolved,
        "results": {
            "tumour_voxels": int(mask.data.sum(dtype=int)),
            "tumour_volume_ml": round(float(mask.data.sum(dtype=int)) * mask.voxel_volume_ml, 3),
        },
        "grid": describe_grid(case.flair),
        "seconds": seconds,
        "versions": library_versions(),
        "warnings": find_warnings(case, mask, resolved),
    }


def describe_model(pipeline: ReCoSegPipeline) -> dict[str, Any]:
    """Name a model so that it can be found again: by name, Hub revision where known, and a hash of its weights."""
    name, revision = _name_and_revision(pipeline.name_or_path)
    return {
        "name": name,
        "revision": revision,
        "weights_sha256": weights_sha256(pipeline),
        "class": type(pipeline).__name__,
        "segmenter_inputs": pipeline.config.segmenter_inputs,
    }


def weights_sha256(pipeline: ReCoSegPipeline, components: Sequence[str] = ("synthesizer", "segmenter")) -> str:
    """Return the SHA-256 over the nets' parameters as loaded: names, types, shapes and values.

    The same weights loaded in another dtype give another hash; a report names the dtype beside it.
    """
    import torch

    digest = hashlib.sha256()
    for component in components:
        net = getattr(pipeline, component)
        for name, tensor in sorted(net.state_dict().items()) if net is not None else ():
            digest.update(f"{component}.{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def describe_grid(volume: Volume) -> dict[str, Any]:
    """Describe the grid of a case, and say whether it was resampled for the model."""
    return {
        "shape": list(volume.shape),
        "voxel_spacing_mm": [round(size, 4) for size in volume.voxel_spacing],
        "orientation": volume.orientation,
        "resampled": not is_regular(*ras_grid(volume.shape, volume.affine), spacing=1.0),
    }


def library_versions() -> dict[str, str]:
    """Return the versions that a result may depend on."""
    libraries = ("torch", "diffusers", "numpy", "nibabel")
    return {
        "recoseg_hf": recoseg_hf.__version__,
        "python": platform.python_version(),
        **{name: version(name) for name in libraries},
    }


def find_warnings(case: Case, mask: Volume, settings: dict[str, Any]) -> list[str]:
    """Return what a reader of the results must know, one sentence each."""
    found = []
    spacing = case.flair.voxel_spacing
    if any(abs(size - 1) > _SPACING_TOLERANCE for size in spacing):
        shown = " x ".join(f"{size:.3g}" for size in spacing)
        found.append(f"The voxels are {shown} mm: resampled to 1 mm for the model and back, with loss of detail.")
    if _degrees_from_axes(case.flair) > _ANGLE_TOLERANCE:
        found.append("The scan lies oblique to the world axes: resampled for the model and back, with loss of detail.")
    if case.t1ce is None:
        units = ", and the synthetic T1ce is in the units of T1" if settings["scheduler"] else ""
        found.append(f"No T1ce was given: the residual source is {settings['residual_source']!r}{units}.")
    if not mask.data.any():
        found.append("No tumour was found: the mask is empty.")
    return found


def _degrees_from_axes(volume: Volume) -> float:
    """By how many degrees the axis that leans most leans away from the world axis nearest to it."""
    directions = volume.affine[:3, :3] / np.linalg.norm(volume.affine[:3, :3], axis=0)
    return float(np.degrees(np.arccos(np.clip(np.abs(directions).max(axis=0), 0, 1))).max())


def _resolved(pipeline: ReCoSegPipeline, settings: dict[str, Any]) -> dict[str, Any]:
    """Fill in the model's defaults; a model without a synthesizer has no steps, samples or scheduler to speak of."""
    from recoseg_hf.pipeline.pipeline_recoseg import ENSEMBLE_MIN_STEPS, ENSEMBLE_SAMPLES

    computed = {"device": str(pipeline.device), "dtype": str(pipeline.dtype).removeprefix("torch.")}
    resolved = settings | computed | {"scheduler": None, "prediction_type": None}
    if pipeline.synthesizer is None:
        return resolved | {"num_inference_steps": None, "num_samples": None}
    if resolved["num_inference_steps"] is None:
        least = ENSEMBLE_MIN_STEPS if settings["residual_source"] == "ensemble" else 1
        resolved["num_inference_steps"] = max(pipeline.config.num_inference_steps, least)
    if resolved["num_samples"] is None:
        resolved["num_samples"] = ENSEMBLE_SAMPLES if settings["residual_source"] == "ensemble" else 1
    resolved["scheduler"] = type(pipeline.scheduler).__name__
    resolved["prediction_type"] = pipeline.scheduler.config.prediction_type
    return resolved


def _name_and_revision(source: str | None) -> tuple[str, str | None]:
    """Tell a model's name and Hub revision from where it was loaded; of a folder only its own name is kept."""
    if source is None:
        return "unsaved", None
    if snapshot := _HUB_SNAPSHOT.search(source):
        return snapshot["name"].replace("--", "/"), snapshot["revision"]
    return (Path(source).resolve().name if Path(source).is_dir() else source), None
