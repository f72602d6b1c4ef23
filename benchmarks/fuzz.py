"""Push damaged input through every door for a long time, and count what comes out.

    python benchmarks/fuzz.py --minutes 30 --seed 0 --output benchmarks/results/fuzz.json

    python benchmarks/fuzz.py --output benchmarks/results/fuzz.json --fill docs/reliability.md

The targets of `tests/fuzz` take turns, each turn in a process of its own, so that one that is killed is a finding too.
An example is a valid result or a refusal, within 2 s of the processor and 1 GiB; whatever else comes out is written to
--findings in the form of `tests/fuzz/corpus`, made as small as hypothesis can. Exits with 1 where there are findings.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import logging
import multiprocessing
import os
import platform
import re
import resource
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
for name, value in {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "GRADIO_ANALYTICS_ENABLED": "False"}.items():
    os.environ.setdefault(name, value)

from hypothesis import HealthCheck, Phase, given, seed, settings  # noqa: E402

from benchmarks.fill_readme import between, rewrite  # noqa: E402
from recoseg_hf.files import write_json  # noqa: E402
from tests.fuzz import rooms  # noqa: E402
from tests.fuzz.corpus import Found, to_json, write_found  # noqa: E402
from tests.fuzz.targets.all import TARGETS  # noqa: E402
from tests.fuzz.targets.target import Target, attempt, warm_up  # noqa: E402

BATCH = 40
"""Examples for each call of hypothesis, which looks for new ones by what the earlier ones of the call did."""

_OURS = ("/recoseg_hf/", "/spaces_demo/", "/tests/fuzz/")
_MARKS = ("<!-- fuzz -->", "<!-- /fuzz -->")
_SPARE_SECONDS = 300  # for a turn's beginning and for making a finding small


def main() -> None:
    """Take turns until the time is over; write the counts after each round."""
    options = _options()
    if options.fill:
        _fill(options.fill, json.loads(options.output.read_text(encoding="utf-8")))
        return
    chosen = [target for target in TARGETS if not options.targets or target.name in options.targets]
    rooms.result(), rooms.checkpoint()  # once for all turns, which copy this process
    counts: dict[str, Counter] = {target.name: Counter() for target in chosen}
    found: dict[str, dict[str, Any]] = {}
    started, turn = time.monotonic(), 0
    while time.monotonic() - started < 60 * options.minutes:
        for target in chosen:
            if time.monotonic() - started >= 60 * options.minutes:
                break
            turn += 1
            told = _turn(target, options.seed + turn, options.turn_seconds, frozenset(found))
            counts[target.name].update(told["counts"])
            for key in ("longest_s", "growth_mb"):
                counts[target.name][key] = max(counts[target.name][key], told[key])
            for finding in told["findings"]:
                found[finding["signature"]] = finding
                _keep(finding, options.findings)
                counts[target.name]["findings"] += 1
        _write(options, counts, found, time.monotonic() - started)
    _write(options, counts, found, time.monotonic() - started)
    sys.exit(1 if found else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--turn-seconds", type=float, default=10, help="Of one target before the next.")
    parser.add_argument("--targets", nargs="*", help="Names; by default all.")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results" / "fuzz.json")
    parser.add_argument("--findings", type=Path, default=Path("fuzz_findings"), help="Folder.")
    parser.add_argument("--fill", type=Path, help="Run nothing: put the counts of --output into this page.")
    return parser.parse_args()


def _turn(target: Target, number: int, seconds: float, known: frozenset[str]) -> dict[str, Any]:
    """Let a process of its own push examples through a target for some seconds."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(target, number, seconds, known, sender))
    process.start()
    sender.close()
    last, told = None, None
    with contextlib.suppress(EOFError):
        while receiver.poll(seconds + _SPARE_SECONDS):
            kind, content = receiver.recv()
            if kind == "told":
                told = content
                break
            last = content
    process.join(timeout=10)
    if process.is_alive():
        process.kill()
        process.join()
    if told:
        return told
    story = f"the process ended with {process.exitcode}"
    finding = {"target": target.name, "signature": f"{target.name}: {story}", "story": story, "example": last}
    new = [] if finding["signature"] in known else [finding]
    return {"counts": {"executions": 1}, "findings": new, "longest_s": 0.0, "growth_mb": 0}


