"""Train the segmenter on the labels of more and more subjects and draw what the labels are worth.

    python training/label_ladder.py training/configs/recoseg_small_segmenter.yaml \
        --pretrained_model_name_or_path runs/synthesizer --train_data_dir DATA --output_dir runs/ladder \
        --rungs 1,10%,25%,50%,100% --label_seeds 0 1 --unlabelled none mean_teacher --max_train_steps 300

Every other option is one of train_segmenter.py and goes to each run. A smaller part of the subjects lies inside a
larger one of the same seed; all runs take equally many steps, and validation only measures: no checkpoint is chosen
and no threshold tuned by it. The same command again goes on where it was interrupted. The result is
`label_ladder.json`, which names no subject, and `label_ladder.png`; `--draw_only` draws the picture of a JSON that is
there.
"""

import argparse
import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from train_segmenter import SegmenterOptions, open_data, open_pipeline

from recoseg_hf.cli.scripts import told_in_a_line
from recoseg_hf.errors import InputError
from recoseg_hf.evaluation.canvas import require_drawing
from recoseg_hf.evaluation.paper.label_curve import draw_label_curve, label_curve, label_differences
from recoseg_hf.files import sha256_file, write_json
from recoseg_hf.learning.apart import is_trained, train_apart
from recoseg_hf.learning.folder_lock import lock_folder
from recoseg_hf.learning.label_rungs import Rung, plan_rungs
from recoseg_hf.learning.options import parse_options
from recoseg_hf.learning.run_record import RECORD, made_with
from recoseg_hf.learning.segmentation import subject_dice
from recoseg_hf.learning.slice_batches import slices_folder
from recoseg_hf.learning.subjects import fingerprint
from recoseg_hf.learning.training_data import TrainingData
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline
from recoseg_hf.process import tune_process

POINT = "label_ladder_point.json"
HALF = 0.5


