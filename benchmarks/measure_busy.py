"""Seconds of a subject while other programs need cores, with OpenMP's long waiting loop and with ours.

    python -m benchmarks.measure_busy CASE_DIR --output benchmarks/results/busy.json

CASE_DIR is any case, for example the simulated one of `recoseg demo`: `demo_output/case/simulated-0`. Each row is a
process of its own, with a warm subject before those that count; rows take turns. See `recoseg_hf.process`.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.fill_training import table
from recoseg_hf.files import write_json

_GNU_DEFAULT = "300000"  # of libgomp, where nothing is set
_WORK = """
import json, sys, time
from pathlib import Path
from recoseg_hf.process import tune_process
tune_process()
from recoseg_hf import Case, load_pipeline, predict_case
pipeline, seconds = load_pipeline(), []
for _ in range(1 + int(sys.argv[2])):
    start = time.perf_counter()
    predict_case(pipeline, Case.from_folder(Path(sys.argv[1]), segmentation=False))
    seconds.append(time.perf_counter() - start)
print(json.dumps(seconds[1:]))
"""


@contextmanager
def busy(programs: int) -> Iterator[list[subprocess.Popen]]:
    """Keep some programs at work beside what is measured, in sessions of their own, as those of other users are."""
    command = [sys.executable, "-c", "while True: pass"]
    running = [subprocess.Popen(command, start_new_session=True) for _ in range(programs)]
    try:
        yield running
    finally:
        for one in running:
            one.kill()
            one.wait()


def seconds_of(case: Path, runs: int, spins: str | None) -> list[float]:
    """Seconds of each subject, files to mask in memory; `spins` None is what `tune_process` sets."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    }
    environment |= {} if spins is None else {"GOMP_SPINCOUNT": spins}
    command = [sys.executable, "-c", _WORK, str(case), str(runs)]
    done = subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE)
    return json.loads(done.stdout.splitlines()[-1])


def busy_table(result: Mapping[str, Any]) -> str:
    """The result as Markdown."""
    names = {"ours": "a short one, as the command sets it", "gnu": "a long one, GNU OpenMP's own"}
    rows = [
        [str(row["programs"]), *(f"{statistics.median(row[name]):.2f} (n = {len(row[name])})" for name in names)]
        for row in result["rows"]
    ]
    heads = ["other programs at work", *(f"seconds, waiting in {words}" for words in names.values())]
    return f"{result['cores']} cores, median seconds of a subject:\n\n{table(heads, rows)}"


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", type=Path)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3, help="subjects that count in each process")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    rows: list[dict[str, Any]] = [{"programs": programs, "ours": [], "gnu": []} for programs in (0, 1)]
    for _ in range(options.rounds):
        for row in rows:
            with busy(row["programs"]):
                row["ours"] += seconds_of(options.case, options.runs, None)
                row["gnu"] += seconds_of(options.case, options.runs, _GNU_DEFAULT)
    result = {"rows": rows, "cores": len(os.sched_getaffinity(0))}
    write_json(options.output, result)
    print(busy_table(result))


if __name__ == "__main__":
    main()
