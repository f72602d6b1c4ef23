"""Measure a model on the validation subjects of a labelled BraTS-style folder: full volumes on their native grid.

    R=benchmarks/results
    python benchmarks/measure_model.py accuracy --data BRATS --output $R/accuracy.json
    python benchmarks/measure_model.py thresholds --data BRATS --output $R/thresholds.json
    python benchmarks/measure_model.py residual --data BRATS --output $R/residual.json

BRATS holds one folder per subject and `splits.json`. `--model` names another model than the embedded default. Results
hold numbers alone: no subject's name leaves the script. These are the numbers of the default's card, with those of
`python -m benchmarks.steps`; `training/ablate_inference.py` varies each setting alone, with paired differences.
"""

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice, product
from pathlib import Path

import numpy as np
import torch

from recoseg_hf.evaluation import (
    aggregate,
    compare_case,
    compare_case_as_paper,
    compare_cues,
    compare_shape,
    compare_synthesis,
)
from recoseg_hf.evaluation.intervals import paired_difference_interval
from recoseg_hf.evaluation.metrics import counts, dice
from recoseg_hf.evaluation.metrics.curves import static_residual
from recoseg_hf.evaluation.region_masks import region_mask
from recoseg_hf.files import write_json
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.volume import Volume
from recoseg_hf.inference import Prediction, load_pipeline, predict_case
from recoseg_hf.inference.remembered import remember
from recoseg_hf.inference.report import describe_model
from recoseg_hf.learning.slices import read_split
from recoseg_hf.pipeline.conventions import nested_labels, region_masks
from recoseg_hf.pipeline.masks import seeded_mask
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline
from recoseg_hf.process import tune_process

THRESHOLDS, SEEDS, SMOOTHING = (0.1, 0.15, 0.2, 0.3, 0.4, 0.5), (0.0, 0.9, 0.95), (0.0, 1.0)
REGION_THRESHOLDS = (0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5)


class ZeroedResidual(ReCoSegPipeline):
    """The segmenter is told of a measured residual and shown zeros."""

    def _residual(self, stack, draws, source):
        return torch.zeros_like(super()._residual(stack, draws, source))


class ShuffledResidual(ReCoSegPipeline):
    """The segmenter is shown the residual of another slice of the same volume."""

    def _residual(self, stack, draws, source):
        residual = super()._residual(stack, draws, source)
        held = stack.brain.flatten(1).any(dim=1).nonzero().flatten()
        order = torch.randperm(len(held), generator=torch.Generator().manual_seed(0))
        residual[held] = residual[held[order]]
        return residual


@dataclass
class Measured:
    """One subject under one setting."""

    prediction: Prediction | None
    record: dict
    seconds: float


def measure_many(pipeline: ReCoSegPipeline, cases: list[Case], **options) -> list[Measured]:
    """Predict and compare subjects, and let go of their volumes."""
    return [replace(measure(pipeline, case, **options), prediction=None) for case in cases]


