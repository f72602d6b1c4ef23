"""How time and memory grow: with slices, pixels, cases and processes; and when the first mask is there."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.performance.record import Record
from benchmarks.performance.rounds import summary
from benchmarks.performance.scale_tasks import Cohort, FirstMask, Sizes
from benchmarks.performance.workers import Here, Worker, start
from benchmarks.performance.workload import Workload

IMAGE_SIZES = (120, 160, 240)
COHORTS = (1, 4, 8)
_TOGETHER = 4  # cases, of which one process's are the first of the cohort
_RUNS = 2
_LONGEST = 240.0  # seconds, for several cases


def measure_scale(workload: Workload, record: Record) -> None:
    """Each kind in processes of its own, as the command sets them up; what matters most comes first.

    The record gets a list of rows for each part.
    """
    counts = (1, 2) if workload.quick else COHORTS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measure_part(record, "cohort", f"a cohort of {counts[-1]}", lambda: by_cases(workload, folder, counts))
        measure_part(record, "first_mask", "the first mask", lambda: [first_mask(workload)])
        with _worker(workload, partial(Sizes, workload, folder), workload.threads) as worker:
            for slices in slice_counts(workload):
                measure_part(record, "slices", f"{slices} slices", partial(by_size, worker, "slices", slices))
            for size in () if workload.quick else IMAGE_SIZES:
                act = partial(by_pixels, workload, worker, size, record.values["scale"].get("slices", []))
                measure_part(record, "image_size", f"{size} pixels", act)
        words = f"{workload.threads} processes"
        measure_part(record, "processes", words, lambda: by_processes(workload, folder, record.values["scale"]))


def measure_part(record: Record, part: str, words: str, act: Callable[[], list[dict[str, Any]]]) -> None:
    """Measure some rows, if there is time, and keep them."""
    if record.is_late():
        record.values["scale_failed"][words] = "no time was left"
        return
    record.tell(f"scale: {words}")
    rows = record.attempt(words, act, where="scale_failed")
    record.values["scale"].setdefault(part, []).extend(rows or [])
    record.save()


def slice_counts(workload: Workload) -> list[int]:
    """A quarter of the slices, half of them, and all."""
    return [max(workload.shape[2] // share, 1) for share in ((2,) if workload.quick else (4, 2, 1))]


def by_size(worker: Worker | Here, what: str, count: int) -> list[dict[str, Any]]:
    """Files to mask for so many slices or pixels, from small to large, as peak memory only grows."""
    answer = worker.run(f"{what} {count}")
    return [
        {what: count, "seconds": summary(answer["turns"]), "peak_mib": answer["peak_mib"], "flops": answer["flops"]}
    ]


def by_pixels(
    workload: Workload, worker: Worker | Here, size: int, slices: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Another grid of the nets, on which the masks are worth nothing; our own is the row of all slices."""
    whole = [row for row in slices if row["slices"] == workload.shape[2]]
    if size == workload.side and whole:
        return [{"image_size": size, **{name: whole[0][name] for name in whole[0] if name != "slices"}}]
    return by_size(worker, "image_size", size)


def first_mask(workload: Workload) -> dict[str, Any]:
    """Files to the first mask of `refine_case`, in memory."""
    with _worker(workload, partial(FirstMask, workload), workload.threads) as worker:
        answers = [worker.run() for _ in range(1 if workload.quick else _RUNS)]
    last = answers[-1]
    seconds = summary([answer["seconds"] for answer in answers])
    return {"seconds": seconds, "peak_mib": last["peak_mib"], "steps": last["steps"], "samples": last["samples"]}


def by_cases(workload: Workload, folder: Path, counts: tuple[int, ...]) -> list[dict[str, Any]]:
    """The most memory, and the seconds, up to some cases of one cohort; all outputs are written."""
    folders = copies(workload, folder / "cohort", counts[-1])
    with _worker(workload, partial(Cohort, workload.model, folders, folder / "results"), workload.threads) as worker:
        found = worker.run()
    return [
        {"cases": count, "peak_mib": found["peaks"][count - 1], "seconds": found["seconds_after"][count - 1]}
        for count in counts
    ]


def by_processes(workload: Workload, folder: Path, found: Mapping[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Some cases in as many processes as threads with one each, beside the same in one process with all threads."""
    total = 2 if workload.quick else _TOGETHER
    rows = [
        {"processes": 1, "threads_each": workload.threads, **row}
        for row in found.get("cohort", []) if row["cases"] == total
    ]  # fmt: skip
    if workload.threads > 1:
        folders = copies(workload, folder / "processes", total)
        builds = [
            partial(Cohort, workload.model, folders[rank :: workload.threads], folder / "results-of-processes")
            for rank in range(workload.threads)
        ]
        rows.append({"processes": workload.threads, "cases": total, **_together(workload, builds)})
    return rows


def _together(workload: Workload, builds: list[Callable[[], Cohort]]) -> dict[str, Any]:
    """Run several tasks at the same time; the seconds until the last one is done, and all memory."""
    workers = [start(workload.quick, build, 1, tuned=True, longest=_LONGEST) for build in builds]
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
    return {"threads_each": 1, "seconds": seconds, "peak_mib": sum(answer["peak_mib"] for answer in answers)}


@contextmanager
def _worker(workload: Workload, build: Callable[[], Any], threads: int) -> Iterator[Worker | Here]:
    worker = start(workload.quick, build, threads, tuned=True, longest=_LONGEST)
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
