"""The whole-volume flow: a case in, its prediction on its own grid out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recoseg_hf.errors import InputError, first_line
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.volume import Volume, from_canonical, scan_to_canonical
from recoseg_hf.inference.report import build_report, find_warnings, measure
from recoseg_hf.inference.timing import StageClock
from recoseg_hf.pipeline.conventions import CONDITIONS, INNER_THRESHOLD, MODALITIES, nested_labels
from recoseg_hf.pipeline.masks import seeded_mask
from recoseg_hf.pipeline.memory import is_out_of_memory

if TYPE_CHECKING:
    from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline, ReCoSegPipelineOutput


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says about a case; every volume lies on the case's own grid and is zero outside the brain.

    Attributes:
        mask: uint8, 1 where the whole tumour's probability exceeds the threshold, see `seeded_mask`.
        probability: float32 in [0, 1], of the whole tumour.
        t1ce: float32, synthetic T1ce in the units of the case's T1ce (of its T1 where it has none); None for a model
            without a synthesizer.
        residual: float32 in [0, 1], the calibrated map that guided the segmenter; None where none did.
        uncertainty: float32, standard deviation over the samples in the units of `t1ce`; None for a single sample.
        labels: uint8, BraTS labels within `mask`, see `nested_labels`; None for a model without TC and ET.
        region_probabilities: float32 in [0, 1] for each region of the model: `wt`, and `tc` and `et` if it has them.
        report: JSON values: `subject`, `inputs` (hashes of the scans' files), `model`, `settings`, `results`, `grid`,
            `seconds`, `versions`, `warnings`.
    """

    mask: Volume
    probability: Volume
    t1ce: Volume | None = None
    residual: Volume | None = None
    uncertainty: Volume | None = None
    labels: Volume | None = None
    region_probabilities: dict[str, Volume] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)


def predict_case(
    pipeline: ReCoSegPipeline,
    case: Case,
    *,
    num_inference_steps: int | None = None,
    mask_threshold: float | None = None,
    seed: int = 0,
    num_samples: int | None = None,
    residual_source: str | None = None,
    slice_batch_size: int = 16,
    progress: Callable[[int, int], None] | None = None,
) -> Prediction:
    """Synthesize T1ce and segment the tumour of one case, in any orientation and spacing.

    The same seed and settings give the same result, whatever the batch size. A case that is only flipped or permuted
    against another gives the same mask, voxel for voxel.

    Args:
        pipeline: from `load_pipeline` or `ReCoSegPipeline.from_pretrained`.
        case: skull-stripped, co-registered scans; T1ce where the model needs it.
        num_inference_steps: denoising steps; None takes the model's default.
        mask_threshold: tau in (0, 1), applied on the case's own grid; None takes the model's default.
        seed: of all noise.
        num_samples: draws whose mean is the synthetic T1ce; None is 1, or 4 for `residual_source="ensemble"`.
        residual_source: `measured` (needs T1ce; the default where there is one), `ensemble` or `none`.
        slice_batch_size: slices per call of a net; changes memory and speed only. Halved, down to 1, where memory
            runs out; the device stays.
        progress: called while denoising with how many slices times steps are done and how many there are.

    Raises:
        InputError: the model cannot use these scans or settings, or there is too little memory for a single slice;
            names the scan where one is at fault.
    """
    clock = StageClock("preprocess")
    settings = {
        "seed": seed,
        "num_inference_steps": num_inference_steps,
        "num_samples": num_samples,
        "mask_threshold": mask_threshold,
        "residual_source": residual_source,
    }
    return predict_canonical(pipeline, case, canonical_scans(case), clock, settings, slice_batch_size, progress)


def canonical_scans(case: Case) -> dict[str, Volume]:
    """Return a case's scans by modality as the pipeline takes them, in RAS at 1 mm."""
    return {name: scan_to_canonical(volume) for name, volume in case.volumes().items() if name in MODALITIES}


def predict_canonical(
    pipeline: ReCoSegPipeline,
    case: Case,
    canonical: dict[str, Volume],
    clock: StageClock,
    settings: Mapping[str, Any],
    slice_batch_size: int,
    progress: Callable[[int, int], None] | None,
) -> Prediction:
    """Do what is left of `predict_case` once a case's scans are canonical.

    Args:
        pipeline, case, slice_batch_size, progress: as for `predict_case`.
        canonical: of `canonical_scans`.
        clock: whose seconds the report tells.
        settings: of `resolve_settings`.

    Raises:
        InputError: as for `predict_case`.
    """
    clock.enter("preprocess")
    with clock.entered_by({"synthesize": pipeline.synthesizer, "segment": pipeline.segmenter}):
        output = _run(pipeline, case, canonical, progress, slice_batch_size=slice_batch_size, **settings)
    clock.enter("restore")
    threshold = settings["mask_threshold"]
    volumes = _on_own_grid(output, canonical["flair"].affine, case)
    regions = _regions_on_own_grid(output, canonical["flair"].affine, case, volumes["probability"])
    mask, labels = _masks(pipeline, regions, pipeline.config.mask_threshold if threshold is None else threshold)
    report = build_report(pipeline, case, mask, dict(settings), clock.seconds(), labels)
    return Prediction(mask=mask, labels=labels, report=report, region_probabilities=regions, **volumes)


