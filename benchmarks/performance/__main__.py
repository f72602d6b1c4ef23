"""Measure everything in one run, interleaved.

    python -m benchmarks.performance --output benchmarks/results/performance.json
    python -m benchmarks.performance --case CASE_DIR --output RESULT.json     # another case than the simulated one
    python -m benchmarks.performance --quick --output RESULT.json             # does it run? its times mean nothing
    python -m benchmarks.performance --from RESULT.raw.json --output RESULT.json     # nothing is measured again

On an idle machine; 15 to 25 minutes. What is measured is kept in RESULT.raw.json after each round, so that a run that
is broken off, or a part that fails, loses nothing else. A picture goes beside the JSON. After it,
`python -m benchmarks.fill_performance` brings docs/performance.md up to date. Needs the `dev` extra.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.performance.workers import clean_environment

_MINUTES, _ROUNDS = 45, 3


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", type=Path, help="folder of four .nii.gz; by default a simulated one")
    parser.add_argument("--model", help="folder of a model; by default the embedded one")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help="turns of each contestant in its group")
    parser.add_argument("--minutes", type=float, default=_MINUTES, help="after them only what must be is begun")
    parser.add_argument("--no-scale", action="store_true", help="leave out how time and memory grow")
    parser.add_argument("--only", nargs="+", help="contestants whose names begin so; ours takes part always")
    parser.add_argument("--busy", action="store_true", help="measure although the machine is at work")
    parser.add_argument("--quick", action="store_true", help="everything tiny, one round")
    parser.add_argument("--from", dest="source", type=Path, help="what an earlier run measured: RESULT.raw.json")
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args(arguments)


def measure(options: argparse.Namespace, tell: Callable[[str], None]) -> dict[str, Any]:
    """Measure; the values of the record, which is beside the output."""
    from benchmarks.performance import choosing, contestants, rounds, scale
    from benchmarks.performance.machine import machine, require_quiet
    from benchmarks.performance.record import Record
    from benchmarks.performance.workload import make_workload

    state = require_quiet(options.busy or options.quick)
    record = Record(options.output.with_suffix(".raw.json"), options.minutes, tell)
    with tempfile.TemporaryDirectory() as folder:
        tell("making the case")
        workload = make_workload(Path(folder), options.case, options.model, options.threads, options.quick)
        everybody = contestants.everybody(workload, choosing.choose(workload, record, options.only))
        if options.only:
            names = ("ours_mask", *options.only)
            everybody = [one for one in everybody if one.name.startswith(names)]
        record.values |= {
            "contestants": [one.described() for one in everybody], "case": workload.described(),
            "machine": machine(options.threads) | state, "quick": options.quick,
        }  # fmt: skip
        record.save()
        rounds.take_turns(everybody, workload, record, 1 if options.quick else options.rounds)
        if not options.no_scale:
            scale.measure_scale(workload, record)
    record.save()
    return record.values


def assembled(raw: Mapping[str, Any]) -> dict[str, Any]:
    """The result, bars and calculations included."""
    from benchmarks.fill_readme import read
    from benchmarks.performance import gates, on_paper, result

    found = result.assemble(raw)
    return {"gates": gates.gates(found, read("steps")), **found, "on_paper": on_paper.calculated(found)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, write, draw."""
    options = parse_arguments(arguments)
    if not options.quick:
        clean_environment()

    from benchmarks.performance.chart import draw
    from benchmarks.performance.tables import in_words
    from recoseg_hf.files import write_json

    began = time.perf_counter()

    def tell(what: str) -> None:
        print(f"{time.perf_counter() - began:6.0f} s  {what}", file=sys.stderr, flush=True)

    if options.source:
        raw = json.loads(options.source.read_text(encoding="utf-8"))
    else:
        raw = json.loads(json.dumps(measure(options, tell), sort_keys=True))  # as it is in the file
    result = assembled(raw)
    write_json(options.output, result)
    print(in_words(result))
    draw(result, options.output.with_suffix(".png"))


if __name__ == "__main__":
    main()
