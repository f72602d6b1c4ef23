"""Measure everything in one run, interleaved.

    python -m benchmarks.performance --output benchmarks/results/performance.json
    python -m benchmarks.performance --case CASE_DIR --output RESULT.json     # another case than the simulated one
    python -m benchmarks.performance --quick --output RESULT.json             # does it run? its times mean nothing

On an idle machine; about twelve minutes. A picture goes beside the JSON. `python -m benchmarks.fill_performance` then
brings docs/performance.md up to date. Needs the `dev` extra.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.performance.workers import clean_environment


def measure(
    case: Path | None, model: str | None, threads: int, quick: bool, tell: Callable[[str], None]
) -> dict[str, Any]:
    """The whole result."""
    from benchmarks.performance import contestants, gates, on_paper, result, rounds, scale
    from benchmarks.performance.workload import make_workload

    began, load = time.perf_counter(), os.getloadavg()
    with tempfile.TemporaryDirectory() as folder:
        tell("making the case")
        workload = make_workload(Path(folder), case, model, threads, quick)
        everybody = contestants.everybody(workload)
        measured, loads = rounds.take_turns(everybody, workload, tell)
        found = result.assemble(everybody, measured, workload)
        found["scale"] = scale.measure_scale(workload, tell)
    found["machine"] = result.machine(threads) | {"load_before": list(load), "load_before_rounds": loads}
    found["scale"]["on_paper"] = on_paper.calculated(found)
    return {
        "gates": gates.gates(found),
        "quick": quick,
        "minutes": (time.perf_counter() - began) / 60,
        **found,
    }


def main(arguments: list[str] | None = None) -> None:
    """Measure, write, draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", type=Path, help="folder of four .nii.gz; by default a simulated one")
    parser.add_argument("--model", help="folder of a model; by default the embedded one")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="everything tiny")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args(arguments)
    if not options.quick:
        clean_environment()

    from benchmarks.performance.chart import draw
    from benchmarks.performance.tables import in_words
    from recoseg_hf.files import write_json

    began = time.perf_counter()

    def tell(what: str) -> None:
        print(f"{time.perf_counter() - began:6.0f} s  {what}", file=sys.stderr, flush=True)

    result = measure(options.case, options.model, options.threads, options.quick, tell)
    write_json(options.output, result)
    draw(result, options.output.with_suffix(".png"))
    print(in_words(result))


if __name__ == "__main__":
    main()
