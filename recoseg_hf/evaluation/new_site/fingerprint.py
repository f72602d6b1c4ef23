"""The fingerprint of a site's data: what a reader needs to see whether a model's numbers may hold for other data.

It holds distributions over subjects alone: no subject's name, no path, nothing from a header but grid and orientation.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.volume import Volume
from recoseg_hf.pipeline.conventions import MODALITIES, REGIONS, region_masks

PERCENTILES = (1, 25, 50, 75, 99)
"""Of each scan's intensities in the brain."""

CONTRASTS = {"t1ce_to_t1": ("t1ce", "t1"), "flair_to_t2": ("flair", "t2")}
"""Ratios of two modalities' median intensities in the brain."""

FEW_SUBJECTS = 5
"""Below this, quartiles would be single subjects: only minimum, median and maximum are given."""


def describe_case(case: Case) -> dict:
    """Describe one subject in numbers, for `summarise_descriptions`.

    Args:
        case: skull-stripped; T1ce and segmentation may be absent.

    Returns:
        - `shape`; `voxel_spacing_mm`, rounded to 0.001; `orientation`
        - `intensity`: for each modality the `PERCENTILES` of its voxels that are not 0, in source units
        - `contrast`: `CONTRASTS`, and for each modality `<modality>_tumour_to_rest`, median in the whole tumour over
          median in the rest of the brain; None where it is not defined
        - `tumour_ml`: volume of `wt`, `tc` and `et`; None without a segmentation
    """
    scans = {name: volume for name, volume in case.volumes().items() if name in MODALITIES}
    inside = {name: volume.data[volume.data != 0] for name, volume in scans.items()}
    masks = None if case.seg is None else region_masks(case.seg.data)
    medians = {name: float(np.median(values)) for name, values in inside.items()}
    contrast = {name: _ratio(medians.get(a), medians.get(b)) for name, (a, b) in CONTRASTS.items()}
    if masks is not None:
        contrast |= {f"{name}_tumour_to_rest": _tumour_to_rest(scans[name], masks["wt"]) for name in scans}
    return {
        "shape": list(case.flair.shape),
        "voxel_spacing_mm": [round(size, 3) for size in case.flair.voxel_spacing],
        "orientation": case.flair.orientation,
        "intensity": {name: np.percentile(values, PERCENTILES).tolist() for name, values in inside.items()},
        "contrast": contrast,
        "tumour_ml": None if masks is None else _millilitres(masks, case.flair.voxel_volume_ml),
    }


def summarise_descriptions(descriptions: Sequence[Mapping]) -> dict:
    """Put subjects together to a site's fingerprint.

    Args:
        descriptions: what `describe_case` returns, one per subject.

    Returns:
        JSON values. A *distribution* over subjects is `{"n", "min", "q1", "median", "q3", "max"}`, q1 and q3 None
        for fewer than `FEW_SUBJECTS`, and None as a whole where no subject has the number.

        - `n`: subjects; `n_labelled`: those with a segmentation
        - `grids`: each combination of shape, spacing and orientation with its `n`, the most frequent first
        - `intensity`: by modality and percentile (`"p50"`) a distribution; `contrast`: by name a distribution
        - `tumour_ml`: by region a distribution; a region that a subject does not have counts as 0 mL
        - `warnings`: sentences

    Raises:
        ValueError: there are no descriptions.
    """
    if not descriptions:
        raise ValueError("no subject was described; expected one or more")
    labelled = [one["tumour_ml"] for one in descriptions if one["tumour_ml"] is not None]
    contrasts = list(dict.fromkeys(name for one in descriptions for name in one["contrast"]))
    return {
        "n": len(descriptions),
        "n_labelled": len(labelled),
        "grids": _grids(descriptions),
        "intensity": {name: _percentiles(descriptions, name) for name in MODALITIES},
        "contrast": {name: _distribution([one["contrast"].get(name) for one in descriptions]) for name in contrasts},
        "tumour_ml": {name: _distribution([volumes[name] for volumes in labelled]) for name in REGIONS},
        "warnings": _warnings(descriptions),
    }


def fingerprint_cases(cases: Iterable[Case]) -> dict:
    """The fingerprint of cases, read one after another; see `summarise_descriptions`."""
    return summarise_descriptions([describe_case(case) for case in cases])


def _ratio(numerator: float | None, denominator: float | None) -> float | None:
    return None if numerator is None or not denominator else numerator / denominator


def _tumour_to_rest(scan: Volume, tumour: np.ndarray) -> float | None:
    brain = scan.data != 0
    parts = [scan.data[brain & tumour], scan.data[brain & ~tumour]]
    return _ratio(*(float(np.median(values)) for values in parts)) if all(values.size for values in parts) else None


def _millilitres(masks: Mapping[str, np.ndarray], voxel_volume_ml: float) -> dict[str, float]:
    return {name: int(np.count_nonzero(mask)) * voxel_volume_ml for name, mask in masks.items()}


def _grids(descriptions: Sequence[Mapping]) -> list[dict]:
    counted = Counter((*one["shape"], *one["voxel_spacing_mm"], one["orientation"]) for one in descriptions)
    return [
        {"shape": list(grid[:3]), "voxel_spacing_mm": list(grid[3:6]), "orientation": grid[6], "n": n}
        for grid, n in sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    ]


def _percentiles(descriptions: Sequence[Mapping], modality: str) -> dict | None:
    rows = [one["intensity"][modality] for one in descriptions if modality in one["intensity"]]
    columns = zip(PERCENTILES, zip(*rows, strict=True), strict=True) if rows else ()
    return {f"p{percentile}": _distribution(values) for percentile, values in columns} or None


def _distribution(values: Sequence[float | None]) -> dict | None:
    defined = [value for value in values if value is not None]
    if not defined:
        return None
    low, q1, median, q3, high = (float(f"{value:.4g}") for value in np.percentile(defined, (0, 25, 50, 75, 100)))
    few = len(defined) < FEW_SUBJECTS
    return {
        "n": len(defined), "min": low, "q1": None if few else q1, "median": median, "q3": None if few else q3,
        "max": high,
    }  # fmt: skip


def _warnings(descriptions: Sequence[Mapping]) -> list[str]:
    found, n = [], len(descriptions)
    if n < FEW_SUBJECTS:
        who = "1 subject" if n == 1 else f"{n} subjects"
        found.append(f"The fingerprint is of {who}: too few to describe a site, and single ones can be read off it.")
    if unlabelled := sum(one["tumour_ml"] is None for one in descriptions):
        found.append(f"{unlabelled} of {n} subjects have no segmentation: tumour volumes are of the others.")
    if len({tuple(one["voxel_spacing_mm"]) for one in descriptions}) > 1:
        found.append("The subjects' voxel spacings differ.")
    return found
