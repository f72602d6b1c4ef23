"""How time and memory grow: with slices, pixels, cases and processes; and when the first mask is there."""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.performance.ours import Ours
from benchmarks.performance.record import Record
from benchmarks.performance.rounds import summary
from benchmarks.performance.scale_tasks import Cohort, FirstMask
from benchmarks.performance.workers import Here, Worker, start
from benchmarks.performance.workload import Workload, thinned
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.phantom import write_case

IMAGE_SIZES = (120, 160, 240)
COHORTS = (1, 4, 8)
_TOGETHER = 4  # cases, of which one process's are the first of the cohort
_RUNS = 2


def measure_scale(workload: Workload, record: Record) -> None:
    """Each in processes of their own, as the command sets them up; the record gets a list of rows for each part."""
    with tempfile.TemporaryDirectory() as name:
        for part, plans in parts(workload, Path(name), record.values["scale"]).items():
            for words, measure in plans.items():
                if record.is_late():
                    record.values["scale_failed"][words] = "no time was left"
                    continue
                record.tell(f"scale: {words}")
                rows = record.attempt(words, measure, where="scale_failed")
                record.values["scale"].setdefault(part, []).extend(rows or [])
                record.save()


def parts(
    workload: Workload, folder: Path, found: Mapping[str, list[dict[str, Any]]]
) -> dict[str, dict[str, Callable[[], list[dict[str, Any]]]]]:
    """What is to be measured, by part and in words; what matters most comes first.

    Args:
        workload: what it is measured on.
        folder: for cases and results.
        found: rows of parts that are measured, which later ones share.
    """
    counts = (1, 2) if workload.quick else COHORTS
    slices = [max(workload.shape[2] // share, 1) for share in ((2,) if workload.quick else (4, 2, 1))]
    sizes = (workload.side,) if workload.quick else IMAGE_SIZES
    return {
        "cohort": {f"a cohort of {counts[-1]}": lambda: by_cases(workload, folder, counts)},
        "first_mask": {"the first mask": lambda: [first_mask(workload)]},
        "slices": {f"{count} slices": partial(by_slices, workload, folder, count) for count in slices},
        "image_size": {f"{size} pixels": partial(by_size, workload, size, found) for size in sizes},
        "processes": {f"{workload.threads} processes": lambda: by_processes(workload, folder, found)},
    }


def by_slices(workload: Workload, folder: Path, slices: int) -> list[dict[str, Any]]:
    """Files to mask for some of the slices."""
    whole = Case.from_folder(workload.case, segmentation=False)
    case = write_case(thinned(whole, slices), folder / f"slices-{slices}")
    return [{"slices": slices, **_subject(dataclasses.replace(workload, case=case))}]


def by_size(workload: Workload, size: int, found: Mapping[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Files to mask on another grid of the nets; the masks are worth nothing there. Our own is all slices' row."""
    whole = [row for row in found.get("slices", []) if row["slices"] == workload.shape[2]]
    if size == workload.side and whole:
        return [{"image_size": size, **{name: whole[0][name] for name in whole[0] if name != "slices"}}]
    return [{"image_size": size, **_subject(workload, size)}]


def _subject(workload: Workload, image_size: int | None = None) -> dict[str, Any]:
    build = partial(Ours, workload, everything=False, image_size=image_size)
    with _worker(workload, build, workload.threads) as worker:
        answers = [worker.run() for _ in range(1 if workload.quick else _RUNS)]
        flops = worker.about()["flops"]
    seconds = summary([answer["seconds"] for answer in answers])
    return {"seconds": seconds, "peak_mib": answers[-1]["peak_mib"], "flops": flops}


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
    workers = [start(workload.quick, build, 1, tuned=True) for build in builds]
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
