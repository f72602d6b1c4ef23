"""What is measured: a part of the study, a subject, a solver and a number of steps make a point."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    UniPCMultistepScheduler,
)

from benchmarks.compare_samplers import ChosenSlices, choose_slices, draw, sampled_by, scores
from benchmarks.steps.slab import Box, SlabPipeline, cut, slab_of
from recoseg_hf.evaluation import compare_case, compare_synthesis
from recoseg_hf.evaluation.region_masks import region_mask
from recoseg_hf.imaging.case import Case
from recoseg_hf.inference import Prediction, predict_case, refine_case
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline

SOLVERS = {
    "DDIM": DDIMScheduler,
    "DDPM": DDPMScheduler,
    "DPM-Solver++": DPMSolverMultistepScheduler,
    "UniPC": UniPCMultistepScheduler,
    "Euler": EulerDiscreteScheduler,
}
PARTS = ("volumes", "slabs", "rounds", "slices")
SPREAD_SAMPLES, SPREAD_SUBJECTS = 2, 2


@dataclass(frozen=True)
class Point:
    """One measurement.

    Attributes:
        part: of `PARTS`.
        subject: its place in the list of its part of the split; nobody is named.
        solver: of `SOLVERS`.
        steps: denoising steps; 0 for all `rounds` together.
    """

    part: str
    subject: int
    solver: str
    steps: int


def own_solver(pipeline: ReCoSegPipeline) -> str:
    """The name of the model's own scheduler."""
    kind = type(pipeline.scheduler)
    return next((name for name, one in SOLVERS.items() if one is kind), kind.__name__)


def plan(
    own: str, subjects: int, *, longest: int, volume_steps: Sequence[int], solvers: Sequence[str], steps: Sequence[int]
) -> list[Point]:
    """The points of all subjects, the cheap parts first.

    Args:
        own: the model's own solver.
        subjects: how many.
        longest: timesteps of the scheduler, all of which DDPM takes in the part `slices`.
        volume_steps: for whole volumes.
        solvers: for slabs, and so are `steps`; for slices the model's own with these.
    """
    found = []
    for subject in range(subjects):
        found += [Point("slabs", subject, solver, count) for solver in solvers for count in steps]
        found += [Point("rounds", subject, own, 0)]
        found += [Point("slices", subject, own, count) for count in steps]
        found += [Point("volumes", subject, own, count) for count in volume_steps]
        found += [Point("slices", subject, "DDPM", longest)]
    return found


def plan_proposed(settings: Sequence[tuple[str, int]], subjects: int) -> list[Point]:
    """The points of whole volumes for some solvers and steps."""
    return [Point("volumes", subject, *setting) for subject in range(subjects) for setting in settings]


class Subject:
    """A case, and what several of its points share.

    Args:
        pipeline: the model.
        case: labelled, with T1ce.
        number: its place in the list.
        slab: slices of a slab.
        slices: how many are chosen for the part `slices`.
    """

    def __init__(self, pipeline: ReCoSegPipeline, case: Case, number: int, slab: int, slices: int) -> None:
        self.pipeline, self.case, self.number = pipeline, case, number
        self._slab_count, self._slice_count = slab, slices

    @cached_property
    def slab(self) -> tuple[SlabPipeline, Box]:
        """The model, seeing some slices alone, and where they lie."""
        return slab_of(self.pipeline, self.case, self._slab_count)

    @cached_property
    def chosen(self) -> ChosenSlices:
        """Slices with tumour."""
        return choose_slices(self.pipeline, self.case, self._slice_count)

    def measure(self, point: Point) -> dict[str, Any]:
        """Return JSON values; what they are depends on the part."""
        scheduler = self.pipeline.scheduler
        if point.solver != own_solver(self.pipeline):
            scheduler = SOLVERS[point.solver].from_config(scheduler.config, timestep_spacing="trailing")
        model = self.slab[0] if point.part == "slabs" else self.pipeline
        with sampled_by(model, scheduler):
            return getattr(self, f"_{point.part}")(point)

    def _volumes(self, point: Point) -> dict[str, Any]:
        """Records of `compare_case` by region, of `compare_synthesis`, and seconds."""
        start, start_cpu = time.perf_counter(), time.process_time()
        prediction = predict_case(self.pipeline, self.case, num_inference_steps=point.steps)
        seconds = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - start_cpu}
        regions = {
            region: compare_case(region_mask(prediction, region), self.case.seg, region)
            for region in self.pipeline.region_names
        }
        synthesis = compare_synthesis(self.case.t1ce, prediction.t1ce, labels=self.case.seg)
        return {"regions": regions, "synthesis": synthesis} | seconds

    def _slabs(self, point: Point) -> dict[str, Any]:
        """`_judge_slab`, seconds of a slice and step, and the spread."""
        model, box = self.slab
        prediction = predict_case(model, self.case, num_inference_steps=point.steps)
        found = self._judge_slab(prediction)
        slices = max(len(model._prepared.filled_slices()), 1)
        found["seconds_per_slice_and_step"] = prediction.report["seconds"]["synthesize"] / (slices * point.steps)
        if point.solver == own_solver(self.pipeline) and self.number < SPREAD_SUBJECTS:
            several = predict_case(model, self.case, num_inference_steps=point.steps, num_samples=SPREAD_SAMPLES)
            found["spread"] = _relative_spread(self.case, several, box)
        return found

    def _rounds(self, point: Point) -> dict[str, Any]:
        """`_judge_slab` of each round of `refine_case`, with the Dice between its mask and the one before."""
        found = {}
        for one in refine_case(self.slab[0], self.case, stable_dice=None):
            found[f"{one.steps} {one.samples}"] = self._judge_slab(one.prediction) | {
                "dice_to_the_one_before": one.dice
            }
        return found

    def _judge_slab(self, prediction: Prediction) -> dict[str, float | None]:
        """Dice of each region, and likeness in the brain and in each region."""
        box = self.slab[1]
        labels = cut(self.case.seg, box)
        found: dict[str, float | None] = {
            f"dice_{region}": compare_case(cut(region_mask(prediction, region), box), labels, region)["dice"]
            for region in self.pipeline.region_names
        }
        synthesis = compare_synthesis(cut(self.case.t1ce, box), cut(prediction.t1ce, box), labels=labels)
        found |= {"psnr": synthesis["psnr"], "ssim": synthesis["ssim"]}
        return found | {f"psnr_{region}": inside["psnr"] for region, inside in synthesis["tumour"].items()}

    def _slices(self, point: Point) -> dict[str, Any]:
        """`scores` of `compare_samplers`, and seconds of a slice."""
        synthetic, seconds = draw(self.pipeline, self.chosen, point.steps, seed=0)
        count = len(self.chosen.positions)
        return scores(self.chosen, synthetic) | {"seconds_per_slice": seconds / count, "n_slices": count}


def _relative_spread(case: Case, prediction: Prediction, box: Box) -> float:
    """Mean spread over samples in the brain, as a share of the 99th percentile of the real T1ce."""
    real, spread = cut(case.t1ce, box).data, cut(prediction.uncertainty, box).data
    return float(spread[real != 0].mean() / np.percentile(case.t1ce.data[case.t1ce.data != 0], 99))


def cost(point: Point, slab: int, slices: int) -> int:
    """About how many slices a net sees: what a point costs, for the bar."""
    if point.part == "rounds":
        return slab * sum(count + 3 for count in (1, 1, 2, 4, 12, 16))
    seen = {"volumes": 140, "slabs": slab, "slices": slices}[point.part]
    return seen * (point.steps + (0 if point.part == "slices" else 4))