def parse_arguments(arguments: Sequence[str] | None = None) -> tuple[argparse.Namespace, list[str]]:
    """The ladder's own options, and those of train_segmenter.py."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--output_dir", type=Path, required=True, help="of the runs, the JSON and the picture")
    parser.add_argument("--rungs", default="1,10%,25%,50%,100%", help="labelled subjects: numbers or shares")
    parser.add_argument("--label_seeds", type=int, nargs="+", default=[0], help="choices of the labelled subjects")
    parser.add_argument("--unlabelled", nargs="+", default=["none"], choices=("none", "mean_teacher"))
    parser.add_argument("--mean_teacher_rungs", default="", help="some of --rungs for the mean teacher; all otherwise")
    parser.add_argument(
        "--mean_teacher_label_seeds",
        type=int,
        nargs="+",
        default=[],
        help="some of --label_seeds for it; all if none",
    )
    parser.add_argument("--launch", default="", help="in place of python: 'accelerate launch --num_processes 2 ...'")
    parser.add_argument("--draw_only", action="store_true", help="draw the picture of the JSON that is there")
    return parser.parse_known_args(arguments)


def climb(
    rungs: Sequence[Rung], common: SegmenterOptions, train: Callable[[SegmenterOptions], None]
) -> list[dict[str, Any]]:
    """Train and measure what has not been; `train` begins a run or goes on with it."""
    start = open_pipeline(common)
    points = []
    for place, rung in enumerate(rungs, 1):
        options = rung.options(common)
        data = open_data(options, start)
        if not is_trained(options, data):
            train(options)
        points.append(measured(options, rung, data))
        dice = ", ".join(f"{row['mean']} above {row['threshold']:g}" for row in label_curve(points[-1:]))
        print(f"[{place}/{len(rungs)}] {rung}: Dice {dice}", flush=True)
    return points


def measured(options: SegmenterOptions, rung: Rung, data: TrainingData) -> dict[str, Any]:
    """The Dice of each validation subject by a finished run, computed once."""
    folder = Path(options.output_dir)
    weights = [sha256_file(file) for file in sorted((folder / "segmenter").glob("*.safetensors"))]
    file = folder / POINT
    if file.is_file() and (known := json.loads(file.read_text()))["weights_sha256"] == weights:
        return known
    record = json.loads((folder / RECORD).read_text())
    point = asdict(rung) | {
        "steps": record["steps"],
        "seconds": record["seconds"],
        "dice": whole_tumour_dice(folder, options, data),
        "weights_sha256": weights,
    }
    write_json(file, point)
    return point


def whole_tumour_dice(folder: Path, options: SegmenterOptions, data: TrainingData) -> dict[str, list[float | None]]:
    """By threshold, of each validation subject in the order of the data."""
    pipeline = ReCoSegPipeline.from_pretrained(folder)
    pipeline.to("cuda" if torch.cuda.is_available() else "cpu")
    thresholds = sorted({HALF, pipeline.config.mask_threshold})
    source = options.sources().shown[0]
    found = subject_dice(pipeline, data.validation, options.train_batch_size, source, thresholds).values()
    by_threshold = zip(*(dice[pipeline.region_names[0]] for dice in found), strict=True)
    return {f"{threshold:g}": list(values) for threshold, values in zip(thresholds, by_threshold, strict=True)}


def summary(points: Sequence[dict[str, Any]], subjects: dict[str, list[str]], common: SegmenterOptions) -> dict:
    """What goes into the JSON."""
    config = open_pipeline(common).config
    return {
        "train_subjects": len(subjects["train"]),
        "validation_subjects": len(subjects["validation"]),
        "subjects_sha256": fingerprint(subjects),
        "steps": common.max_train_steps,
        "options": made_with(common, "", 1)["options"],
        "points": list(points),
        "curve": label_curve(points),
        "differences": label_differences(points),
        "caption": caption(label_curve(points), common, config),
    }


def caption(curve: Sequence[dict[str, Any]], common: SegmenterOptions, config: dict[str, Any]) -> str:
    """What a reader has to know to believe the picture."""
    size, choices, own = config["image_size"], max(row["choices"] for row in curve), config["mask_threshold"]
    return (
        f"Marks: mean over n = {min(row['n'] for row in curve)} validation subjects"
        + (f" and up to {choices} choices of the labelled ones (hollow: each choice)" if choices > 1 else "")
        + ". Bars: 95 % bootstrap interval over the validation subjects, too narrow where they are few. "
        f"{common.max_train_steps} optimiser steps in every run. Dice on the nets' grid ({size} x {size} pixels of "
        f"{config['field_of_view'] / size:g} mm), all slices with brain; residual: {common.sources().shown[0]}. "
        f"Thresholds were not tuned: {HALF}"
        + (f", and {own:g}, which the model's settings name (without their seeds)" if own != HALF else "")
        + ". No checkpoint was chosen."
    )


def main(arguments: Sequence[str] | None = None, train: Callable[[SegmenterOptions], None] | None = None) -> None:
    """The whole ladder; `train` does a run, by default in a process of its own."""
    own, rest = parse_arguments(arguments)
    file = own.output_dir / "label_ladder.json"
    require_drawing()
    if not own.draw_only:
        tune_process()
        lock_folder(own.output_dir)
        common = parse_options(SegmenterOptions, [*rest, "--output_dir", str(own.output_dir)])
        script, launcher = Path(__file__).with_name("train_segmenter.py"), shlex.split(own.launch)
        write_json(file, climbed(own, common, train or (lambda options: train_apart(script, options, launcher))))
    if not file.is_file():
        raise InputError(file, "no such file", "a ladder's result", "Climb it first, without --draw_only.")
    draw_label_curve(json.loads(file.read_text()), file.with_suffix(".png"))


def climbed(
    own: argparse.Namespace, common: SegmenterOptions, train: Callable[[SegmenterOptions], None]
) -> dict[str, Any]:
    """Plan the ladder, climb it and sum it up."""
    for name in ("dry_run", "push_to_hub"):
        if getattr(common, name):
            remedy = f"Give train_segmenter.py --{name}."
            raise InputError(f"--{name}", "a ladder measures finished runs, and keeps them", "none of it", remedy)
    everybody = replace(common, label_fraction=1.0, label_subjects=0, healthy_slice_share=1.0)
    start = open_pipeline(common)
    subjects = open_data(everybody, start).subjects()
    # A BraTS-style folder has now been prepared, once for all runs, with residuals where the system needs them.
    slices = slices_folder(common.train_data_dir, common.output_dir)
    drawn = slices.with_name("slices_residuals")
    made = slices != Path(common.train_data_dir)
    common = replace(common, train_data_dir=str(drawn if made and drawn.is_dir() else slices))
    taught = own.mean_teacher_rungs, own.mean_teacher_label_seeds
    rungs = plan_rungs(own.rungs, subjects["train"], own.label_seeds, own.unlabelled, *taught)
    return summary(climb(rungs, common, train), subjects, common)


if __name__ == "__main__":
    with told_in_a_line():
        main()