def _work(target: Target, number: int, seconds: float, known: frozenset[str], sender: Any) -> None:
    """One turn, in its process; tells of each example before it is pushed, and of everything at the end."""
    silence()
    warm_up(target)
    counts: Counter = Counter()
    findings: dict[str, dict[str, Any]] = {}
    longest, before, ends = 0.0, _peak_mb(), time.monotonic() + seconds

    def push(example: Any) -> None:
        nonlocal longest
        sender.send(("example", to_json(example)))
        counts["executions"] += 1
        start = time.process_time()
        try:
            counts[attempt(target, example)] += 1
        except BaseException as error:
            mark = signature(target, error)
            if mark in known or mark in findings:
                counts["known"] += 1
                return
            last[:] = [mark, example, "".join(traceback.format_exception(error))]
            raise
        finally:
            longest = max(longest, time.process_time() - start)

    batch, last = number * 100_000, []
    while time.monotonic() < ends:
        batch += 1
        last.clear()
        try:
            _batch(push, target, batch)
        except BaseException:
            if not last:
                raise
            mark, example, story = last
            findings[mark] = {
                "target": target.name, "signature": mark, "story": story, "example": to_json(example),
            }  # fmt: skip
    growth = _peak_mb() - before
    told = {"counts": counts, "findings": [*findings.values()], "longest_s": longest, "growth_mb": growth}
    sender.send(("told", told))
    sender.close()
    os._exit(0)  # threads of a server, say, would keep the process


def _batch(push: Callable[[Any], None], target: Target, number: int) -> None:
    options = settings(
        max_examples=BATCH, deadline=None, database=None, phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
    )  # fmt: skip
    seed(number)(options(given(target.examples)(push)))()


def silence() -> None:
    """Keep what libraries say out of the log."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    nowhere = open(os.devnull, "w")  # noqa: SIM115 (as long as the process)
    os.dup2(nowhere.fileno(), 1)
    os.dup2(nowhere.fileno(), 2)


def signature(target: Target, error: BaseException) -> str:
    """Name a finding by what it is and where in our code it came from, so that it is told of once."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if any(o in frame.filename for o in _OURS)]
    cause = error.__cause__
    if cause is not None:
        inner = traceback.extract_tb(cause.__traceback__)
        frames += [frame for frame in inner if any(o in frame.filename for o in _OURS)]
    place = f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "elsewhere"
    kind = type(error).__name__ if cause is None else f"{type(error).__name__} from {type(cause).__name__}"
    return f"{target.name}: {kind} at {place}"


def _peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def _keep(finding: dict[str, Any], folder: Path) -> None:
    name = re.sub(r"[^a-z0-9]+", "-", finding["target"].lower()).strip("-")
    mark = hashlib.sha256(finding["signature"].encode()).hexdigest()[:8]
    write_found(Found(f"{name}-{mark}", finding["target"], finding["story"], "refused", finding["example"]), folder)
    print(finding["signature"], flush=True)


def _write(
    options: argparse.Namespace, counts: dict[str, Counter], found: dict[str, dict[str, Any]], seconds: float
) -> None:
    rows = dict(_rows(counts))
    totals = {name: sum(row[name] for row in rows.values()) for name in ("executions", "valid", "refused", "findings")}
    content = {
        "command": f"python benchmarks/fuzz.py --minutes {options.minutes:g} --seed {options.seed}",
        "minutes": round(seconds / 60, 1),
        "seed": options.seed,
        "targets": rows,
        "totals": totals,
        "findings": [f"{finding['signature']}" for finding in found.values()],
        "python": platform.python_version(),
    }
    write_json(options.output, content)


def _rows(counts: dict[str, Counter]) -> Iterator[tuple[str, dict[str, Any]]]:
    for target, count in counts.items():
        row: dict[str, Any] = {name: count[name] for name in ("executions", "valid", "refused", "findings")}
        yield target, row | {"longest_s": round(count["longest_s"], 2), "growth_mb": count["growth_mb"]}


def _fill(page: Path, content: dict[str, Any]) -> None:
    """Put the counts between the page's marks."""
    columns = ("executions", "valid", "refused", "findings", "longest_s", "growth_mb")
    lines = [
        f"| {target} | {' | '.join(f'{row[name]:,}' for name in columns)} |" for target, row in _by_target(content)
    ]
    totals = content["totals"]
    head = "| target | executions | valid | refused | findings | longest, s | growth, MiB |"
    rule = "|---|--:|--:|--:|--:|--:|--:|"
    last = f"| all, {content['minutes']:g} minutes | {' | '.join(f'{totals[name]:,}' for name in columns[:4])} | | |"
    rewrite(page, lambda text: between(text, *_MARKS, "\n".join([head, rule, *lines, last])))


def _by_target(content: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The rows in the order of the turns."""
    order = [target.name for target in TARGETS]
    return sorted(content["targets"].items(), key=lambda row: order.index(row[0]) if row[0] in order else len(order))


if __name__ == "__main__":
    main()
