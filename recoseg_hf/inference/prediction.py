"""The whole-volume flow: a case in, its prediction on its own grid out."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from recoseg_hf.errors import InputError, first_line
from recoseg_hf.imaging.brain_window import BrainWindow
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.volume import Volume
from recoseg_hf.inference.deferred import Deferred
from recoseg_hf.inference.report import build_report, describe_run, find_warnings, measure
from recoseg_hf.inference.timing import StageClock
from recoseg_hf.pipeline.conventions import INNER_THRESHOLD, MODALITIES, nested_labels
from recoseg_hf.pipeline.masks import bounding_box, seeded_mask
from recoseg_hf.pipeline.memory import is_out_of_memory

if TYPE_CHECKING:
    from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline
    from recoseg_hf.pipeline.stack_result import StackResult

_DESCRIBED = "described"
_DEFERRED = ("t1ce", "residual", "uncertainty")


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model says about a case; every volume lies on the case's own grid and is zero outside the brain.

    Mask and labels are there; the other volumes are brought to that grid when they are first asked for.

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
    probability: Volume = Deferred()  # noqa: RUF009 (a descriptor, whose default is None)
    t1ce: Volume | None = Deferred()  # noqa: RUF009
    residual: Volume | None = Deferred()  # noqa: RUF009
    uncertainty: Volume | None = Deferred()  # noqa: RUF009
    labels: Volume | None = None
    region_probabilities: dict[str, Volume] = Deferred()  # noqa: RUF009
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
    slice_batch_size: int | None = None,
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
            runs out; the device stays. None chooses by how many pixels the nets see of a slice.
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
    return predict_cut(pipeline, case, BrainWindow.around(case), clock, settings, slice_batch_size, progress)


def predict_cut(
    pipeline: ReCoSegPipeline,
    case: Case,
    cut: tuple[BrainWindow, dict[str, np.ndarray]],
    clock: StageClock,
    settings: Mapping[str, Any],
    slice_batch_size: int | None,
    progress: Callable[[int, int], None] | None,
) -> Prediction:
    """Do what is left of `predict_case` once a case's scans are cut to its brain.

    Args:
        pipeline, case, slice_batch_size, progress: as for `predict_case`.
        cut: of `BrainWindow.around`.
        clock: whose seconds the report tells.
        settings: of `resolve_settings`.

    Raises:
        InputError: as for `predict_case`.
    """
    from recoseg_hf.pipeline.preprocessing import for_each

    clock.enter("preprocess")
    window, slices = cut
    result = _run(
        pipeline, case, slices, progress, slice_batch_size=slice_batch_size, enter_stage=clock.enter, **settings
    )
    clock.enter("restore")
    regions = _Regions(result, window, tuple(pipeline.region_names))

    def finish(name: str) -> Any:
        return describe_run(pipeline, case, settings) if name == _DESCRIBED else regions.to_decide(name)

    done = for_each(finish, (_DESCRIBED, *regions.names))
    described = done.pop(_DESCRIBED)
    mask, labels = _decided(pipeline, regions, done)
    report = build_report(described, mask, labels, clock.seconds())
    maps = {name: _Restoring(result, window, name) for name in _DEFERRED if name in result.maps}
    return Prediction(
        mask, regions.whole_tumour, labels=labels, report=report, region_probabilities=regions.all, **maps
    )


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
    mask, labels = _masks_of_volumes(pipeline, prediction.region_probabilities, mask_threshold)
    settings = prediction.report["settings"] | {"mask_threshold": float(mask_threshold)}
    report = prediction.report | {
        "settings": settings,
        "results": measure(mask, labels),
        "warnings": find_warnings(case, mask, settings, pipeline.channels),
    }
    return altered(prediction, mask=mask, labels=labels, report=report)


def altered(prediction: Prediction, **changes: Any) -> Prediction:
    """Return a prediction with other fields; `dataclasses.replace` would ask for every map, and wait for them."""
    changed = copy.copy(prediction)
    changed.__dict__.update(changes)
    return changed


@dataclass(frozen=True, eq=False)
class _Restoring:
    """A map that is brought to the case's grid when it is called; no closure, since it may go to another process."""

    result: StackResult
    window: BrainWindow
    name: str

    def __call__(self) -> Volume:
        return self.window.volume(self.result.restored(self.name))


