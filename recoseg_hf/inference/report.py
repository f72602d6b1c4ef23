"""The record of a run: which model, which settings, what came out, how long it took.

It holds no path and nothing from a scan's header, so that it can be shared where the scan cannot.
"""

from __future__ import annotations

import hashlib
import json
import platform
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import recoseg_hf
from recoseg_hf.files import sha256_file
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.doubts import degrees_of_shear, doubtful_qform, is_slice, misnamed, off_spacing
from recoseg_hf.imaging.grids import is_regular, ras_grid
from recoseg_hf.imaging.skull import more_than_a_brain
from recoseg_hf.imaging.volume import Volume
from recoseg_hf.pipeline.conventions import CONDITIONS, MODALITIES, hides_t1ce, region_masks

if TYPE_CHECKING:
    from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline

_MADE_OF_T1CE = {"t1ce", "residual", "static_residual"}
_ANGLE_TOLERANCE = 1.0  # degrees
# Off, they change nothing, and what was measured before there were such settings is still of the same model.
_ADDED_SETTINGS = (("slice_step", 1), ("crop_to_brain", False), ("flip_above", 0.0))
_HUB_SNAPSHOT = re.compile(r"models--(?P<name>[^/\\]+)[/\\]snapshots[/\\](?P<revision>[0-9a-f]{40})")


