"""50 DDIM steps against all 1000 DDPM steps of the same weights: 8 slices with tumour, of two validation subjects.

    python benchmarks/compare_samplers.py runs/paper/BraTS2020/models/recoseg_plus_plus --data BRATS --output FILE.json

What a table filled on a CPU gives away by sampling in fewer steps. Each sampler draws the T1ce of the same slices from
the same starting noise, on the nets' grid, T1ce in [0, 1]; each draw is compared with the measured T1ce in the brain
and in the tumour, and by how well its residual picks out the tumour. How far the two draws lie apart stands beside how
far two DDIM draws of different noise do. Of so few subjects each one's difference is given and no interval. BRATS is a
labelled BraTS-style folder with `splits.json`; nobody is named.
"""

import argparse
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, DDPMScheduler

from recoseg_hf.cli.scripts import told_in_a_line
from recoseg_hf.errors import InputError
from recoseg_hf.evaluation import compare_cues, compare_synthesis
from recoseg_hf.evaluation.differences import paired_difference
from recoseg_hf.evaluation.metrics.likeness import mae
from recoseg_hf.evaluation.new_site.card import SubjectsOf
from recoseg_hf.evaluation.sign_flips import SMALLEST_N
from recoseg_hf.files import write_json
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.volume import Volume
from recoseg_hf.inference.loading import find_model, load_pipeline
from recoseg_hf.inference.report import describe_model
from recoseg_hf.learning.cropping import volume_window
from recoseg_hf.learning.slices import SliceSettings, prepare_case
from recoseg_hf.pipeline.conventions import nested_labels
from recoseg_hf.pipeline.denoising import slice_generators
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline
from recoseg_hf.process import tune_process

LIKENESS = ("psnr", "ssim", "mae")
WARM_UP_STEPS = 2
"""Drawn before the clock starts: a first pass takes memory and chooses kernels."""


@dataclass(frozen=True)
class ChosenSlices:
    """Slices of one subject on the nets' grid.

    Attributes:
        positions: in the volume.
        conditions: float32 (N, 3, S, S).
        t1, t1ce: float32 (S, S, N) in [0, 1].
        brain: bool (S, S, N).
        labels: uint8 (S, S, N), as BraTS numbers them.
    """

    positions: list[int]
    conditions: torch.Tensor
    t1: np.ndarray
    t1ce: np.ndarray
    brain: np.ndarray
    labels: np.ndarray


def choose_slices(pipeline: ReCoSegPipeline, case: Case, count: int) -> ChosenSlices:
    """Take slices at even distances through a subject's tumour; all that hold some, where these are fewer."""
    stack, regions = prepare_case(case, SliceSettings.of_pipeline(pipeline.config))
    held = np.flatnonzero((regions[:, 0] > 0.5).flatten(1).any(dim=1).numpy())
    if not held.size:
        raise InputError(case.subject, "no tumour in its reference", "a subject with tumour", "Choose others.")
    chosen = held[np.unique(np.linspace(0, len(held) - 1, count).round().astype(int))]
    shown = volume_window(pipeline, lambda: stack.brain)
    regions, conditions = regions[chosen][shown], stack.conditions[chosen][shown]
    whole, core, enhancing = (_planes(regions[:, place : place + 1]) for place in range(3))
    labels = nested_labels(whole > 0.5, core, enhancing)
    t1, t1ce, brain = (_planes(images[chosen][shown]) for images in (stack.t1, stack.t1ce, stack.brain))
    return ChosenSlices(chosen.tolist(), conditions, t1, t1ce, brain, labels)


def _planes(images: torch.Tensor) -> np.ndarray:
    return np.moveaxis(images[:, 0].numpy(), 0, 2)


@contextmanager
def sampled_by(pipeline: ReCoSegPipeline, scheduler: Any) -> Any:
    """Within, the pipeline has another scheduler."""
    own = pipeline.scheduler
    pipeline.scheduler = scheduler
    try:
        yield
    finally:
        pipeline.scheduler = own


