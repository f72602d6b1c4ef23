"""What each scan's contrast says it is, whatever its name: numbers without units of intensity."""

from __future__ import annotations

import itertools

import numpy as np

from recoseg_hf.inference.doctor.scans import Scans

_FLUID_SHARE = 0.1  # of the brain's voxels: those darkest on T1 are fluid, mostly
_APART = 0.4  # ranks that differ by more disagree
_PERCENTILES = (1, 5, 25, 75, 95, 99)


def enhancement(scans: Scans) -> float | None:
    """Lopsidedness of T1ce minus T1, -1 to 1: above 0 where single places are brighter on T1ce, as vessels are.

    None without T1ce.
    """
    if "t1ce" not in scans.images:
        return None
    before, after = (_standardised(scans.even[name][scans.brain]) for name in ("t1", "t1ce"))
    low, middle, high = np.percentile(after - before, (0.5, 50, 99.5))
    return float((high + low - 2 * middle) / max(high - low, 1e-6))


def fluid_on_t2(scans: Scans) -> float:
    """Of the places dark on T1 where T2 and FLAIR disagree, the share bright on T2 less that bright on FLAIR, -1 to 1.

    Fluid is bright on T2 alone; oedema and tumour, which are bright on both, do not count.
    """
    ranks = {name: _ranks(image[scans.brain]) for name, image in scans.even.items()}
    darkness = ranks["t1"] + ranks["t1ce"] if "t1ce" in ranks else ranks["t1"]
    dark = darkness <= np.quantile(darkness, _FLUID_SHARE)
    apart = ranks["t2"][dark] - ranks["flair"][dark]
    on_t2, on_flair = np.count_nonzero(apart > _APART), np.count_nonzero(apart < -_APART)
    return (on_t2 - on_flair) / max(on_t2 + on_flair, 1)


def tail(scans: Scans, name: str) -> float:
    """Lopsidedness of a scan's intensities, -1 to 1: fluid is a bright tail on T2 and a dark one on T1 and FLAIR."""
    low, middle, high = np.percentile(scans.even[name][scans.brain], (1, 50, 99))
    return float((high + low - 2 * middle) / max(high - low, 1e-6))


def profile(scans: Scans) -> dict[str, float]:
    """Describe the scans by numbers that do not depend on their units: spread, tails, grain, how they go together."""
    found = {}
    ranks = {}
    for name, image in scans.images.items():
        values = image[scans.brain]
        ranks[name] = _ranks(scans.even[name][scans.brain])
        quantiles = np.percentile(_standardised(values), _PERCENTILES)
        found |= {f"{name} p{part}": float(value) for part, value in zip(_PERCENTILES, quantiles, strict=True)}
        found[f"{name} spread"] = float(np.subtract(*np.percentile(values, (75, 25))) / abs(np.median(values)))
        found[f"{name} grain"] = scans.grain[name]
    for one, other in itertools.combinations(ranks, 2):
        found[f"{one}-{other} correlation"] = float(np.corrcoef(ranks[one], ranks[other])[0, 1])
    return found


def _standardised(values: np.ndarray) -> np.ndarray:
    low, middle, high = np.percentile(values, (25, 50, 75))
    return (values - middle) / max(high - low, 1e-6)


def _ranks(values: np.ndarray) -> np.ndarray:
    ranks = np.empty(len(values))
    ranks[np.argsort(values, kind="stable")] = np.linspace(0, 1, len(values))
    return ranks