def describe_run(pipeline: ReCoSegPipeline, case: Case, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Put together what of a run's record is known before anything came out.

    Args:
        pipeline: the model.
        case: that is predicted.
        settings: as the caller gave them, where None stands for the model's default.
    """
    resolved = resolve_settings(pipeline, settings, case.t1ce is not None)
    return {
        "subject": case.subject,
        "inputs": input_hashes(case.sources),
        "model": describe_model(pipeline),
        "settings": resolved,
        "results": {},  # these and the seconds come later, and stand here in a report
        "grid": describe_grid(case.flair),
        "seconds": {},
        "versions": library_versions(),
        "warnings": warnings_of_scans(case, resolved, pipeline.channels),
    }


def build_report(
    described: Mapping[str, Any], mask: Volume, labels: Volume | None, seconds: Mapping[str, float]
) -> dict[str, Any]:
    """Put a run's record together, of `describe_run` and what came out."""
    return {
        **described,
        "results": measure(mask, labels),
        "seconds": dict(seconds),
        "warnings": [*described["warnings"], *warnings_of_mask(mask)],
    }


def measure(mask: Volume, labels: Volume | None) -> dict[str, float]:
    """How much tumour there is: `tumour_voxels`, `tumour_volume_ml`, and `region_volumes`."""
    return {
        "tumour_voxels": int(np.count_nonzero(mask.data)),
        "tumour_volume_ml": volume_ml(mask.data != 0, mask),
        **region_volumes(labels),
    }


def volume_ml(inside: np.ndarray, volume: Volume) -> float:
    """What the voxels of a boolean array occupy on a volume's grid."""
    return round(int(np.count_nonzero(inside)) * volume.voxel_volume_ml, 3)


def region_volumes(labels: Volume | None) -> dict[str, float]:
    """`tumour_core_volume_ml` and `enhancing_tumour_volume_ml` by BraTS labels; nothing without these."""
    if labels is None:
        return {}
    regions = region_masks(labels.data)
    names = {"tumour_core_volume_ml": "tc", "enhancing_tumour_volume_ml": "et"}
    return {name: volume_ml(regions[region], labels) for name, region in names.items()}


def describe_model(pipeline: ReCoSegPipeline) -> dict[str, Any]:
    """Name a model so that it can be found again: by name, Hub revision where known, and hashes of what is in it."""
    name, revision = _name_and_revision(pipeline.name_or_path)
    return {
        "name": name,
        "revision": revision,
        "weights_sha256": weights_sha256(pipeline),
        "configuration_sha256": configuration_sha256(pipeline),
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


def configuration_sha256(pipeline: ReCoSegPipeline) -> str:
    """Return the SHA-256 over the settings of pipeline, scheduler and nets; versions and places are left out."""
    own = pipeline.config.items()
    parts = {"pipeline": {name: value for name, value in own if (name, value) not in _ADDED_SETTINGS}}
    for name in ("scheduler", "synthesizer", "segmenter"):
        component = getattr(pipeline, name)
        parts[name] = {"class": type(component).__name__} | dict(component.config if component is not None else {})
    components = parts.keys()
    plain = {
        name: {key: value for key, value in config.items() if not key.startswith("_") and key not in components}
        for name, config in parts.items()
    }
    return hashlib.sha256(json.dumps(plain, sort_keys=True, default=str).encode()).hexdigest()


def input_hashes(sources: Mapping[str, str | Path]) -> dict[str, str]:
    """Return the SHA-256 of each scan's file by modality, of those still there; a segmentation is no input."""
    files = {name: sources[name] for name in MODALITIES if isinstance(sources.get(name), Path)}
    return {name: sha256_file(file) for name, file in files.items() if file.is_file()}


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
        **{name: _version(name) for name in libraries},
    }


@cache
def _version(library: str) -> str:
    return version(library)  # reads the library's files


def find_warnings(case: Case, mask: Volume, settings: Mapping[str, Any], channels: Sequence[str]) -> list[str]:
    """Return what a reader of the results must know, one sentence each; arguments as below."""
    return [*warnings_of_scans(case, settings, channels), *warnings_of_mask(mask)]


def warnings_of_mask(mask: Volume) -> list[str]:
    """Return what a reader must know of a mask."""
    return [] if mask.data.any() else ["No tumour was found: the mask is empty."]


def warnings_of_scans(case: Case, settings: Mapping[str, Any], channels: Sequence[str]) -> list[str]:
    """Return what a reader must know of the scans and of how they were used.

    Args:
        case: that was predicted.
        settings: of `resolve_settings`.
        channels: that the segmenter sees, of `SEGMENTER_CHANNELS`.
    """
    found = []
    if size := off_spacing(case.flair):
        found.append(f"The voxels are {size}: resampled to 1 mm for the model and back, with loss of detail.")
    if degrees := degrees_of_shear(case.flair):
        found.append(
            f"The axes miss the right angle by {degrees:.1f} degrees: resampled for the model and back, with loss of "
            "detail."
        )
    elif _degrees_from_axes(case.flair) > _ANGLE_TOLERANCE:
        found.append("The scan lies oblique to the world axes: resampled for the model and back, with loss of detail.")
    if is_slice(case.flair):
        found.append("The scan is a single slice: the volumes are those of one slice, not of a tumour.")
    doubtful = {name: clause for name, file in case.sources.items() if (clause := doubtful_qform(file))}
    found += [f"The file of {name}: {clause}; an sform goes before it." for name, clause in doubtful.items()]
    misleading = {name: clause for name, file in case.sources.items() if (clause := misnamed(file))}
    found += [f"The file of {name}: {clause}; read by its content." for name, clause in misleading.items()]
    if with_skull := _with_skull(case):
        shown = " and ".join(with_skull)
        found.append(
            f"The skull seems to be in {shown}: the model knows stripped brains alone, and its mask may be wrong."
        )
    if case.t1ce is None:
        units = ", and the synthetic T1ce is in the units of T1" if settings["scheduler"] else ""
        found.append(f"No T1ce was given: the residual source is {settings['residual_source']!r}{units}.")
    elif not sees_t1ce(settings["residual_source"], channels):
        source = settings["residual_source"]
        found.append(f"The T1ce that was given is not what was segmented from: the residual source is {source!r}.")
    return found


def _with_skull(case: Case) -> list[str]:
    """Name the scans that show more than a brain; FLAIR, T1 and T2 are looked at one by one where all three may."""
    scans = {name: volume for name, volume in case.volumes().items() if name in MODALITIES}
    if not more_than_a_brain(Volume(case.brain.view(np.uint8), case.flair.affine)):
        scans = {name: volume for name, volume in scans.items() if name not in CONDITIONS}
    return [name for name, volume in scans.items() if more_than_a_brain(volume)]


def sees_t1ce(source: str, channels: Sequence[str]) -> bool:
    """Say whether anything that the segmenter sees is made of the measured T1ce."""
    return not hides_t1ce(source, tuple(channels)) and not _MADE_OF_T1CE.isdisjoint(channels)


def _degrees_from_axes(volume: Volume) -> float:
    """By how many degrees the axis that leans most leans away from the world axis nearest to it."""
    directions = volume.affine[:3, :3] / np.linalg.norm(volume.affine[:3, :3], axis=0)
    return float(np.degrees(np.arccos(np.clip(np.abs(directions).max(axis=0), 0, 1))).max())


def resolve_settings(pipeline: ReCoSegPipeline, settings: Mapping[str, Any], has_t1ce: bool) -> dict[str, Any]:
    """Fill in the model's defaults; a model without a synthesizer has no steps, samples or scheduler to speak of.

    Args:
        pipeline: the model.
        settings: `seed`, `num_inference_steps`, `num_samples`, `mask_threshold` and `residual_source`, None for the
            model's default.
        has_t1ce: whether the case has a measured T1ce.

    Raises:
        ValueError: the model cannot be run so.
    """
    source = pipeline.resolve_source(settings["residual_source"], has_t1ce)
    steps, samples = pipeline.resolve_counts(source, settings["num_inference_steps"], settings["num_samples"])
    threshold = settings["mask_threshold"]
    synthesizes = pipeline.synthesizer is not None
    return {
        "seed": settings["seed"],
        "num_inference_steps": steps if synthesizes else None,
        "num_samples": samples if synthesizes else None,
        "mask_threshold": float(pipeline.config.mask_threshold if threshold is None else threshold),
        "residual_source": source,
        "scheduler": type(pipeline.scheduler).__name__ if synthesizes else None,
        "prediction_type": pipeline.scheduler.config.prediction_type if synthesizes else None,
        "device": str(pipeline.device),
        "dtype": str(pipeline.dtype).removeprefix("torch."),
    }


def _name_and_revision(source: str | None) -> tuple[str, str | None]:
    """Tell a model's name and Hub revision from where it was loaded; of a folder only its own name is kept."""
    if source is None:
        return "unsaved", None
    if snapshot := _HUB_SNAPSHOT.search(source):
        return snapshot["name"].replace("--", "/"), snapshot["revision"]
    return (Path(source).resolve().name if Path(source).is_dir() else source), None
