"""Scans that are unlike those the model was trained on: noisy, of thick slices, or of another contrast."""

from __future__ import annotations

from collections.abc import Iterator

from recoseg_hf.inference.doctor.limits import Limits
from recoseg_hf.inference.doctor.measuring import Measures
from recoseg_hf.inference.doctor.words import NAMES, Suspicion, listed, verb

_DIRECTIONS = ("from right to left", "from front to back", "from bottom to top")


def suspect_inversion(measures: Measures, limits: Limits) -> Iterator[Suspicion]:
    """One scan whose bright is the others' dark."""
    name = max(measures.inversions, key=measures.inversions.__getitem__, default=None)
    if name is not None and measures.inversions[name] > limits.inversion:
        fluid = ("bright", "dark") if name == "t2" else ("dark", "bright")
        yield Suspicion(
            "unlike",
            (name,),
            f"{NAMES[name]} goes with the other scans only with dark and bright exchanged, as if fluid, which is "
            f"{fluid[0]} on {NAMES[name]}, were {fluid[1]}: is it inverted, or another sequence?",
            measures.inversions[name],
            limits.inversion,
        )


def suspect_texture(measures: Measures, limits: Limits) -> Iterator[Suspicion]:
    """Noise and thick slices; of several scans, the one farthest beyond its limit gives the numbers."""
    noise = {name: one.noise / limits.noise[name] for name, one in measures.textures.items()}
    noisy = tuple(name for name, excess in noise.items() if excess > 1)
    if noisy:
        worst = max(noisy, key=noise.__getitem__)
        yield Suspicion(
            "unlike",
            noisy,
            f"{listed(noisy)} {verb(noisy, 'is', 'are')} noisier than the scans that the model was trained on (in "
            f"{NAMES[worst]} {measures.textures[worst].noise:.0%} of the range from dark to bright tissue): another "
            f"protocol, or motion?",
            measures.textures[worst].noise,
            limits.noise[worst],
        )
    steps = {name: one.steps / limits.steps[name] for name, one in measures.textures.items()}
    thick = tuple(name for name, share in steps.items() if share < 1)
    if thick:
        worst = min(thick, key=steps.__getitem__)
        found = measures.textures[worst]
        yield Suspicion(
            "unlike",
            thick,
            f"{listed(thick)} {verb(thick, 'varies', 'vary')} far less {_DIRECTIONS[found.axis]} than across "
            f"(in {NAMES[worst]} {found.steps:.0%} as much from one voxel to the next): thick slices, repeated or "
            f"interpolated?",
            found.steps,
            limits.steps[worst],
        )
