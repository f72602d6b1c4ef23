"""From measures to suspicions, in words for whoever reads the scans."""

from __future__ import annotations

import math
from collections.abc import Iterator

from recoseg_hf.inference.doctor.head_size import suspect_size
from recoseg_hf.inference.doctor.limits import Limits
from recoseg_hf.inference.doctor.measuring import Measures
from recoseg_hf.inference.doctor.signs import mirrored_apart, misplaced_apart, weighting
from recoseg_hf.inference.doctor.unlike import suspect_inversion, suspect_texture
from recoseg_hf.inference.doctor.words import NAMES, Suspicion, listed, verb, who


def judge(measures: Measures, limits: Limits) -> list[Suspicion]:
    """Say what a case's measures give reason to suspect, the plainest first.

    An inverted scan goes before swapped ones, whose signs it shows too; noise and thick slices are said only where
    nothing else explains them.
    """
    found = [*suspect_size(measures, limits), *_sides_and_places(measures, limits)]
    if all(one.cause != "skull" for one in found):  # scalp and air have contrasts of their own
        found += [*suspect_inversion(measures, limits)] or _names(measures, limits)
    return found or [*suspect_texture(measures, limits)]


def _sides_and_places(measures: Measures, limits: Limits) -> Iterator[Suspicion]:
    sides = mirrored_apart(measures)
    flipped = sides.smallest > limits.mirrored_gain
    if flipped:
        yield Suspicion(
            "flipped",
            sides.names,
            f"{who(sides)} {verb(sides.names, 'fits', 'fit')} {listed(sides.others)} better with left and right "
            f"exchanged (likeness {math.exp(sides.smallest):.1f} times as high): were "
            f"{verb(sides.names, 'its', 'their')} voxels flipped?",
            sides.smallest,
            limits.mirrored_gain,
        )
    places = misplaced_apart(measures, sides.names if flipped else ())
    mirrored_about_another_middle = flipped and places.names == sides.names
    if places.smallest > limits.misplaced_mm and not mirrored_about_another_middle:
        yield Suspicion(
            "misplaced",
            places.names,
            f"{who(places)} {verb(places.names, 'lies', 'lie')} about {places.typical:.0f} mm from where "
            f"{listed(places.others)} {verb(places.others, 'shows', 'show')} the same anatomy: are they "
            f"co-registered?",
            places.smallest,
            limits.misplaced_mm,
            "mm",
        )


def _names(measures: Measures, limits: Limits) -> Iterator[Suspicion]:
    if measures.enhancement is not None:
        margin, likeliest = weighting(measures)
        if margin < limits.weighting:
            one, other = (NAMES[name] for name in likeliest)
            yield Suspicion(
                "swapped",
                likeliest,
                f"T1 does not go with T1ce, and FLAIR with T2, as the weightings of these scans lead one to expect: "
                f"were {one} and {other} swapped?",
                margin,
                limits.weighting,
            )
            return
    turned = measures.tails["t2"] - measures.tails["t1"]
    if measures.enhancement is None and turned < limits.tail_difference:  # with T1ce, its weighting tells better
        yield Suspicion(
            "swapped",
            ("t1", "t2"),
            "Fluid seems to be dark on T2 and bright on T1, against what is expected: were T1-weighted and "
            "T2-weighted files given under each other's name?",
            turned,
            limits.tail_difference,
        )
        return
    if measures.fluid_on_t2 < limits.fluid_on_t2:
        yield Suspicion(
            "swapped",
            ("flair", "t2"),
            "Where fluid is expected (dark on T1), FLAIR is bright and T2 is dark: were the two swapped?",
            measures.fluid_on_t2,
            limits.fluid_on_t2,
        )
    if measures.enhancement is not None and measures.enhancement < limits.enhancement:
        yield Suspicion(
            "swapped",
            ("t1", "t1ce"),
            "T1ce is darker than T1 where vessels and enhancing tissue are expected: were the two swapped?",
            measures.enhancement,
            limits.enhancement,
        )
