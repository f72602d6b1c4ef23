"""Dice, PSNR, SSIM and seconds against denoising steps, for each solver; which are the fastest that lose nothing.

    python -m benchmarks.steps --data BRATS --output benchmarks/results/steps.json

BRATS holds one folder per labelled subject and `splits.json`; no subject's name leaves the program. Three parts, on
the validation subjects: `volumes`, the model's own solver on whole volumes; `slabs`, every solver on a few slices
around the middle of each tumour, prepared with the whole volume; `slices`, DDPM with all timesteps against few steps
of the model's own solver, on 24 slices with tumour. Whole volumes with every solver would take hours on two cores.
What is best of all on slabs, in a region or in the mean, is therefore measured on whole volumes at the end: of so
many settings the best is partly so by chance. A step costs the same whatever the solver. A stopped run goes on with
the same command. Beside the JSON: a picture (.png), and the tables (.md).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from benchmarks.compare_samplers import open_unseen
from benchmarks.measure_model import conditions
from benchmarks.steps.chart import draw
from benchmarks.steps.kept import KeptPoints
from benchmarks.steps.points import SOLVERS, Point, Subject, cost, own_solver, plan, plan_proposed
from benchmarks.steps.result import proposals, result_of
from benchmarks.steps.tables import steps as tables
from recoseg_hf.cli.scripts import told_in_a_line
from recoseg_hf.evaluation.canvas import require_drawing, save
from recoseg_hf.files import atomic_write, write_json
from recoseg_hf.imaging.case import Case
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline
from recoseg_hf.process import tune_process


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.steps", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="labelled BraTS-style folder, T1ce included")
    parser.add_argument("--part", default="validation", help="list of its splits.json")
    parser.add_argument("--subjects", type=int, default=None, help="the first so many; all by default")
    parser.add_argument("--model", default=None, help="folder or Hub id; by default the embedded model")
    parser.add_argument("--volume-steps", type=int, nargs="*", default=[1, 2, 4, 10], help="for whole volumes")
    parser.add_argument("--steps", type=int, nargs="*", default=[1, 2, 4, 10, 25, 50], help="for slabs and slices")
    parser.add_argument("--solvers", nargs="+", default=list(SOLVERS), choices=SOLVERS, help="for slabs")
    parser.add_argument("--slab", type=int, default=12, help="slices of a slab")
    parser.add_argument(
        "--slices", type=int, default=4, help="of each subject, for DDPM with all timesteps; 0 for none"
    )
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help="by default, what the processor does best")
    parser.add_argument("--output", type=Path, required=True, help="JSON file")
    options = parser.parse_args(arguments)
    if min([options.slab, options.subjects or 1, *options.volume_steps, *options.steps]) < 1 or options.slices < 0:
        parser.error("expected numbers of 1 or more")
    return options


def study(pipeline: ReCoSegPipeline, cases: Sequence[Path], kept: KeptPoints, options: argparse.Namespace) -> None:
    """Measure all points that are not kept yet: what was planned, then what slabs propose for whole volumes."""
    own, longest = own_solver(pipeline), pipeline.scheduler.config.num_train_timesteps
    planned = plan(
        own,
        len(cases),
        longest=longest,
        volume_steps=options.volume_steps,
        solvers=list(dict.fromkeys([own, *options.solvers])),
        steps=options.steps,
    )
    planned = [point for point in planned if options.slices or point.part != "slices"]
    measure(pipeline, cases, kept, options, planned)
    measure(pipeline, cases, kept, options, plan_proposed(proposals(kept.found, own), len(cases)))


def measure(
    pipeline: ReCoSegPipeline,
    cases: Sequence[Path],
    kept: KeptPoints,
    options: argparse.Namespace,
    planned: Sequence[Point],
) -> None:
    """Measure those of some points that are not kept yet."""
    left = [point for point in planned if point not in kept.found]
    subject = None
    with tqdm(total=sum(cost(point, options.slab, options.slices) for point in left), unit="slice") as bar:
        for point in left:
            if subject is None or subject.number != point.subject:
                case = Case.from_folder(cases[point.subject])
                subject = Subject(pipeline, case, point.subject, options.slab, options.slices)
            bar.set_description(f"{point.part}, {point.solver}, {point.steps}")
            kept.add(point, subject.measure(point))
            bar.update(cost(point, options.slab, options.slices))


def write(result: dict[str, Any], output: Path) -> None:
    """Write the result, its tables and its picture."""
    write_json(output, result)
    with atomic_write(output.with_suffix(".md")) as path:
        path.write_text(tables(result) + "\n", encoding="utf-8")
    if result["steps"] and result["slabs"]:
        save(draw(result), output.with_suffix(".png"))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and write."""
    options = parse_arguments(arguments)
    require_drawing()
    tune_process()
    pipeline, subjects = open_unseen(options)
    pipeline.set_progress_bar_config(disable=True)
    folders = list(islice(subjects.folders(), options.subjects))
    measured = conditions(pipeline) | {"part": options.part, "slab": options.slab, "slices": options.slices}
    kept = KeptPoints(options.output.with_suffix(".points"), measured)
    study(pipeline, folders, kept, options)
    result = result_of(kept.found, own_solver(pipeline), pipeline.scheduler.config.num_train_timesteps)
    write(result | {"measurement": {"what": "steps", **measured}}, options.output)
    kept.delete()
    print(tables(result | {"measurement": measured}))


if __name__ == "__main__":
    with told_in_a_line():
        main()
