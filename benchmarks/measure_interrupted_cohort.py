"""A cohort of simulated cases, killed and gone on with five times: are the bytes those of an undisturbed run?

    python benchmarks/measure_interrupted_cohort.py --cases 200 --seed 0 \
        --output benchmarks/results/interrupted_cohort.json

Each case is a few thick slices through a simulated tumour, seen by the embedded model at 1 mm. `recoseg predict
--cohort` runs once undisturbed and once with SIGKILL to all of its processes at five moments drawn from the seed, one
in each sixth of the cohort but the last, each time followed by the same command. All files are compared, of the
reports all but the times. The command's memory is read all along; a figure of it goes beside the JSON. In a --work
folder the cases stay for another time.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from recoseg_hf.evaluation.canvas import STYLES, chart, save
from recoseg_hf.files import write_json
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.phantom import simulate_case, write_case
from recoseg_hf.imaging.phantom_signal import SITES
from recoseg_hf.imaging.volume import Volume

KILLS = 5
SHAPE = (60, 60, 39)  # voxels of 4 mm
THICK_SLICES = 3
_POLL_SECONDS = 0.1
_TIMES = ("seconds",)


@dataclass
class Watched:
    """One run of the command: (seconds since the first start, MiB, finished cases) over time; when it was killed."""

    samples: list[tuple[float, float, int]] = field(default_factory=list)
    kills: list[dict] = field(default_factory=list)
    seconds: float = 0.0


def make_cases(folder: Path, count: int) -> None:
    """Write the cases that are not there yet."""
    for seed in range(count):
        if (folder / f"simulated-{seed}").is_dir():
            continue
        whole = simulate_case(seed, SHAPE, site=sorted(SITES)[seed % len(SITES)])
        middle = int(np.argmax(np.count_nonzero(whole.seg.data, axis=(0, 1))))
        first = min(max(middle - THICK_SLICES // 2, 0), SHAPE[2] - THICK_SLICES)
        partial = folder / ".partial"
        made = write_case(_cut(whole, slice(first, first + THICK_SLICES)), partial)
        made.rename(folder / made.name)
        partial.rmdir()


def _cut(case: Case, kept: slice) -> Case:
    volumes = {}
    for name, volume in case.volumes().items():
        affine = volume.affine.copy()
        affine[:3, 3] += kept.start * affine[:3, 2]
        volumes[name] = Volume(np.ascontiguousarray(volume.data[:, :, kept]), affine)
    return Case(case.subject, **volumes)


def command(cases: Path, output: Path, seed: int) -> list[str]:
    """The command that is run, and run again."""
    return [
        sys.executable, "-m", "recoseg_hf", "predict", "--cohort", str(cases), "-o", str(output), "--seed", str(seed),
        "--device", "cpu",
    ]  # fmt: skip


def finished(output: Path) -> int:
    """Cases with a report."""
    return sum(1 for _ in output.glob("*/*_report.json"))


def run(
    arguments: list[str], output: Path, watched: Watched, began: float, kill_after: tuple[int, float] | None
) -> int:
    """Run the command once, reading its memory; kill it and all its processes some time after so many more cases.

    Returns:
        Its exit code.
    """
    process = subprocess.Popen(arguments, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    before, due = finished(output), None
    while process.poll() is None:
        time.sleep(_POLL_SECONDS)
        done, memory = finished(output), resident_mib(process.pid)
        if memory is not None:
            watched.samples.append((round(time.monotonic() - began, 1), memory, done))
        if kill_after and due is None and done >= before + kill_after[0]:
            due = time.monotonic() + kill_after[1]
        if due is not None and time.monotonic() >= due:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            moment = {"seconds": round(time.monotonic() - began, 1), "finished": finished(output)}
            watched.kills.append(moment | {"half_made": sum(1 for _ in output.glob("*/.recoseg-*"))})
    return process.returncode


def resident_mib(number: int) -> float | None:
    """Memory that a process has in RAM; None once it has ended."""
    try:
        lines = Path(f"/proc/{number}/status").read_text().splitlines()
    except OSError:
        return None
    return next((round(int(line.split()[1]) / 1024, 1) for line in lines if line.startswith("VmRSS")), None)


def undisturbed(arguments: list[str], output: Path) -> Watched:
    """Run the command from end to end."""
    watched, began = Watched(), time.monotonic()
    code = run(arguments, output, watched, began, None)
    if code:
        raise SystemExit(f"{' '.join(arguments)}: exit code {code}")
    watched.seconds = round(time.monotonic() - began, 1)
    return watched


def moments(count: int, dice: random.Random) -> list[int]:
    """Draw after how many finished cases each kill falls due: one in each part of the cohort but the last."""
    return [int((part + dice.random()) * count / (KILLS + 1)) for part in range(KILLS)]


def interrupted(arguments: list[str], output: Path, count: int, seed: int, seconds_a_case: float) -> Watched:
    """Run the command with kills, and at last to its end."""
    dice, watched, began = random.Random(seed), Watched(), time.monotonic()
    for cases in moments(count, dice):
        wait = dice.uniform(0, min(2.0, count / (KILLS + 1) / 2) * seconds_a_case)
        run(arguments, output, watched, began, (max(cases - finished(output), 0), wait))
    if len(watched.kills) < KILLS:  # the command was done before its kill fell due
        raise SystemExit(f"{len(watched.kills)} kills of {KILLS}: take more cases or another seed")
    code = run(arguments, output, watched, began, None)
    if code:
        raise SystemExit(f"{' '.join(arguments)}: exit code {code} after the kills")
    watched.seconds = round(time.monotonic() - began, 1)
    return watched


def content(output: Path) -> dict[str, str]:
    """Hash of every file of every case; of the reports without their times. Hidden files count too."""
    found = {}
    for file in sorted(output.rglob("*")):
        if not file.is_file() or file.name == "cohort.json":
            continue
        data = file.read_bytes()
        if file.name.endswith("_report.json"):
            report = {name: value for name, value in json.loads(data).items() if name not in _TIMES}
            data = json.dumps(report, sort_keys=True).encode()
        found[file.relative_to(output).as_posix()] = hashlib.sha256(data).hexdigest()
    return found


def memory(watched: Watched, count: int) -> dict[str, float]:
    """MiB: the highest; the highest within a case by quarters of the cohort, and its growth after a twentieth."""
    peaks = [max((mib for _, mib, done in watched.samples if done == case), default=0.0) for case in range(count)]
    known = [(case, peak) for case, peak in enumerate(peaks) if peak and case >= max(count // 20, 1)]
    quarter = max(len(known) // 4, 1)
    slope = np.polyfit(*zip(*known, strict=True), 1)[0] if len(known) > 2 else 0.0
    return {
        "peak_mib": max(mib for _, mib, _ in watched.samples),
        "first_quarter_median_mib": round(statistics.median(peak for _, peak in known[:quarter]), 1),
        "last_quarter_median_mib": round(statistics.median(peak for _, peak in known[-quarter:]), 1),
        "growth_mib_per_100_cases": round(100 * float(slope), 2),
    }


def draw(whole: Watched, killed: Watched, count: int, path: Path) -> None:
    """Draw memory over time, and the moments of the kills."""
    caption = (
        f"Memory in RAM of `recoseg predict --cohort` over {count} simulated cases, read every {_POLL_SECONDS:g} s. "
        f"Left: one run. Right: killed at the {len(killed.kills)} crosses and run again; each drop is a new process "
        "that loads the model."
    )
    figure, axes = chart(2, caption, height=3.4)
    for axis, watched, style, title in zip(axes, (whole, killed), STYLES, ("undisturbed", "killed"), strict=False):
        seconds, mib, _ = zip(*watched.samples, strict=True)
        axis.plot([second / 60 for second in seconds], mib, color=style["color"], linewidth=0.8)
        moments = [kill["seconds"] / 60 for kill in watched.kills]
        axis.plot(moments, [0] * len(moments), "x", color="black", clip_on=False, zorder=3)
        axis.set(title=title, xlabel="minutes", ylabel="MiB", ylim=(0, 1.15 * max(mib)))
    save(figure, path)


def measure(work: Path, count: int, seed: int, figure: Path) -> dict:
    """Both runs, what they left compared."""
    cases, outputs = work / "cases", [work / "undisturbed", work / "killed"]
    for output in outputs:
        shutil.rmtree(output, ignore_errors=True)
    cases.mkdir(parents=True, exist_ok=True)
    make_cases(cases, count)
    whole = undisturbed(command(cases, outputs[0], seed), outputs[0])
    killed = interrupted(command(cases, outputs[1], seed), outputs[1], count, seed, whole.seconds / count)
    one, other = map(content, outputs)
    differing = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    draw(whole, killed, count, figure)
    return {
        "cases": count,
        "seed": seed,
        "files": len(one),
        "differing_files": differing,
        "same_bytes": not differing and len(one) >= count,
        "kills": killed.kills,
        "states_of_last_run": json.loads((outputs[1] / "cohort.json").read_text())["counts"],
        "seconds": {"undisturbed": whole.seconds, "killed": killed.seconds},
        "memory": {"undisturbed": memory(whole, count), "killed": memory(killed, count)},
        "threads": int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)),
    }


def main() -> None:
    """Measure and write; exit code 1 if a byte differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="folder for cases and results; by default one that is removed")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work or Path(temporary)
        result = measure(work, options.cases, options.seed, options.output.with_suffix(".png"))
    write_json(options.output, result)
    print(json.dumps(result, indent=2))
    sys.exit(not result["same_bytes"])


if __name__ == "__main__":
    main()