@dataclass(frozen=True, eq=False)
class _Regions:
    """The regions' probabilities on the case's grid, each brought there once; no closures, as for `_Restoring`.

    That of the whole tumour is written and drawn, those of the others hardly ever asked for.
    """

    result: StackResult
    window: BrainWindow
    names: tuple[str, ...]
    volumes: dict[str, Volume] = field(default_factory=dict)

    @cached_property
    def slices(self) -> slice:
        """Those that hold all of the mask."""
        return self.result.slices_above("wt", self.result.mask_threshold)

    def to_decide(self, name: str) -> np.ndarray | Volume:
        """What the mask is decided on: the slices alone that hold some of it, where these are the case's own."""
        return self.result.restored(name, self.slices) if self.window.is_exact else self._volume(name)

    def all(self) -> dict[str, Volume]:
        return {name: self._volume(name) for name in self.names}

    def whole_tumour(self) -> Volume:
        return self._volume("wt")

    def _volume(self, name: str) -> Volume:
        if name not in self.volumes:
            found = self.window.volume(self.result.restored(name))
            self.volumes.setdefault(name, found)  # another thread may have been quicker
        return self.volumes[name]


def _decided(pipeline: ReCoSegPipeline, regions: _Regions, found: Mapping[str, Any]) -> tuple[Volume, Volume | None]:
    """Make mask and labels of what `regions.to_decide` has found of each region."""
    threshold = regions.result.mask_threshold
    if not regions.window.is_exact:
        return _masks_of_volumes(pipeline, found, threshold)
    first = regions.slices.start
    mask, labels = (
        None if each is None else regions.window.volume(each, first) for each in _masks(pipeline, found, threshold)
    )
    return mask, labels


def _run(
    pipeline: ReCoSegPipeline,
    case: Case,
    slices: dict[str, np.ndarray],
    progress: Callable[[int, int], None] | None,
    *,
    seed: int,
    **settings: Any,
) -> StackResult:
    import torch

    if not -(2**63) <= seed < 2**64:
        raise InputError("seed", f"it is {seed}", "a whole number of 64 bits", "Choose another one.")

    def on_step_end(pipeline: Any, step: int, timestep: int, state: dict[str, int]) -> None:
        progress(state["done"], state["total"])

    try:
        return pipeline.compute(
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


def _masks_of_volumes(
    pipeline: ReCoSegPipeline, regions: Mapping[str, Volume], threshold: float
) -> tuple[Volume, Volume | None]:
    """Do what `_masks` does with volumes."""
    found = _masks(pipeline, {name: volume.data for name, volume in regions.items()}, threshold)
    mask, labels = (None if each is None else Volume(each, regions["wt"].affine) for each in found)
    return mask, labels


def _masks(
    pipeline: ReCoSegPipeline, regions: Mapping[str, np.ndarray], threshold: float
) -> tuple[np.ndarray, np.ndarray | None]:
    """Turn the regions' probabilities into the mask, and into labels where the model has TC and ET."""
    mask = seeded_mask(regions["wt"], threshold, pipeline.config.seed_threshold)
    if not {"tc", "et"} <= regions.keys():
        return mask, None
    inner = pipeline.config.get("region_threshold", INNER_THRESHOLD)
    return mask, _labels(mask, regions["tc"], regions["et"], inner)


def _labels(mask: np.ndarray, core: np.ndarray, enhancing: np.ndarray, threshold: float) -> np.ndarray:
    """Do what `nested_labels` does where there is a mask; elsewhere all is zero."""
    labels = np.zeros_like(mask)
    if mask.any():
        box = bounding_box(mask)
        labels[box] = nested_labels(mask[box], core[box], enhancing[box], threshold)
    return labels


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
