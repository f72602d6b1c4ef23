"""What each scan's contrast says it is, whatever its name: numbers without units of intensity."""

from __future__ import annotations

import itertools

import numpy as np

from recoseg_hf.inference.doctor.scans import Scans

_FLUID_SHARE = 0.1  # of the brain's voxels: those darkest on T1 are fluid, mostly
_APART = 0.4  # ranks that differ by more disagree
_SURE_FLUID = 0.02  # of the brain's voxels


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
    return _lopsided(scans.even[name][scans.brain])


def correlations(scans: Scans) -> dict[str, float]:
    """Rank correlation of every two scans over the brain, by names as in `flair-t1`."""
    ranks = {name: _ranks(image[scans.brain]) for name, image in scans.even.items()}
    pairs = itertools.combinations(ranks, 2)
    return {f"{one}-{other}": float(np.corrcoef(ranks[one], ranks[other])[0, 1]) for one, other in pairs}


def inversions(scans: Scans) -> dict[str, float]:
    """By how much the scans go together better with one of them inverted than by any other explanation.

    The others: all are what they are called, or two are swapped (T1 and T1ce, which look alike, aside). Above 0 for
    the scan that is inverted. Empty without T1ce, for then too little goes together.
    """
    if "t1ce" not in scans.images:
        return {}
    values = {name: image[scans.brain] for name, image in scans.even.items()}
    seen = {name: (_ranks(part), _lopsided(part)) for name, part in values.items()}
    turned = {name: _together(seen | {name: (1 - ranks, -tail)}) for name, (ranks, tail) in seen.items()}
    swaps = (names for names in itertools.combinations(seen, 2) if set(names) != {"t1", "t1ce"})
    others = [seen, *(seen | {one: seen[other], other: seen[one]} for one, other in swaps)]
    rest = max(map(_together, others))
    return {
        name: value - max(rest, *(other for of, other in turned.items() if of != name))
        for name, value in turned.items()
    }


def _together(seen: dict[str, tuple[np.ndarray, float]]) -> float:
    """How well ranks and tails fit the names: T2 runs against T1 and T1ce, and FLAIR is dark where these say fluid."""
    ranks = {name: part for name, (part, _) in seen.items()}
    alike = np.corrcoef([ranks[name] for name in ("t1", "t1ce", "t2")])
    tails = seen["t2"][1] - seen["t1"][1] - seen["t1ce"][1]
    fluid = ranks["t2"] - ranks["t1"] - ranks["t1ce"]
    on_flair = float(np.median(ranks["flair"][fluid >= np.quantile(fluid, 1 - _SURE_FLUID)]))
    return float(alike[0, 1] - alike[0, 2] - alike[1, 2]) + 0.5 * tails + 1 - 2 * on_flair


def _lopsided(values: np.ndarray) -> float:
    low, middle, high = np.percentile(values, (1, 50, 99))
    return float((high + low - 2 * middle) / max(high - low, 1e-6))


def _standardised(values: np.ndarray) -> np.ndarray:
    low, middle, high = np.percentile(values, (25, 50, 75))
    return (values - middle) / max(high - low, 1e-6)


def _ranks(values: np.ndarray) -> np.ndarray:
    ranks = np.empty(len(values))
    ranks[np.argsort(values, kind="stable")] = np.linspace(0, 1, len(values))
    return ranks