def with_threshold(pipeline: ReCoSegPipeline, prediction: Prediction, case: Case, mask_threshold: float) -> Prediction:
    """Return what `predict_case` would have returned at another threshold, without running the nets again.

    Mask, labels and report are new; the other volumes are those of `prediction`, and so are the seconds.

    Args:
        pipeline: that made the prediction.
        prediction: of `case`.
        case: as given to `predict_case`.
        mask_threshold: tau in (0, 1).

    Raises:
        InputError: the threshold is not between 0 and 1.
    """
    if not 0 < mask_threshold < 1:
        found = f"it is {mask_threshold:g}"
        raise InputError("threshold", found, "a number between 0 and 1, neither of them", "Choose another one.")
    mask, labels = _masks(pipeline, prediction.region_probabilities, mask_threshold)
    settings = prediction.report["settings"] | {"mask_threshold": float(mask_threshold)}
    report = prediction.report | {
        "settings": settings,
        "results": measure(mask, labels),
        "warnings": find_warnings(case, mask, settings, pipeline.channels),
    }
    return replace(prediction, mask=mask, labels=labels, report=report)


def _run(
    pipeline: ReCoSegPipeline,
    case: Case,
    canonical: dict[str, Volume],
    progress: Callable[[int, int], None] | None,
    *,
    seed: int,
    **settings: Any,
) -> ReCoSegPipelineOutput:
    import torch

    if not -(2**63) <= seed < 2**64:
        raise InputError("seed", f"it is {seed}", "a whole number of 64 bits", "Choose another one.")

    def on_step_end(pipeline: Any, step: int, timestep: int, state: dict[str, int]) -> None:
        progress(state["done"], state["total"])

    # Axial slices along the first axis, (N, X, Y); views, so nothing is copied here.
    slices = {name: np.moveaxis(volume.data, 2, 0) for name, volume in canonical.items()}
    try:
        return pipeline(
            **slices,
            generator=torch.Generator().manual_seed(seed),
            callback_on_step_end=on_step_end if progress else None,
            **settings,
        )
    except ValueError as error:
        raise input_error(case.subject, case.sources, str(error)) from error
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise _out_of_memory(case, pipeline.device, error) from error


def _out_of_memory(case: Case, device: Any, error: Exception) -> InputError:
    """The smallest batch did not fit: another device is the user's choice, never ours."""
    shape = " x ".join(map(str, case.flair.shape))
    found = f"a scan of {shape} voxels needs more memory than {device} has left ({first_line(error)})"
    remedy = "Free memory or end other programs there, or choose another --device."
    return InputError(f"case {case.subject}", found, "memory for a slice at a time", remedy)


def _on_own_grid(output: ReCoSegPipelineOutput, affine: np.ndarray, case: Case) -> dict[str, Volume]:
    """Bring each of the pipeline's maps that there is back to the case's grid."""
    maps = {name: getattr(output, name) for name in ("probability", "t1ce", "residual", "uncertainty")}
    return {name: _restore(slices, affine, case) for name, slices in maps.items() if slices is not None}


def _regions_on_own_grid(
    output: ReCoSegPipelineOutput, affine: np.ndarray, case: Case, whole_tumour: Volume
) -> dict[str, Volume]:
    others = {name: slices for name, slices in output.region_probabilities.items() if name != "wt"}
    return {"wt": whole_tumour, **{name: _restore(slices, affine, case) for name, slices in others.items()}}


def _masks(pipeline: ReCoSegPipeline, regions: Mapping[str, Volume], threshold: float) -> tuple[Volume, Volume | None]:
    """Turn the regions' probabilities into the mask, and into labels where the model has TC and ET."""
    whole, config = regions["wt"], pipeline.config
    mask = seeded_mask(whole.data, threshold, config.seed_threshold)
    labels = None
    if {"tc", "et"} <= regions.keys():
        inner = config.get("region_threshold", INNER_THRESHOLD)
        labels = Volume(nested_labels(mask, regions["tc"].data, regions["et"].data, inner), whole.affine)
    return Volume(mask, whole.affine), labels


def _restore(slices: np.ndarray, affine: np.ndarray, case: Case) -> Volume:
    volume = from_canonical(Volume(np.moveaxis(slices, 0, 2), affine), like=case.flair)
    # Interpolation reaches a voxel past the edge of the brain.
    volume.data[~np.logical_or.reduce([getattr(case, name).data != 0 for name in CONDITIONS])] = 0
    return volume


def input_error(subject: str, sources: Mapping[str, str | Path], message: str) -> InputError:
    """Turn the pipeline's message, `[modality: ]found[; expected what][. remedy]`, into an error about a file."""
    clause, _, remedy = message.strip().removesuffix(".").partition(". ")
    found, _, expected = clause.partition("; expected ")
    modality, colon, rest = found.partition(": ")
    file = f"case {subject}"
    if colon and modality in MODALITIES:
        file, found = sources.get(modality, f"{file}, {modality}"), rest
    return InputError(
        file,
        found,
        expected or "scans and settings that this model can use",
        f"{remedy}." if remedy else "Check the scans and the settings of this run.",
    )