def conditions(pipeline: ReCoSegPipeline) -> dict:
    """Which model was measured, and how it computed."""
    model = describe_model(pipeline)
    return {
        "model": {name: model[name] for name in ("weights_sha256", "configuration_sha256")},
        "dtype": str(pipeline.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
    }


def validation_cases(data: Path, part: str) -> Iterator[Case]:
    """The subjects of one part of the split, read one after another."""
    for folder in read_split(data / "splits.json", data)[part]:
        yield Case.from_folder(folder)


def measure(pipeline: ReCoSegPipeline, case: Case, **options) -> Measured:
    """Predict one subject and compare it with its references."""
    start = time.perf_counter()
    prediction = predict_case(pipeline, case, **options)
    seconds = time.perf_counter() - start
    record = compare_case(prediction.mask, case.seg)
    if prediction.t1ce is not None:
        record["synthesis"] = compare_synthesis(case.t1ce, prediction.t1ce, labels=case.seg)
    return Measured(prediction, record, seconds)


def summary(results: list[Measured]) -> dict:
    """Numbers of a cohort, without its subjects' records."""
    total = aggregate([result.record for result in results])
    del total["subjects"]
    seconds = [result.seconds for result in results]
    dices = sorted(round(result.record["dice"], 4) for result in results)
    return total | {"seconds_per_subject": statistics.median(seconds), "dice_of_each_subject_sorted": dices}


def accuracy(pipeline: ReCoSegPipeline, cases: list[Case]) -> dict:
    """Default settings, every score there is, both protocols; TC and ET too where the model has them."""
    results = [measure(pipeline, case) for case in cases]
    as_paper = []
    for case, result in zip(cases, results, strict=True):
        result.record |= compare_shape(result.prediction.mask, case.seg) | {"cues": _cues(case, result.prediction)}
        as_paper.append(compare_case_as_paper(result.prediction.mask, case.seg))
    paper = aggregate(as_paper, protocol="paper")
    del paper["subjects"]
    return {"default": summary(results), "paper": paper} | _regions(pipeline, cases, results)


def _cues(case: Case, prediction: Prediction) -> dict:
    """How well the residual picks out each region, beside two cues that need no model."""
    cues = {"flair": case.flair.data, "static_residual": static_residual(case.t1.data, case.t1ce.data, case.brain)}
    if prediction.residual is not None:
        cues["residual"] = prediction.residual.data
    return compare_cues(cues, case.seg.data, case.brain)


def _regions(pipeline: ReCoSegPipeline, cases: list[Case], results: list[Measured]) -> dict:
    found = {}
    for region in pipeline.region_names[1:]:
        records = []
        for case, result in zip(cases, results, strict=True):
            records.append(compare_case(region_mask(result.prediction, region), case.seg, region))
        total = aggregate(records)
        found[region] = {"volume": total["volume"], "outcomes": total["outcomes"], "n": total["n"]}
    return {"regions": found}


def thresholds(pipeline: ReCoSegPipeline, cases: list[Case]) -> dict:
    """Whole-tumour Dice against tau, the seeds' threshold and smoothing; TC and ET against theirs in the own mask."""
    scores: dict[str, list[float]] = defaultdict(list)
    regions: dict[str, list[float]] = defaultdict(list)
    model = remember(pipeline)
    for case in cases:
        model.forget()
        for smoothing in SMOOTHING:
            with model.set_to(slice_smoothing=smoothing):
                probability = predict_case(model, case).probability.data
            for threshold, seed in product(THRESHOLDS, SEEDS):
                mask = Volume(seeded_mask(probability, threshold, seed), case.flair.affine)
                scores[f"{threshold} {seed} {smoothing}"].append(compare_case(mask, case.seg)["dice"])
        for setting, found in _region_dices(predict_case(model, case), case):
            regions[setting].append(found)
    return {
        "n": len(cases),
        "setting": "mask_threshold seed_threshold slice_smoothing",
        "mean_dice": {setting: statistics.mean(values) for setting, values in scores.items()},
        "region_setting": "region region_threshold",
        "region_mean_dice": {setting: statistics.mean(values) for setting, values in regions.items()},
    }


def _region_dices(prediction: Prediction, case: Case) -> Iterator[tuple[str, float]]:
    """Dice of TC and ET at each threshold, of subjects that have the region and models that know both."""
    if prediction.labels is None:
        return
    core, enhancing = (prediction.region_probabilities[region].data for region in ("tc", "et"))
    reference = region_masks(case.seg.data)
    for threshold in REGION_THRESHOLDS:
        found = region_masks(nested_labels(prediction.mask.data, core, enhancing, threshold))
        for region in ("tc", "et"):
            if reference[region].any():
                yield f"{region} {threshold}", dice(counts(found[region], reference[region]))


def residual(pipeline: ReCoSegPipeline, cases: list[Case]) -> dict:
    """What the residual is worth: the same nets with R as measured, zeroed, shuffled, replaced and absent."""
    parts = pipeline.components | {
        name: pipeline.config[name] for name in pipeline.config if name in _settings(pipeline)
    }
    variants: dict[str, tuple[ReCoSegPipeline, dict]] = {
        "measured": (pipeline, {}),
        "measured, zeroed": (ZeroedResidual(**parts), {}),
        "measured, shuffled between slices": (ShuffledResidual(**parts), {}),
        "ensemble": (pipeline, {"residual_source": "ensemble", "num_inference_steps": 4}),
        "none": (pipeline, {"residual_source": "none"}),
    }
    found, per_subject = {}, {}
    for name, (variant, options) in variants.items():
        variant.set_progress_bar_config(disable=True)
        results = measure_many(variant, cases, **options)
        found[name] = summary(results)
        per_subject[name] = [result.record["dice"] for result in results]
    measured = per_subject.pop("measured")
    lost = {
        name: {
            "value": statistics.mean(np.subtract(measured, scores)),
            "interval": paired_difference_interval(measured, scores),
            "n": len(scores),
        }
        for name, scores in per_subject.items()
    }
    return {"variants": found, "dice_lost_against_measured": lost}


def _settings(pipeline: ReCoSegPipeline) -> set[str]:
    return {name for name in pipeline.config if not name.startswith("_")} - set(pipeline.components)


MEASUREMENTS: dict[str, Callable[[ReCoSegPipeline, list[Case]], dict]] = {
    "accuracy": accuracy,
    "thresholds": thresholds,
    "residual": residual,
}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=MEASUREMENTS)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--part", default="validation")
    parser.add_argument("--subjects", type=int, default=None, help="the first few only; all by default")
    parser.add_argument("--model", default=None)
    parser.add_argument(
        "--dtype", default=None, choices=("float32", "bfloat16"), help="by default, what the processor does best"
    )
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    tune_process()
    pipeline = load_pipeline(options.model, dtype=options.dtype and getattr(torch, options.dtype))
    pipeline.set_progress_bar_config(disable=True)
    cases = list(islice(validation_cases(options.data, options.part), options.subjects))
    result = MEASUREMENTS[options.what](pipeline, cases)
    result["measurement"] = {"what": options.what, "part": options.part, **conditions(pipeline)}
    write_json(options.output, result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
