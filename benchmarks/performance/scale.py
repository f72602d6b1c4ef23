"""How time and memory grow: with slices, pixels, cases and processes."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.performance.ours import Ours, quiet
from benchmarks.performance.rounds import summary
from benchmarks.performance.workers import Here, Worker, peak_mib, start
from benchmarks.performance.workload import Workload, thinned
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.phantom import write_case
from recoseg_hf.inference import predict_cohort

IMAGE_SIZES = (120, 160, 240)
COHORTS = (1, 4, 16)
_RUNS = 2


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


def measure_scale(workload: Workload, tell: Callable[[str], None]) -> dict[str, Any]:
    """Each in processes of their own, as the command sets them up."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return {
            "slices": by_slices(workload, folder, tell),
            "image_size": by_image_size(workload, tell),
            "cohort": by_cases(workload, folder, tell),
            "processes": by_processes(workload, folder, tell),
        }


def by_slices(workload: Workload, folder: Path, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """Files to mask for a quarter of the slices, half of them, and all."""
    whole = Case.from_folder(workload.case, segmentation=False)
    rows = []
    for share in (2,) if workload.quick else (4, 2, 1):
        slices = max(workload.shape[2] // share, 1)
        tell(f"scale: {slices} slices")
        case = write_case(thinned(whole, slices), folder / f"slices-{slices}")
        rows.append({"slices": slices, **_subject(dataclasses.replace(workload, case=case))})
    return rows


def by_image_size(workload: Workload, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """Files to mask on other grids of the nets; the masks are worth nothing there."""
    rows = []
    for size in IMAGE_SIZES[:1] if workload.quick else IMAGE_SIZES:
        tell(f"scale: {size} pixels")
        rows.append({"image_size": size, **_subject(workload, size)})
    return rows


def _subject(workload: Workload, image_size: int | None = None) -> dict[str, Any]:
    build = partial(Ours, workload, everything=False, image_size=image_size)
    with _worker(workload, build, workload.threads) as worker:
        answers = [worker.run() for _ in range(1 if workload.quick else _RUNS)]
        flops = worker.about()["flops"]
    seconds = summary([answer["seconds"] for answer in answers])
    return {"seconds": seconds, "peak_mib": answers[-1]["peak_mib"], "flops": flops}


def by_cases(workload: Workload, folder: Path, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """The most memory, and the seconds, up to some cases of one cohort; all outputs are written."""
    counts = (1, 2) if workload.quick else COHORTS
    tell(f"scale: a cohort of {counts[-1]}")
    folders = copies(workload, folder / "cohort", counts[-1])
    with _worker(workload, partial(Cohort, workload.model, folders, folder / "results"), workload.threads) as worker:
        found = worker.run()
    return [
        {"cases": count, "peak_mib": found["peaks"][count - 1], "seconds": found["seconds_after"][count - 1]}
        for count in counts
    ]


def by_processes(workload: Workload, folder: Path, tell: Callable[[str], None]) -> list[dict[str, Any]]:
    """The same cases in one process with all threads, and in as many processes as threads with one each."""
    total = 2 if workload.quick else 4
    rows = []
    for processes in sorted({1, workload.threads}):
        tell(f"scale: {processes} processes")
        folders = copies(workload, folder / f"processes-{processes}", total)
        builds = [
            partial(Cohort, workload.model, folders[rank::processes], folder / f"results-{processes}")
            for rank in range(processes)
        ]
        rows.append({"processes": processes, "cases": total, **_together(workload, builds)})
    return rows


def _together(workload: Workload, builds: list[Callable[[], Cohort]]) -> dict[str, Any]:
    """Run several tasks at the same time; the seconds until the last one is done, and all memory."""
    threads = max(workload.threads // len(builds), 1)
    workers = [start(workload.quick, build, threads, tuned=True) for build in builds]
    try:
        for worker in workers:
            worker.about()
        began = time.perf_counter()
        for worker in workers:
            worker.begin()
        answers = [worker.answer() for worker in workers]
        seconds = time.perf_counter() - began
    finally:
        for worker in workers:
            worker.close()
    return {"threads_each": threads, "seconds": seconds, "peak_mib": sum(answer["peak_mib"] for answer in answers)}


@contextmanager
def _worker(workload: Workload, build: Callable[[], Any], threads: int) -> Iterator[Worker | Here]:
    worker = start(workload.quick, build, threads, tuned=True)
    try:
        yield worker
    finally:
        worker.close()


def copies(workload: Workload, folder: Path, count: int) -> list[Path]:
    """Case folders of other subjects with the same scans, which take no room."""
    made = []
    for number in range(count):
        target = folder / f"subject-{number:02d}"
        target.mkdir(parents=True)
        for file in workload.files():
            (target / file.name).symlink_to(file.resolve())
        made.append(target)
    return made
