"""Two models on the same subjects, full volumes on their native grid: what a fine-tuning changed, and for whom."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from recoseg_hf.evaluation.aggregation import aggregate
from recoseg_hf.evaluation.comparison import compare_case
from recoseg_hf.evaluation.differences import paired_difference
from recoseg_hf.evaluation.region_masks import region_mask
from recoseg_hf.imaging.case import Case
from recoseg_hf.inference.prediction import predict_case

if TYPE_CHECKING:
    from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline


def measure_models(
    before: ReCoSegPipeline,
    after: ReCoSegPipeline,
    cases: Iterable[Case],
    progress: Callable[[int], None] | None = None,
) -> dict:
    """Predict every subject with both models, each with its own default settings, and compare with the references.

    Args:
        before: the model that the fine-tuning started from.
        after: the fine-tuned one.
        cases: with a segmentation; read one after another, one at a time in memory.
        progress: called with how many subjects are done.

    Returns:
        JSON values, nobody named.

        - `n`: subjects
        - `regions`: for each region that both models have, what `compare_records` returns

    Raises:
        InputError: a model cannot use a subject's scans.
        ValueError: there are no cases, or one has no segmentation.
    """
    regions = [name for name in before.region_names if name in after.region_names]
    found: dict[str, list[tuple[dict, dict]]] = {name: [] for name in regions}
    done = 0
    for done, case in enumerate(cases, start=1):
        if case.seg is None:
            raise ValueError(f"subject {done} has no segmentation; expected one, to compare with")
        predictions = [predict_case(model, case) for model in (before, after)]
        for region, pairs in found.items():
            pairs.append(tuple(compare_case(region_mask(one, region), case.seg, region) for one in predictions))
        if progress is not None:
            progress(done)
    compared = {region: compare_records(*zip(*pairs, strict=True)) for region, pairs in found.items()}
    return {"n": done, "regions": compared}


def compare_records(before: Sequence[Mapping], after: Sequence[Mapping]) -> dict:
    """Set two models' records of the same subjects, what `compare_case` returns, side by side.

    Returns:
        JSON values; a *statistic* is that of `aggregate`, its interval by subject.

        - `before`, `after`: `dice` and `absolute_volume_error_ml`, a statistic each
        - `difference`: of Dice, see `differences.paired_difference`
        - `pairs`: [before, after] Dice of each subject that has both, the lowest before first
    """
    sides = {"before": aggregate(before), "after": aggregate(after)}
    found = {
        side: {
            "dice": total["volume"]["dice"],
            "absolute_volume_error_ml": total["millilitres"]["absolute_volume_error_ml"],
        }
        for side, total in sides.items()
    }
    dice = [[one["dice"], other["dice"]] for one, other in zip(before, after, strict=True)]
    pairs = sorted(pair for pair in dice if None not in pair)
    return found | {"difference": paired_difference(pairs), "pairs": pairs}


def changed_parts(before: ReCoSegPipeline, after: ReCoSegPipeline) -> dict[str, dict[str, list[str]] | None]:
    """Tell from the weights themselves what a fine-tuning changed.

    Returns:
        For each net that both models have, its parts by `changed` and `unchanged`; None where the two are of another
        architecture.
    """
    found = {}
    for name in ("synthesizer", "segmenter"):
        nets = [getattr(model, name) for model in (before, after)]
        if None not in nets:
            found[name] = _parts(*(dict(net.named_parameters()) for net in nets))
    return found


def _parts(before: Mapping, after: Mapping) -> dict[str, list[str]] | None:
    import torch

    if {name: one.shape for name, one in before.items()} != {name: one.shape for name, one in after.items()}:
        return None
    parts = list(dict.fromkeys(name.split(".")[0] for name in before))
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    return {
        "changed": [part for part in parts if part in changed],
        "unchanged": [part for part in parts if part not in changed],
    }
