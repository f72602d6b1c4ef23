"""What a trained model's settings are worth: each varied alone, on the same subjects, against the model's own.

`sweep_plan` says which values are tried. Nothing is trained, and a T1ce that two points share is drawn once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from recoseg_hf.evaluation.aggregation import mean_statistic
from recoseg_hf.evaluation.comparison import compare_case
from recoseg_hf.evaluation.differences import paired_difference
from recoseg_hf.evaluation.metrics.curves import compare_cues
from recoseg_hf.evaluation.paper.sweep_plan import Point
from recoseg_hf.evaluation.region_masks import region_mask
from recoseg_hf.evaluation.synthesis_comparison import compare_synthesis
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.volume import Volume
from recoseg_hf.inference.prediction import Prediction, predict_case
from recoseg_hf.inference.remembered import remember
from recoseg_hf.pipeline.masks import seeded_mask

if TYPE_CHECKING:
    from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline

Scores = dict[str, float | None]


def measure_sweeps(
    pipeline: ReCoSegPipeline,
    cases: Iterable[Case],
    plan: Mapping[str, Mapping[str, Point]],
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> dict:
    """Predict every subject at every point, and compare with the references and with the model's own settings.

    Args:
        pipeline: the model; with T1ce measured, as the model's own settings have it.
        cases: with T1ce and segmentation; read one after another, one at a time in memory.
        plan: from `plan_sweeps`.
        seed: of all noise.
        progress: called with how many subjects are done.

    Returns:
        JSON values, nobody named. A *statistic* is that of `aggregate`, by subject.

        - `n`: subjects; `seed`
        - `default`: `settings`, and under `scores` a statistic for each: `dice_wt` (and `dice_tc`, `dice_et` where
          the model has them), `precision`, `recall`; of the synthetic T1ce `psnr`, `ssim`, `relative_mae` in the brain
          and, with the region behind it, in the tumour, `flicker_through_plane` and `flicker_in_plane`; of the
          residual the `average_precision` for each region; `seconds` of the whole prediction
        - `sweeps`: by sweep and value the `scores` that the point may have changed, and under `difference` the
          `paired_difference` of each to the default: value - default, with `by_subject` its terms, nobody named

    Raises:
        InputError: the model cannot use a subject's scans.
        ValueError: there are no cases, or one has no segmentation or no T1ce.
    """
    model = remember(pipeline)
    own, found, done = [], {(name, value): [] for name, points in plan.items() for value in points}, 0
    for done, case in enumerate(cases, start=1):
        if case.seg is None or case.t1ce is None:
            raise ValueError(f"subject {done} has no T1ce or no segmentation; expected both, to compare with")
        model.forget()
        prediction = predict_case(model, case, seed=seed)
        own.append(_scores(prediction, case, draws=True))
        for place, scores in _points(model, case, prediction, plan, seed, own[-1]):
            found[place].append(scores)
        if progress is not None:
            progress(done)
    if not own:
        raise ValueError("no subjects; expected one or more")
    return {
        "n": done,
        "seed": seed,
        "default": {"settings": _own_settings(model, prediction), "scores": _statistics(own)},
        "sweeps": {
            name: {value: _compared(found[name, value], own) for value in points} for name, points in plan.items()
        },
    }


def _points(
    model: Any, case: Case, prediction: Prediction, plan: Mapping[str, Mapping[str, Point]], seed: int, own: Scores
) -> Iterator[tuple[tuple[str, str], Scores]]:
    """One subject's scores at every point; those of the model's own value are its own."""
    for name, points in plan.items():
        for value, point in points.items():
            if name == "mask_threshold":
                mask = seeded_mask(prediction.probability.data, float(value), model.config.seed_threshold)
                scores = _mask_scores(Volume(mask, case.flair.affine), case)
            elif point.own:
                scores = own
            else:
                with model.set_to(**point.settings):
                    changed = predict_case(model, case, seed=seed, **point.call)
                scores = _scores(changed, case, point.draws)
            # Elsewhere than here some draws may have been remembered.
            timed = name == "num_inference_steps"
            yield (name, value), {key: score for key, score in scores.items() if timed or key != "seconds"}


def _mask_scores(mask: Volume, case: Case) -> Scores:
    record = compare_case(mask, case.seg)
    return {"dice_wt": record["dice"], "precision": record["precision"], "recall": record["recall"]}


def _scores(prediction: Prediction, case: Case, draws: bool) -> Scores:
    found = _mask_scores(prediction.mask, case)
    for region in list(prediction.region_probabilities)[1:]:
        found[f"dice_{region}"] = compare_case(region_mask(prediction, region), case.seg, region)["dice"]
    if draws and prediction.t1ce is not None:
        found |= _synthesis_scores(compare_synthesis(case.t1ce, prediction.t1ce, labels=case.seg))
    if prediction.residual is not None:
        brain = np.logical_or.reduce([volume.data != 0 for volume in (case.flair, case.t1, case.t1ce)])
        cue = compare_cues({"residual": prediction.residual.data}, case.seg.data, brain)["residual"]
        found |= {f"average_precision_{region}": one["average_precision"] for region, one in cue.items()}
    return found | {"seconds": sum(prediction.report["seconds"].values())}


def _synthesis_scores(comparison: Mapping) -> Scores:
    likeness = ("psnr", "ssim", "relative_mae")
    found = {name: comparison[name] for name in likeness}
    for region, inside in comparison["tumour"].items():
        found |= {f"{name}_{region}": inside[name] for name in likeness}
    return found | {f"flicker_{name}": value for name, value in comparison["flicker"].items()}


def _own_settings(model: Any, prediction: Prediction) -> dict[str, Any]:
    settings = {name: model.config.get(name) for name in ("seed_threshold", "residual_clip", "slice_smoothing")}
    return prediction.report["settings"] | settings | {"noise": "independent"}


def _statistics(subjects: Sequence[Scores]) -> dict[str, dict]:
    return {name: mean_statistic([one[name] for one in subjects]) for name in subjects[0]}


def _compared(subjects: Sequence[Scores], own: Sequence[Scores]) -> dict[str, dict]:
    sides = list(zip(own, subjects, strict=True))
    pairs = {name: [(base[name], one[name]) for base, one in sides] for name in subjects[0]}
    defined = {name: [pair for pair in both if None not in pair] for name, both in pairs.items()}
    return {
        "scores": _statistics(subjects),
        "difference": {
            name: paired_difference(both) | {"by_subject": [after - before for before, after in both]}
            for name, both in defined.items()
        },
    }
