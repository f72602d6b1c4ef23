"""Whether what is not zero has the size and form of a brain."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from recoseg_hf.inference.doctor.limits import Limits
from recoseg_hf.inference.doctor.measuring import Measures
from recoseg_hf.inference.doctor.signs import elongation, head_scale
from recoseg_hf.inference.doctor.words import NAMES, Suspicion, listed, times, volume


def suspect_size(measures: Measures, limits: Limits) -> Iterator[Suspicion]:
    """A wrong spacing or a skull: at most one of them, since either makes the head too large."""
    emptiest = min(measures.background, key=measures.background.__getitem__)
    if measures.background[emptiest] < limits.least_background:
        yield _unstripped_air(emptiest, measures, limits)
        return
    scale = head_scale(measures)
    if not limits.scale[0] <= scale <= limits.scale[1]:
        yield _wrong_scale(scale, measures, limits)
        return
    longer, axis = elongation(measures, limits)
    # A head is longer than a brain too; but shortened to a brain's form, it is still too large for one.
    shortened = max(measures.filled_ml.values()) / math.exp(longer)
    if abs(longer) > limits.elongation and shortened <= limits.largest_brain_ml:
        yield _wrong_axis(longer, axis, measures, limits)
        return
    yield from _too_large(measures, limits)


def _unstripped_air(name: str, measures: Measures, limits: Limits) -> Suspicion:
    share = measures.background[name]
    low = tuple(other for other, value in measures.background.items() if value < limits.least_background)
    return Suspicion(
        "skull",
        low,
        f"Only {share:.0%} of {listed(low)} is zero, and of a skull-stripped scan more than "
        f"{limits.least_background:.0%} is: was the skull stripped, and the air around the head set to 0?",
        100 * share,
        100 * limits.least_background,
        "%",
    )


def _wrong_scale(scale: float, measures: Measures, limits: Limits) -> Suspicion:
    passed = limits.scale[0] if scale < 1 else limits.scale[1]
    millilitres = float(np.median([*measures.filled_ml.values()]))
    size = " x ".join(f"{mm:.0f}" for mm in measures.extent_mm)
    return Suspicion(
        "spacing",
        (),
        f"By the headers the brain is {size} mm and {volume(millilitres)} large, about {times(scale)} a brain's "
        f"length and breadth: is the voxel spacing in mm, and that of these scans?",
        scale,
        passed,
    )


def _wrong_axis(longer: float, axis: int, measures: Measures, limits: Limits) -> Suspicion:
    direction = ("from right to left", "from front to back", "from bottom to top")[axis]
    factor = math.exp(longer)
    return Suspicion(
        "spacing",
        (),
        f"By the headers the brain measures {measures.extent_mm[axis]:.0f} mm {direction}, {factor:.2g} times what "
        f"its other sides lead one to expect: is the voxel spacing (the slice thickness) right, the whole brain in "
        f"the scan, and the skull stripped?",
        factor,
        math.exp(math.copysign(limits.elongation, longer)),
    )


def _too_large(measures: Measures, limits: Limits) -> Iterator[Suspicion]:
    large = tuple(name for name, value in measures.filled_ml.items() if value > limits.largest_brain_ml)
    if large:
        most = max(measures.filled_ml[name] for name in large)
        yield Suspicion(
            "skull",
            large,
            f"{volume(most)} of {listed(large)} are not zero, more than a brain has: was the skull stripped?",
            most,
            limits.largest_brain_ml,
            "mL",
        )
        return
    least = min(measures.filled_ml, key=measures.filled_ml.__getitem__)
    larger = {name: value / measures.filled_ml[least] for name, value in measures.filled_ml.items()}
    large = tuple(name for name, ratio in larger.items() if ratio > limits.file_ratio)
    if large:
        yield Suspicion(
            "skull",
            large,
            f"{volume(measures.filled_ml[large[0]])} of {listed(large)} are not zero, but {NAMES[least]} shows "
            f"{volume(measures.filled_ml[least])}: were the skulls stripped alike?",
            max(larger.values()),
            limits.file_ratio,
        )