def samplers(pipeline: ReCoSegPipeline, steps: int) -> dict[str, tuple[Any, int]]:
    """Scheduler and number of steps by name; the noise levels are those that the weights learnt."""
    config = pipeline.scheduler.config
    return {
        "ddim": (DDIMScheduler.from_config(config, timestep_spacing="trailing"), steps),
        "ddpm": (DDPMScheduler.from_config(config, timestep_spacing="trailing"), config.num_train_timesteps),
    }


def draw(pipeline: ReCoSegPipeline, chosen: ChosenSlices, steps: int, seed: int) -> tuple[np.ndarray, float]:
    """The synthetic T1ce, float32 (S, S, N) in [0, 1], and the seconds that it took."""
    start = time.perf_counter()
    with torch.no_grad():
        synthetic = pipeline.denoise(chosen.conditions, slice_generators(seed, chosen.positions, 0), steps)
    return _planes(synthetic), time.perf_counter() - start


def scores(chosen: ChosenSlices, synthetic: np.ndarray) -> dict[str, float | None]:
    """Likeness to the measured T1ce in the brain and each region, and the residual's AUPRC for each region."""
    real, drawn, labels = (Volume(one, np.eye(4)) for one in (chosen.t1ce, synthetic, chosen.labels))
    comparison = compare_synthesis(real, drawn, brain=chosen.brain, labels=labels)
    found = {name: comparison[name] for name in LIKENESS}
    for region, inside in comparison["tumour"].items():
        found |= {f"{name}_{region}": inside[name] for name in LIKENESS}
    cue = compare_cues({"residual": np.abs(synthetic - chosen.t1ce)}, chosen.labels, chosen.brain)["residual"]
    return found | {f"average_precision_{region}": one["average_precision"] for region, one in cue.items()}


def apart(chosen: ChosenSlices, one: np.ndarray, other: np.ndarray) -> dict[str, float | None]:
    """Mean absolute difference of two draws in the brain and in the whole tumour."""
    return {"brain": mae(one, other, chosen.brain), "wt": mae(one, other, chosen.brain & (chosen.labels > 0))}


def compare(
    pipeline: ReCoSegPipeline, cases: Iterable[Case], slices: int, steps: int, seed: int = 0
) -> dict[str, Any]:
    """Draw slices of every subject with both samplers.

    Args:
        pipeline: with a synthesizer.
        cases: labelled, with T1ce.
        slices: of each subject.
        steps: of DDIM; DDPM takes as many as the weights were trained with.
        seed: of the noise.

    Returns:
        JSON values: `steps`, `n_subjects`, `n_slices`; `samplers`: by name the mean over subjects of each score (see
        `scores`) and `seconds_per_slice`; `difference`: DDPM - DDIM of each score, see `differences`; `apart`,
        between the two (`ddim_ddpm`) and between two DDIM draws (`ddim_ddim`): the mean over subjects.
    """
    chosen = [choose_slices(pipeline, case, slices) for case in cases]
    both = samplers(pipeline, steps)
    drawn: dict[str, list[tuple[np.ndarray, float]]] = {}
    for name, (scheduler, count) in both.items():
        with sampled_by(pipeline, scheduler):
            for one in chosen:
                draw(pipeline, one, min(WARM_UP_STEPS, count), seed)
            drawn[name] = [draw(pipeline, one, count, seed) for one in chosen]
    with sampled_by(pipeline, both["ddim"][0]):
        other = [draw(pipeline, one, steps, seed + 1)[0] for one in chosen]
    n_slices = sum(len(one.positions) for one in chosen)
    judged = {name: [scores(one, pair[0]) for one, pair in zip(chosen, of, strict=True)] for name, of in drawn.items()}
    seconds = {name: sum(pair[1] for pair in of) / n_slices for name, of in drawn.items()}
    ddim, ddpm = ([pair[0] for pair in drawn[name]] for name in ("ddim", "ddpm"))
    return {
        "steps": {name: count for name, (_, count) in both.items()},
        "n_subjects": len(chosen),
        "n_slices": n_slices,
        "samplers": {name: _means(of) | {"seconds_per_slice": seconds[name]} for name, of in judged.items()},
        "difference": {name: differences(_pairs(judged, name)) for name in judged["ddim"][0]},
        "apart": {
            "ddim_ddpm": _means([apart(*one) for one in zip(chosen, ddim, ddpm, strict=True)]),
            "ddim_ddim": _means([apart(*one) for one in zip(chosen, ddim, other, strict=True)]),
        },
    }


