"""Tasks that measure how ours grows: a cohort in one process, sizes, the first mask of a refined prediction."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.performance.ours import Ours, quiet
from benchmarks.performance.workers import peak_mib
from benchmarks.performance.workload import Workload, thinned
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.phantom import write_case
from recoseg_hf.inference import predict_cohort, refine_case

_TURNS = {"slices": 2, "image_size": 1}


class Cohort:
    """Predicts cases one after the other as `recoseg predict --cohort` does; the memory after each."""

    about: Mapping[str, Any] = {}

    def __init__(self, model: str | None, folders: list[Path], output: Path) -> None:
        self.pipeline = quiet(model)
        self.folders, self.output = folders, output

    def run(self) -> Mapping[str, Any]:
        """All cases, once."""
        began, peaks, seconds = time.perf_counter(), [], []
        for outcome in predict_cohort(self.pipeline, self.folders, self.output):
            if outcome.state != "done":
                raise RuntimeError(outcome.message or outcome.state)
            peaks.append(peak_mib())
            seconds.append(time.perf_counter() - began)
        return {"peaks": peaks, "seconds_after": seconds}


class Sizes:
    """Files to mask for some of the slices, or on another grid of the nets; a warm turn before those that count.

    Args:
        workload: whose case and model.
        folder: for thinner cases.
    """

    about: Mapping[str, Any] = {}

    def __init__(self, workload: Workload, folder: Path) -> None:
        self.workload, self.folder = workload, folder

    def run(self, plan: str) -> Mapping[str, Any]:
        """`slices 38`, or `image_size 160`; the seconds of the turns."""
        what, count = plan.split()
        ours = self._thin(int(count)) if what == "slices" else Ours(self.workload, image_size=int(count))
        turns = [ours.run()["seconds"] for _ in range(1 if self.workload.quick else _TURNS[what])]
        return {"turns": turns, "flops": ours.about["flops"]}

    def _thin(self, slices: int) -> Ours:
        whole = Case.from_folder(self.workload.case, segmentation=False)
        case = write_case(thinned(whole, slices), self.folder / f"slices-{slices}")
        return Ours(dataclasses.replace(self.workload, case=case))


class FirstMask:
    """Reads a case and refines its mask for one round."""

    about: Mapping[str, Any] = {}

    def __init__(self, workload: Workload) -> None:
        self.case, self.pipeline = workload.case, quiet(workload.model)
        self.run()

    def run(self) -> Mapping[str, Any]:
        """One subject."""
        first = next(refine_case(self.pipeline, Case.from_folder(self.case, segmentation=False)))
        return {"steps": first.steps, "samples": first.samples}
