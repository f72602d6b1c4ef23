"""The limits beyond which a measure is suspicious, from `limits.json`.

`benchmarks/measure_doctor.py limits` writes that file, from training cases of the embedded model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

LIMITS_FILE = Path(__file__).with_name("limits.json")


@dataclass(frozen=True)
class Limits:
    """What is still taken for normal.

    Attributes:
        misplaced_mm: one scan's distance from the others, at most.
        mirrored_gain: logarithm of the likeness mirrored over that as it is, at most.
        enhancement: lopsidedness of T1ce minus T1, at least.
        fluid_on_t2: at least.
        weighting: margin by which T1 goes with T1ce, and FLAIR with T2, at least.
        tail_difference: tail of T2 less that of T1, at least.
        scale: size of the head against a usual brain's, least and most.
        elongation: logarithm of height over length and of height over width against usual ones, at most.
        largest_brain_ml: what is not zero in a scan, at most.
        least_background: share of zeros in a scan, at least.
        file_ratio: the largest file's volume over the smallest's, at most.
        inversion: by how much the scans may go together better with one inverted, at most.
        noise: by modality, at most.
        steps: by modality, at least.
        usual_extent_mm: of a brain.
    """

    misplaced_mm: float
    mirrored_gain: float
    enhancement: float
    fluid_on_t2: float
    weighting: float
    tail_difference: float
    scale: tuple[float, float]
    elongation: float
    largest_brain_ml: float
    least_background: float
    file_ratio: float
    inversion: float
    noise: Mapping[str, float]
    steps: Mapping[str, float]
    usual_extent_mm: tuple[float, float, float]


@lru_cache(maxsize=1)
def load_limits() -> Limits:
    """Read the limits that came with the package."""
    return Limits(**json.loads(LIMITS_FILE.read_text(encoding="utf-8"))["limits"])