def differences(pairs: Sequence[tuple[float | None, float | None]]) -> dict[str, Any]:
    """DDPM - DDIM of one score.

    Args:
        pairs: (DDIM, DDPM) of each subject; None where the score is not defined.

    Returns:
        What `paired_difference` says, and `by_subject`, each subject's difference in order, nobody named. `interval`
        and `p` are None for fewer subjects than `sign_flips.SMALLEST_N`, from which neither can be had.
    """
    defined = [pair for pair in pairs if None not in pair]
    found = paired_difference(defined)
    if len(defined) < SMALLEST_N:
        found |= {"interval": None, "p": None}
    return found | {"by_subject": [None if None in pair else pair[1] - pair[0] for pair in pairs]}


def _pairs(judged: Mapping[str, Sequence[Mapping]], name: str) -> list[tuple[float | None, float | None]]:
    return [(one[name], other[name]) for one, other in zip(judged["ddim"], judged["ddpm"], strict=True)]


def _means(subjects: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    values = {name: [one[name] for one in subjects if one[name] is not None] for name in subjects[0]}
    return {name: float(np.mean(found)) if found else None for name, found in values.items()}


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="model folder or Hub id")
    parser.add_argument("--data", type=Path, required=True, help="labelled BraTS-style folder, T1ce included")
    parser.add_argument("--part", default="validation", help="list of its splits.json")
    parser.add_argument("--subjects", type=int, default=2, help="the first so many")
    parser.add_argument("--slices", type=int, default=4, help="of each subject")
    parser.add_argument("--steps", type=int, default=50, help="of DDIM")
    parser.add_argument("--seed", type=int, default=0, help="of the noise")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help="by default, what the processor does best")
    parser.add_argument("--output", type=Path, required=True, help="JSON file")
    options = parser.parse_args(arguments)
    if min(options.subjects, options.slices, options.steps) < 1:
        parser.error("--subjects, --slices and --steps: expected 1 or more")
    return options


def open_unseen(options: argparse.Namespace) -> tuple[ReCoSegPipeline, SubjectsOf]:
    """Load a model that draws T1ce, and look up subjects that none of its nets was trained on.

    Args:
        options: `model`, `data`, `part` and `dtype` of a command line.

    Raises:
        InputError: the model has seen one of them, or has no synthesizer.
    """
    folder, subjects = find_model(options.model), SubjectsOf(options.data, options.part)
    subjects.check_unseen([folder])
    pipeline = load_pipeline(folder, dtype=options.dtype and getattr(torch, options.dtype))
    if pipeline.synthesizer is None:
        raise InputError(folder, "no synthesizer", "a model that draws T1ce", "Name another one.")
    return pipeline, subjects


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare and write."""
    options = parse_arguments(arguments)
    tune_process()
    pipeline, subjects = open_unseen(options)
    cases = islice(subjects.cases(), options.subjects)
    result = compare(pipeline, cases, options.slices, options.steps, options.seed)
    model = describe_model(pipeline)
    result["measurement"] = {
        "model": {name: model[name] for name in ("weights_sha256", "configuration_sha256")},
        "part": options.part,
        "seed": options.seed,
        "dtype": str(pipeline.dtype).removeprefix("torch."),
        "device": pipeline.device.type,
        "threads": torch.get_num_threads(),
    }
    write_json(options.output, result)
    print(json.dumps(result, indent=2))
    print(f"n = {result['n_slices']} slices of {result['n_subjects']} subjects")


if __name__ == "__main__":
    with told_in_a_line():
        main()
