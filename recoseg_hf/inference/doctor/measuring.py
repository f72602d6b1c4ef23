"""Everything that is measured of a case, as plain numbers; `judging` says what they mean."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.volume import Volume
from recoseg_hf.inference.doctor import contrast
from recoseg_hf.inference.doctor.motion import Match, Picture, displacement_mm, match
from recoseg_hf.inference.doctor.scans import SPACING_MM, Scans, reduce_case
from recoseg_hf.inference.doctor.texture import Texture
from recoseg_hf.pipeline.conventions import MODALITIES

TYPICAL_BRAIN_ML = 1450.0
_BELIEVED = (1 / 1.6, 1.6)  # times the typical size; outside, the header's spacing is not used for anything else


@dataclass(frozen=True)
class Pair:
    """How two scans of a case lie to one another.

    Attributes:
        distance_mm: by which one has to be moved to fit best on the other, root mean square over the brain.
        likeness: squared correlation in small windows after that, 0 to 1.
        mirrored_distance_mm, mirrored_likeness: the same with the left and right of one exchanged.
    """

    distance_mm: float
    likeness: float
    mirrored_distance_mm: float
    mirrored_likeness: float


@dataclass(frozen=True)
class Measures:
    """Of one case.

    Attributes:
        filled_ml: what is not zero, by modality, in mL.
        background: share of the voxels that is zero, by modality.
        extent_mm: of the brain, from right to left, front to back and bottom to top.
        pairs: by the two modalities' names.
        enhancement, fluid_on_t2, tails: of `contrast`.
        correlations, inversions: of `contrast`; the latter empty without T1ce.
        textures: by modality.
    """

    filled_ml: dict[str, float]
    background: dict[str, float]
    extent_mm: tuple[float, float, float]
    pairs: dict[tuple[str, str], Pair]
    enhancement: float | None
    fluid_on_t2: float
    tails: dict[str, float]
    correlations: dict[str, float]
    inversions: dict[str, float]
    textures: dict[str, Texture]

    def pair(self, one: str, other: str) -> Pair:
        """The two scans' pair, in whichever order they are named."""
        return self.pairs[(one, other) if (one, other) in self.pairs else (other, one)]

    def to_json(self) -> dict[str, Any]:
        """As JSON values; a pair's key is `flair-t1`."""
        pairs = {"-".join(names): vars(pair) for names, pair in self.pairs.items()}
        return {**vars(self), "pairs": pairs, "textures": {name: vars(one) for name, one in self.textures.items()}}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Measures:
        """Undo `to_json`."""
        pairs = {tuple(names.split("-")): Pair(**pair) for names, pair in values["pairs"].items()}
        textures = {name: Texture(**one) for name, one in values["textures"].items()}
        extent = tuple(values["extent_mm"])
        return cls(**{**values, "pairs": pairs, "extent_mm": extent, "textures": textures})


def measure_case(case: Case) -> Measures:
    """Measure a case; takes a few seconds.

    Args:
        case: with or without T1ce; its segmentation is not looked at.
    """
    volumes = {name: volume for name, volume in case.volumes().items() if name in MODALITIES}
    filled = {name: np.count_nonzero(volume.data) * volume.voxel_volume_ml for name, volume in volumes.items()}
    background = {name: 1 - np.count_nonzero(volume.data) / volume.data.size for name, volume in volumes.items()}
    scans = reduce_case(volumes, believable_scale(filled, background))
    return Measures(
        filled_ml={name: round(float(value), 1) for name, value in filled.items()},
        background={name: round(float(value), 4) for name, value in background.items()},
        extent_mm=extent_mm(volumes),
        pairs=measure_pairs(scans),
        **measure_contrast(scans),
    )


def believable_scale(filled: Mapping[str, float], background: Mapping[str, float]) -> float:
    """What the spacing is to be multiplied with so that there is a brain of usual size; 1 where there may be one."""
    if min(background.values()) < 0.2:  # what is not zero is the field of view, and says nothing
        return 1.0
    factor = (float(np.median([*filled.values()])) / TYPICAL_BRAIN_ML) ** (1 / 3)
    return 1.0 if _BELIEVED[0] <= factor <= _BELIEVED[1] else 1 / factor


def extent_mm(volumes: Mapping[str, Volume]) -> tuple[float, float, float]:
    """Size of the box around what is not zero in FLAIR, along the world's axes in mm."""
    from recoseg_hf.imaging.grids import to_ras

    flair = volumes["flair"]
    data, affine = to_ras(flair.data != 0, flair.affine)
    counts = []
    for axis in range(3):
        there = np.flatnonzero(data.any(axis=tuple(other for other in range(3) if other != axis)))
        counts.append(int(there[-1]) - int(there[0]) + 1)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    return tuple(round(float(size), 1) for size in counts * spacing)


def measure_contrast(scans: Scans) -> dict[str, Any]:
    """The part of `Measures` that is about contrast and texture."""
    return {
        "enhancement": contrast.enhancement(scans),
        "fluid_on_t2": contrast.fluid_on_t2(scans),
        "tails": {name: contrast.tail(scans, name) for name in scans.images},
        "correlations": contrast.correlations(scans),
        "inversions": contrast.inversions(scans),
        "textures": scans.textures,
    }


def measure_pairs(scans: Scans, changed: str | None = None) -> dict[tuple[str, str], Pair]:
    """Match every two scans, as they are and with one of them mirrored.

    Args:
        scans: of the case.
        changed: only pairs with this scan.
    """
    pictures = {
        name: Picture(np.where(scans.brain, even, 1), scans.brain, SPACING_MM) for name, even in scans.even.items()
    }
    chosen = [names for names in itertools.combinations(pictures, 2) if changed is None or changed in names]
    return {names: _pair(*(pictures[name] for name in names)) for names in chosen}


def _pair(fixed: Picture, moving: Picture) -> Pair:
    plain, mirrored = match(fixed, moving), match(fixed, moving.mirrored())

    def distance(found: Match) -> float:
        return round(displacement_mm(found.motion, fixed.brain, fixed.spacing), 3)

    return Pair(distance(plain), round(plain.likeness, 4), distance(mirrored), round(mirrored.likeness, 4))
