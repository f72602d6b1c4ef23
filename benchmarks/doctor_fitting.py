"""The limits of `recoseg doctor` from cases that are clean and the same with faults, for `measure_doctor.py`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from recoseg_hf.inference.doctor.limits import Limits
from recoseg_hf.inference.doctor.measuring import Measures
from recoseg_hf.inference.doctor.signs import elongation, mirrored_apart, misplaced_apart, weighting
from recoseg_hf.pipeline.conventions import MODALITIES

Known = dict[str, dict[str, Measures]]
"""Measures by subject and fault, `clean` among them."""

_FLIPS = ("flipped file", "flipped before registration")
_CROSSWISE = tuple(f"swapped {names}" for names in ("t1 and t2", "flair and t1", "t1ce and t2", "flair and t1ce"))
_FAR_OUT = 6  # spreads
_NOISE_MARGIN, _STEPS_MARGIN = 1.5, 1.25  # times the worst of the clean cases; that part of the least of them
_INVERSION_MARGIN = 0.05
# Not fitted. Above 1.6 times a brain (5.9 L) it is no head either, with scalp, face and neck.
_GIVEN = {"least_background": 0.2, "scale": (0.7, 1.6)}


def fit_limits(known: Known) -> Limits:
    """Choose the limits on some subjects.

    Where clean and faulty cases do not overlap, half way between the worst of both; where they do, or where a fault
    has no end (a displacement may be small), beyond the worst clean case by the clean cases' own spread.
    """
    clean = [faults["clean"] for faults in known.values()]
    usual_extent = tuple(float(size) for size in np.median([one.extent_mm for one in clean], axis=0))
    unfitted = Limits(
        misplaced_mm=0, mirrored_gain=0, enhancement=0, fluid_on_t2=0, weighting=0, tail_difference=0, elongation=0,
        largest_brain_ml=0, file_ratio=1.2, inversion=0, noise={}, steps={},
        usual_extent_mm=usual_extent, **_GIVEN,
    )  # fmt: skip
    return Limits(
        **{
            **vars(unfitted),
            "misplaced_mm": beyond([misplaced_apart(one).smallest for one in clean]),
            "mirrored_gain": between(known, lambda one: mirrored_apart(one).smallest, _FLIPS),
            "enhancement": -between(known, lambda one: -one.enhancement, ("swapped t1 and t1ce",)),
            "fluid_on_t2": -between(known, lambda one: -one.fluid_on_t2, ("swapped flair and t2",)),
            "weighting": -between(known, lambda one: -weighting(one)[0], _CROSSWISE),
            "tail_difference": -between(known, lambda one: one.tails["t1"] - one.tails["t2"], ("swapped t1 and t2",)),
            "elongation": beyond([abs(elongation(one, unfitted)[0]) for one in clean]),
            "largest_brain_ml": beyond([max(one.filled_ml.values()) for one in clean]),
            "inversion": max(worst_inversion(known), 0) + _INVERSION_MARGIN,
            "noise": {name: _NOISE_MARGIN * max(one.textures[name].noise for one in clean) for name in MODALITIES},
            "steps": {name: min(one.textures[name].steps for one in clean) / _STEPS_MARGIN for name in MODALITIES},
        }
    )


def worst_inversion(known: Known) -> float:
    """How much a scan seems inverted at most where none is, be two swapped or not."""
    return max(
        max(measures.inversions.values())
        for faults in known.values()
        for fault, measures in faults.items()
        if fault == "clean" or fault.startswith("swapped")
    )


def beyond(clean: Sequence[float]) -> float:
    """The worst of the clean values and their spread on top; one that lies far out is no clean case, whatever it says.

    Among the subjects as published there is one whose T2 is turned against the other scans.
    """
    values = np.array(clean)
    far_out = values > np.median(values) + _FAR_OUT * spread(values)
    return float(values[~far_out].max() + spread(values))


def between(known: Known, value: Callable[[Measures], float], faults: Sequence[str]) -> float:
    """Half way from the worst clean value to the least faulty one; `beyond` the clean ones where these overlap."""
    clean = [value(measures["clean"]) for measures in known.values()]
    faulty = [value(measures[fault]) for measures in known.values() for fault in faults if fault in measures]
    return (max(clean) + min(faulty)) / 2 if faulty and max(clean) < min(faulty) else beyond(clean)


def spread(values: np.ndarray) -> float:
    """Standard deviation of a normal distribution with this median absolute deviation."""
    return float(1.4826 * np.median(np.abs(values - np.median(values))))
