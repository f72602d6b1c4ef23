"""Seconds and peak memory of `recoseg predict` as a user runs it: a process of its own, files to files.

    python benchmarks/measure_command.py CASE_DIR --runs 3 --output benchmarks/results/command.json

CASE_DIR is any case, for example the simulated one of `recoseg demo`: `demo_output/case/simulated-0`.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from recoseg_hf.files import write_json


def run_once(case: Path) -> tuple[float, dict]:
    """Wall seconds of the whole process, and its own report."""
    with tempfile.TemporaryDirectory() as folder:
        program = [sys.executable, "-c", "from recoseg_hf.cli import main; main()"]
        start = time.perf_counter()
        subprocess.run([*program, "predict", str(case), "--output", folder], check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - start
        (report,) = Path(folder).glob("*_report.json")
        return seconds, json.loads(report.read_text())


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    runs = [run_once(options.case) for _ in range(options.runs)]
    last = runs[-1][1]
    stages = {name: statistics.median(report["seconds"][name] for _, report in runs) for name in last["seconds"]}
    result = {
        "runs": options.runs,
        "wall_seconds_median": statistics.median(seconds for seconds, _ in runs),
        "wall_seconds": sorted(seconds for seconds, _ in runs),
        "stage_seconds_median": stages,
        # The largest of all runs; Linux counts in KiB.
        "peak_memory_gib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20,
        "measurement": {
            "model": {name: last["model"][name] for name in ("weights_sha256", "configuration_sha256")},
            "dtype": last["settings"]["dtype"],
        },
        "cores": len(os.sched_getaffinity(0)),
    }
    write_json(options.output, result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
