"""Tasks that measure how ours grows: a cohort in one process, and the first mask of a refined prediction."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.performance.ours import quiet
from benchmarks.performance.workers import peak_mib
from benchmarks.performance.workload import Workload
from recoseg_hf.imaging.case import Case
from recoseg_hf.inference import predict_cohort, refine_case


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
