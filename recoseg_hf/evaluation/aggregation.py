"""Many subjects as one result: means and pooled scores with their intervals, and always the n they stand on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from recoseg_hf.evaluation.intervals import bootstrap_ratio_interval
from recoseg_hf.evaluation.protocols import PROTOCOLS
from recoseg_hf.evaluation.scores import SECTIONS, Terms, path_terms


def aggregate(
    records: Sequence[Mapping],
    seed: int = 0,
    resamples: int = 10_000,
    level: float = 0.95,
    protocol: str = "volume",
) -> dict:
    """Summarise a cohort.

    Args:
        records: one per subject, all of one region: what `compare_case` returns (`compare_case_as_paper` for the
            protocol "paper"), and beside it, where there is such, what `compare_shape` returns, under `synthesis` what
            `compare_synthesis` returns and under `cues` what `compare_cues` returns. Other entries, such as
            `subject`, pass through.
        seed: of the bootstrap.
        resamples: of the bootstrap.
        level: of the intervals, see `intervals.bootstrap_interval`.
        protocol: that the records were made by, one of `protocols.PROTOCOLS`; it is only written down.

    Returns:
        JSON values. A *statistic* is `{"value", "interval", "n", "n_undefined"}`: n subjects have the score, and
        n_undefined have none and do not count in the value; the interval [low, high] is by subject, None where n < 2.

        - `protocol`; `oracle_slices`: whether the reference chose the slices; `region`; `n`: subjects
        - `bootstrap`: seed, resamples and level
        - `outcomes`: number of subjects by `metrics.Counts.outcome`: how many masks are empty, and on which side
        - `volume`: the mean over subjects of `dice`, `iou`, `precision` and `recall`, a statistic each
        - `slice`: the mean `dice` and `iou` over all axial slices of all subjects, a statistic each, over `n_slices`;
          the `n_slices_both_empty` slices that are empty in both masks are left out
        - `pooled`: `dice` and `iou` of the voxels of all subjects together, a statistic each
        - `millilitres`: the mean `reference_ml`, `prediction_ml`, `volume_error_ml` (signed), `false_positive_ml` and
          `absolute_volume_error_ml`, a statistic each
        - `surface`: the mean `hd95_mm` (of subjects with a tumour in both masks), `hd95_penalized_mm` and `nsd`, a
          statistic each, and `nsd_tolerance_mm`; None where no record has any
        - `lesions`: the mean `dice`, lesion-wise, over subjects, the share `found` of all lesions of all subjects, and
          how many are `invented` in a subject, a statistic each; None where no record has any
        - `synthesis`: as `aggregate_synthesis`, or None where no record has any
        - `cues`: for each cue and region the mean `average_precision` and `prevalence`, a statistic each; None where
          no record has any
        - `subjects`: the records

    Raises:
        ValueError: there are no records, records of several regions, or of several tolerances of the NSD.
    """
    regions = {record["region"] for record in records}
    if len(regions) != 1:
        raise ValueError(f"expected records of one region; found {len(records)} of {sorted(regions)}")
    bootstrap = {"seed": seed, "resamples": resamples, "level": level}
    optional = ("surface", "lesions", "synthesis", "cues")
    held = {name: [record for record in records if record.get(name)] for name in optional}
    outcomes = Counter(record["outcome"] for record in records)
    return {
        "protocol": protocol,
        "oracle_slices": PROTOCOLS[protocol].oracle_slices,
        "region": regions.pop(),
        "n": len(records),
        "bootstrap": bootstrap,
        "outcomes": dict(outcomes),
        "volume": _statistics(records, SECTIONS["volume"], bootstrap),
        "slice": _slice_statistics(records, bootstrap),
        "pooled": _statistics(records, SECTIONS["pooled"], bootstrap),
        "millilitres": _statistics(records, SECTIONS["millilitres"], bootstrap),
        "surface": _surface_statistics(held["surface"], bootstrap),
        "lesions": _statistics(held["lesions"], SECTIONS["lesions"], bootstrap),
        "synthesis": aggregate_synthesis([record["synthesis"] for record in held["synthesis"]], **bootstrap),
        "cues": _cue_statistics([record["cues"] for record in held["cues"]], bootstrap),
        "subjects": [dict(record) for record in records],
    }


def aggregate_synthesis(
    comparisons: Sequence[Mapping], seed: int = 0, resamples: int = 10_000, level: float = 0.95
) -> dict | None:
    """Summarise the synthetic T1ce of a cohort.

    Args:
        comparisons: what `compare_synthesis` returns, one per subject.
        seed: of the bootstrap, as are `resamples` and `level`.

    Returns:
        JSON values: the mean over subjects of `psnr`, `ssim` and `relative_mae`, a statistic each (see `aggregate`),
        the same under `tumour` for each region (None where no subject was compared there), and under `flicker` the
        mean `through_plane` and `in_plane`.
        MAE in source units has no mean here, since these units differ between scans. None without comparisons.
    """
    if not comparisons:
        return None
    bootstrap = {"seed": seed, "resamples": resamples, "level": level}
    in_tumour = [one["tumour"] for one in comparisons if one.get("tumour")]
    regions = dict.fromkeys(region for one in in_tumour for region in one)
    likeness = {name: path_terms(name) for name in ("psnr", "ssim", "relative_mae")}
    roughness = {name: path_terms(name) for name in ("through_plane", "in_plane")}
    return {
        **_statistics(comparisons, likeness, bootstrap),
        "tumour": {region: _statistics([one[region] for one in in_tumour], likeness, bootstrap) for region in regions}
        or None,
        "flicker": _statistics([one["flicker"] for one in comparisons if "flicker" in one], roughness, bootstrap),
    }


def statistic(terms: Sequence[tuple[float, float]], bootstrap: Mapping) -> dict:
    """Return sum(numerators) / sum(denominators) as a statistic; a subject with denominator 0 has no score."""
    defined = [term for term in terms if term[1]]
    numerators, denominators = [term[0] for term in defined], [term[1] for term in defined]
    interval = bootstrap_ratio_interval(numerators, denominators, **bootstrap)
    return {
        "value": sum(numerators) / sum(denominators) if defined else None,
        "interval": list(interval) if interval else None,
        "n": len(defined),
        "n_undefined": len(terms) - len(defined),
    }


def mean_statistic(values: Sequence[float | None]) -> dict:
    """Return the mean over subjects as a statistic, with the bootstrap of `aggregate`; None has no score."""
    bootstrap = {"seed": 0, "resamples": 10_000, "level": 0.95}
    return statistic([(0, 0) if value is None else (value, 1) for value in values], bootstrap)


def _statistics(records: Sequence[Mapping], scores: Mapping[str, Terms], bootstrap: Mapping) -> dict | None:
    """Return a statistic for each score; None without records."""
    if not records:
        return None
    return {name: statistic([terms(record) for record in records], bootstrap) for name, terms in scores.items()}


def _slice_statistics(records: Sequence[Mapping], bootstrap: Mapping) -> dict:
    slices = [record["slices"] for record in records]
    empty = sum(one["n_both_empty"] for one in slices)
    numbers = {"n_slices": sum(one["n"] for one in slices) - empty, "n_slices_both_empty": empty}
    return {**_statistics(records, SECTIONS["slice"], bootstrap), **numbers}


def _surface_statistics(records: Sequence[Mapping], bootstrap: Mapping) -> dict | None:
    tolerances = {record["surface"]["tolerance_mm"] for record in records}
    if len(tolerances) > 1:
        raise ValueError(f"expected one tolerance of the NSD; found {sorted(tolerances)} mm")
    if not records:
        return None
    return {**_statistics(records, SECTIONS["surface"], bootstrap), "nsd_tolerance_mm": tolerances.pop()}


def _cue_statistics(cues: Sequence[Mapping], bootstrap: Mapping) -> dict | None:
    scores = {name: path_terms(name) for name in ("average_precision", "prevalence")}
    names = dict.fromkeys(name for one in cues for name in one)
    by_cue = {name: [one[name] for one in cues if name in one] for name in names}
    return {
        name: {region: _statistics([one[region] for one in found], scores, bootstrap) for region in found[0]}
        for name, found in by_cue.items()
    } or None
