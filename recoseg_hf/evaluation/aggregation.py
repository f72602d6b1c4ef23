"""Many subjects as one result: means and pooled scores with their intervals, and always the n they stand on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from recoseg_hf.evaluation.intervals import bootstrap_ratio_interval

_VOLUME_SCORES = ("dice", "iou", "precision", "recall")
_MILLILITRES = ("reference_ml", "prediction_ml", "volume_error_ml", "absolute_volume_error_ml", "false_positive_ml")
_SYNTHESIS_SCORES = ("psnr", "ssim", "relative_mae")


def aggregate(records: Sequence[Mapping], seed: int = 0, resamples: int = 10_000, level: float = 0.95) -> dict:
    """Summarise a cohort: every slice of every volume counts, on the volume's own grid (the protocol "volume").

    Args:
        records: one per subject, all of one region: what `compare_case` returns, and under `synthesis`, where there is
            a synthetic T1ce, what `compare_synthesis` returns. Other entries, such as `subject`, pass through.
        seed: of the bootstrap.
        resamples: of the bootstrap.
        level: of the intervals, see `intervals.bootstrap_interval`.

    Returns:
        JSON values. A *statistic* is `{"value", "interval", "n", "n_undefined"}`: n subjects have the score, and
        n_undefined have none and do not count in the value; the interval [low, high] is by subject, None where n < 2.

        - `protocol`: "volume"; `region`; `n`: subjects; `bootstrap`: seed, resamples and level
        - `outcomes`: number of subjects by `metrics.Counts.outcome`: how many masks are empty, and on which side
        - `volume`: the mean over subjects of `dice`, `iou`, `precision` and `recall`, a statistic each
        - `slice`: the mean `dice` and `iou` over all axial slices of all subjects, a statistic each, over `n_slices`;
          the `n_slices_both_empty` slices that are empty in both masks are left out
        - `pooled`: `dice` and `iou` of the voxels of all subjects together, a statistic each
        - `millilitres`: the mean `reference_ml`, `prediction_ml`, `volume_error_ml` (signed), `false_positive_ml` and
          `absolute_volume_error_ml`, a statistic each
        - `synthesis`: as `aggregate_synthesis`, or None where no record has any
        - `subjects`: the records

    Raises:
        ValueError: there are no records, or records of several regions.
    """
    regions = {record["region"] for record in records}
    if len(regions) != 1:
        raise ValueError(f"expected records of one region; found {len(records)} of {sorted(regions)}")
    bootstrap = {"seed": seed, "resamples": resamples, "level": level}
    synthesis = [record["synthesis"] for record in records if record.get("synthesis")]
    outcomes = Counter(record["outcome"] for record in records)
    return {
        "protocol": "volume",
        "region": regions.pop(),
        "n": len(records),
        "bootstrap": bootstrap,
        "outcomes": dict(outcomes),
        "volume": _mean_statistics(records, _VOLUME_SCORES, bootstrap),
        "slice": _slice_statistics([record["slices"] for record in records], bootstrap),
        "pooled": _pooled_statistics([record["counts"] for record in records], bootstrap),
        "millilitres": _mean_statistics([_with_absolute_error(record) for record in records], _MILLILITRES, bootstrap),
        "synthesis": aggregate_synthesis(synthesis, **bootstrap) if synthesis else None,
        "subjects": [dict(record) for record in records],
    }


def aggregate_synthesis(
    comparisons: Sequence[Mapping], seed: int = 0, resamples: int = 10_000, level: float = 0.95
) -> dict:
    """Summarise the synthetic T1ce of a cohort.

    Args:
        comparisons: what `compare_synthesis` returns, one per subject.
        seed: of the bootstrap, as are `resamples` and `level`.

    Returns:
        JSON values: the mean over subjects of `psnr`, `ssim` and `relative_mae`, a statistic each (see `aggregate`).
        MAE in source units has no mean here, since these units differ between scans.
    """
    bootstrap = {"seed": seed, "resamples": resamples, "level": level}
    return _mean_statistics(comparisons, _SYNTHESIS_SCORES, bootstrap)


def _mean_statistics(records: Sequence[Mapping], scores: Iterable[str], bootstrap: dict) -> dict:
    return {
        score: _statistic([(0, 0) if record[score] is None else (record[score], 1) for record in records], bootstrap)
        for score in scores
    }


def _slice_statistics(slices: Sequence[Mapping], bootstrap: dict) -> dict:
    scored = [one["n"] - one["n_both_empty"] for one in slices]
    statistics = {
        score: _statistic([((one[score] or 0) * n, n) for one, n in zip(slices, scored, strict=True)], bootstrap)
        for score in ("dice", "iou")
    }
    return {**statistics, "n_slices": sum(scored), "n_slices_both_empty": sum(one["n_both_empty"] for one in slices)}


def _pooled_statistics(counts: Sequence[Mapping], bootstrap: dict) -> dict:
    both = [count["true_positive"] for count in counts]
    one = [count["false_positive"] + count["false_negative"] for count in counts]
    return {
        "dice": _statistic([(2 * t, 2 * t + f) for t, f in zip(both, one, strict=True)], bootstrap),
        "iou": _statistic([(t, t + f) for t, f in zip(both, one, strict=True)], bootstrap),
    }


def _statistic(terms: Sequence[tuple[float, float]], bootstrap: dict) -> dict:
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


def _with_absolute_error(record: Mapping) -> dict:
    return {**record, "absolute_volume_error_ml": abs(record["volume_error_ml"])}
