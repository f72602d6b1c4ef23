"""How well a continuous cue (a residual, an intensity) picks out a mask, at every threshold at once.

NumPy, because a volume's brain has a million voxels: MONAI's average precision walks over them one by one in Python,
and scikit-learn is in none of our extras for this. The tests hold these functions to both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from recoseg_hf.evaluation.metrics.arrays import cut_to
from recoseg_hf.pipeline.conventions import REGIONS, region_masks

RECALLS = tuple(np.linspace(0.05, 1, 20).round(2).tolist())
"""Where `precision_at_recalls` looks by default."""


def average_precision(cue: np.ndarray, mask: np.ndarray, inside: np.ndarray) -> float | None:
    """Return the area under the precision-recall curve of a cue that is high where the mask is.

    The sum over thresholds of (R_n - R_{n-1}) P_n, not the trapezoidal area, which is too optimistic (Davis and
    Goadrich 2006, 10.1145/1143844.1143874). Voxels of one value are taken together. A cue that knows nothing has the
    mask's share of the voxels, see `prevalence`.

    Args:
        cue: any shape and units; only its order counts.
        mask: of that shape; every non-zero voxel is positive.
        inside: bool, of that shape: the voxels that are judged, such as the brain's.

    Returns:
        In (0, 1]; None where no voxel inside is positive.

    Raises:
        ValueError: the shapes differ, or a value inside is not finite.
    """
    return rank(cue, inside).average_precision(mask)


def prevalence(mask: np.ndarray, inside: np.ndarray) -> float | None:
    """Return the mask's share of the voxels inside, what guessing scores; None where nothing is inside."""
    positive = (np.asarray(mask) != 0)[np.asarray(inside, dtype=bool)]
    return float(positive.mean()) if positive.size else None


def precision_recall_curve(
    cue: np.ndarray, mask: np.ndarray, inside: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Return the operating points of a cue: one for each value that it takes inside, the highest first.

    Arguments and errors as `average_precision`.

    Returns:
        (threshold, precision, recall), float64 each: of the voxels whose cue is `threshold` or more, the share that
        is positive; and the share of all positive ones that these are. None where no voxel inside is positive.
    """
    return rank(cue, inside).curve(mask)


def precision_at_recalls(
    cue: np.ndarray, mask: np.ndarray, inside: np.ndarray, recalls: Sequence[float] = RECALLS
) -> list[float] | None:
    """Return the precision where a falling threshold first reaches each recall, so that subjects can be averaged.

    Args:
        recalls: in (0, 1]. The other arguments and errors are those of `average_precision`.

    Returns:
        One precision for each recall; None where no voxel inside is positive.
    """
    return rank(cue, inside).precision_at(mask, recalls)


def static_residual(t1: np.ndarray, t1ce: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """Return |T1ce - T1|, the clinical subtraction map: a cue that needs no model.

    Each scan is clipped at its 1st and 99th percentile in the brain and mapped to [0, 1], as the paper normalises.

    Args:
        t1, t1ce: one shape, source units.
        brain: bool, of that shape.

    Returns:
        float64 in [0, 1], 0 outside the brain.

    Raises:
        ValueError: a scan has one intensity only in the brain.
    """
    brain = np.asarray(brain, dtype=bool)
    return np.where(brain, np.abs(_unit(t1ce, brain, "T1ce") - _unit(t1, brain, "T1")), 0)


def compare_cues(cues: Mapping[str, np.ndarray], labels: np.ndarray, inside: np.ndarray) -> dict[str, dict]:
    """Judge one subject's cues against each region of its reference.

    Args:
        cues: by name, each of the shape of `labels`.
        labels: {0, 1, 2, 4} or {0, 1, 2, 3}.
        inside: bool, of that shape: the brain.

    Returns:
        JSON values: for each cue and region (`wt`, `tc`, `et`) its `average_precision`, None where the region is
        empty, and the `prevalence` of the region in the brain, which is what guessing scores.

    Raises:
        ValueError: as `average_precision`.
    """
    inside, labels, *images = cut_to(np.asarray(inside, dtype=bool), np.asarray(labels), *cues.values())
    masks = region_masks(labels)
    shares = {region: prevalence(masks[region], inside) for region in REGIONS}
    found = {}
    for name, cue in zip(cues, images, strict=True):
        ranked = rank(cue, inside)  # sorting is what takes time, and all regions share it
        found[name] = {
            region: {"average_precision": ranked.average_precision(masks[region]), "prevalence": shares[region]}
            for region in REGIONS
        }
    return found


@dataclass(frozen=True)
class Ranked:
    """The voxels inside, the highest of the cue first.

    Attributes:
        inside: bool, where they are.
        order: their ranks, as indices into the voxels inside.
        last: the rank of the last voxel of each value.
        values: those values.
    """

    inside: np.ndarray
    order: np.ndarray
    last: np.ndarray
    values: np.ndarray

    def curve(self, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """As `precision_recall_curve`."""
        mask = np.asarray(mask) != 0
        if mask.shape != self.inside.shape:
            raise ValueError(f"shapes differ: cue {self.inside.shape}, mask {mask.shape}")
        found = np.cumsum(mask[self.inside][self.order])
        if not (found.size and found[-1]):
            return None
        at_last = found[self.last]
        return self.values, at_last / (self.last + 1), at_last / found[-1]

    def average_precision(self, mask: np.ndarray) -> float | None:
        """As the function of that name."""
        curve = self.curve(mask)
        if curve is None:
            return None
        _, precision, recall = curve
        return float(np.sum(np.diff(recall, prepend=0) * precision))

    def precision_at(self, mask: np.ndarray, recalls: Sequence[float]) -> list[float] | None:
        """As `precision_at_recalls`."""
        curve = self.curve(mask)
        if curve is None:
            return None
        _, precision, recall = curve
        places = np.searchsorted(recall, np.asarray(recalls) - 1e-12)
        return precision[np.minimum(places, len(recall) - 1)].tolist()


def rank(cue: np.ndarray, inside: np.ndarray) -> Ranked:
    """Sort the voxels inside by a cue, for several masks; arguments and errors as `average_precision`."""
    cue, inside = np.asarray(cue), np.asarray(inside, dtype=bool)
    if cue.shape != inside.shape:
        raise ValueError(f"shapes differ: cue {cue.shape}, inside {inside.shape}")
    values = cue[inside].astype(cue.dtype if cue.dtype == np.float32 else np.float64)
    if not np.isfinite(values).all():
        raise ValueError("the cue holds NaN or Inf inside")
    order = np.argsort(-values)  # equal values may come in any order: only the last of them is looked at
    values = values[order]
    last = np.flatnonzero(np.append(values[1:] != values[:-1], np.ones(min(len(values), 1), bool)))
    return Ranked(inside, order, last, values[last].astype(np.float64))


def _unit(scan: np.ndarray, brain: np.ndarray, name: str) -> np.ndarray:
    low, high = np.percentile(np.asarray(scan)[brain], [1, 99]) if brain.any() else (0, 0)
    if not high > low:
        raise ValueError(f"the {name} has no contrast in the brain: {low:g} between percentiles 1 and 99")
    return np.clip((np.asarray(scan, dtype=np.float64) - low) / (high - low), 0, 1)
