"""Fine-tune on few subjects of a new site, again and again, and measure what it brings there and costs at home.

    python training/site_study.py training/configs/recoseg_small_segmenter.yaml \
        --pretrained_model_name_or_path runs/synthesizer_cbica --train_data_dir DATA --output_dir runs/site_study \
        --sites BRATS/splits.json --source CBICA --target TCIA --max_train_steps 1200 --finetune_steps 100

DATA are slices of both sites with residuals (`training/cache_residuals.py`). The segmenter is trained on the source's
train subjects, or is that of `--pretrained`; then it is adapted to 1, 2 and 4 of the target's train subjects in
rotation, and tested on the target's other train subjects and on the source's validation subjects. Every other option
is one of train_segmenter.py and goes to each run. Nothing is chosen by a subject that is tested: a run ends with its
last step, and thresholds come from those it was trained on. The same command again goes on where it was interrupted;
`--dry_run` says how long it would take. The result is `site_study.json`, which names no subject, a table in
`site_study.md` and `site_study.png`.
"""

import argparse
import json
import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from diffusers.utils.logging import disable_progress_bar
from site_runs import (
    Study,
    Train,
    finetuning_options,
    finish,
    kept,
    measure_after,
    measure_before,
    remove_weights,
    run_options,
)
from train_segmenter import SegmenterOptions, open_pipeline

from recoseg_hf.cli.scripts import told_in_a_line
from recoseg_hf.errors import InputError
from recoseg_hf.evaluation.anonymity import check_anonymous
from recoseg_hf.evaluation.canvas import require_drawing
from recoseg_hf.evaluation.new_site.figure import draw_site_study
from recoseg_hf.evaluation.new_site.points import points_without_training
from recoseg_hf.evaluation.new_site.study import study_table, summarise_study
from recoseg_hf.files import atomic_write, write_json
from recoseg_hf.inference.report import weights_sha256
from recoseg_hf.learning.apart import train_apart
from recoseg_hf.learning.batch_speed import seconds_per_batch
from recoseg_hf.learning.folder_lock import lock_folder
from recoseg_hf.learning.freezing import FREEZABLE
from recoseg_hf.learning.options import parse_options
from recoseg_hf.learning.run_record import RECORD, made_with, subjects_seen
from recoseg_hf.learning.segmentation import cached_columns
from recoseg_hf.learning.site_split import read_sites
from recoseg_hf.learning.slice_batches import SliceDataset, open_slices
from recoseg_hf.learning.slices import SliceSettings, read_manifest
from recoseg_hf.learning.subjects import subject_hash
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline
from recoseg_hf.process import tune_process

RESULT, POINT, BEFORE = "site_study.json", "point.json", "before.json"


def parse_arguments(arguments: Sequence[str] | None = None) -> tuple[argparse.Namespace, list[str]]:
    """The study's own options, and those of train_segmenter.py."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--output_dir", type=Path, required=True, help="of the runs, the JSON, table and picture")
    parser.add_argument("--sites", type=Path, required=True, help="JSON with train, validation and sites")
    parser.add_argument("--source", required=True, help="the site that the model comes from")
    parser.add_argument("--target", required=True, help="the new site")
    parser.add_argument("--pretrained", default="", help="a pipeline already trained on the source's train subjects")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1, 2, 4], help="target subjects to fine-tune on")
    parser.add_argument("--rotations", type=int, default=0, help="at most so many of each size; 0 is all")
    parser.add_argument("--frozen", nargs="+", default=["none", "encoder"], choices=FREEZABLE, help="variants")
    parser.add_argument("--finetune_steps", type=int, default=100, help="optimiser steps of each fine-tuning")
    parser.add_argument("--finetune_learning_rate", type=float, default=3e-4, help="its peak")
    parser.add_argument("--measure_every", type=int, default=1, help="measure on each n-th slice")
    parser.add_argument("--allow_seen", action="store_true", help="go on where tested subjects were trained on")
    parser.add_argument("--keep_models", action="store_true", help="keep every fine-tuned model and its checkpoints")
    parser.add_argument("--launch", default="", help="in place of python: 'accelerate launch --num_processes 2 ...'")
    return parser.parse_known_args(arguments)


def plan_study(own: argparse.Namespace, rest: Sequence[str]) -> Study:
    """Read options, sites and slices.

    Raises:
        InputError: they cannot be used, or a tested subject was trained on.
    """
    given = ["--pretrained_model_name_or_path", own.pretrained] if own.pretrained else []
    common = parse_options(SegmenterOptions, [*rest, *given, "--output_dir", str(own.output_dir)])
    sites = read_sites(own.sites, own.source, own.target)
    model, data = common.pretrained_model_name_or_path, common.train_data_dir
    start = open_pipeline(common)
    columns = cached_columns(start.channels, common.sources())
    tables = open_slices(data, common.output_dir, SliceSettings.of_pipeline(start.config), columns)
    everyone = [*sites.source_train, *sites.source_test, *sites.target]
    if missing := set(everyone) - {subject for table in tables.values() for subject in table["subject"][:]}:
        raise InputError(data, f"no slices of {len(missing)} subjects", "both sites", "Prepare them too.")
    seen = read_manifest(data)["residuals"]["seen"] if columns else []
    if not own.allow_seen:
        sites.check_unseen(subjects_seen(model) or (), model)
        sites.check_unseen(list(map(subject_hash, seen)), f"synthesizer of {data}")
    seen_apart = start.config.context_slices, own.measure_every, everyone, start.config.slice_step
    slices = SliceDataset(_joined(tables), *seen_apart)
    return Study(own, common, start, sites, slices, len({*sites.target, *sites.source_test} & set(seen)))


def _joined(tables: Mapping[str, Any]) -> Any:
    from datasets import concatenate_datasets

    return concatenate_datasets(list(tables.values()))


def carry_out(study: Study, train: Train) -> tuple[Path, list[dict[str, Any]]]:
    """Train and measure what has not been; returns the folder of the model before, and the points."""
    own, pretrained = study.own, Path(study.own.pretrained)
    if not own.pretrained:
        pretrained = finish(study, run_options(study, "pretraining", study.sites.source_train), train)
    how = {
        "pretrained_sha256": weights_sha256(ReCoSegPipeline.from_pretrained(pretrained)),
        "measure_every": own.measure_every,
        "precision": study.common.mixed_precision,
    }
    before = kept(own.output_dir / BEFORE, how, partial(measure_before, study, pretrained))
    points = points_without_training(**before, groups=study.groups())
    threshold, runs, began = points[0]["mask_threshold"], study.adaptations(), time.monotonic()
    for done, run in enumerate(runs, start=1):
        folder = finish(study, finetuning_options(study, run, pretrained), train)
        compute = partial(measure_after, study, run, folder, threshold)
        points.append(kept(folder / POINT, how | {"threshold": threshold}, compute))
        if not own.keep_models:
            remove_weights(folder)
        left = (time.monotonic() - began) / done * (len(runs) - done)
        print(f"[{done}/{len(runs)}] {run}: {shown_change(points)}; about {left / 60:.0f} min left", flush=True)
    return pretrained, points


def shown_change(points: Sequence[Mapping[str, Any]]) -> str:
    """What the last run changed, for who waits."""
    rows = [row for row in summarise_study([points[0], points[-1]]) if row["region"] == "wt"]
    changes = ((row["site"], row["difference"]) for row in rows)
    return ", ".join(f"{site} Dice {found['value'] or 0:+.3f} (n = {found['n']})" for site, found in changes)


def estimate(study: Study) -> str:
    """How long the whole study would take, told from two batches of noise."""
    own, common, sites, config = study.own, study.common, study.sites, study.start.config
    side, precise = config.image_size // config.pixel_unshuffle, common.mixed_precision != "bf16"
    step, forward = seconds_per_batch(study.start.segmenter, common.train_batch_size, side, not precise)
    runs = study.adaptations()
    steps = len(runs) * own.finetune_steps + (0 if own.pretrained else common.max_train_steps)
    subjects = len(study.slices.chosen_subjects())
    measured = subjects + sum(len(sites.target) - run.size + len(sites.source_test) for run in runs)
    batches = measured * len(study.slices) / subjects / common.train_batch_size
    minutes = steps * common.gradient_accumulation_steps * step / 60, batches * forward / 60
    return (
        f"{own.source}: {len(sites.source_train)} to train on, {len(sites.source_test)} tested; {own.target}: "
        f"{len(sites.target)} in rotation. {len(runs)} fine-tunings, {steps} steps in all: about {minutes[0]:.0f} min "
        f"of training and {minutes[1]:.0f} min of measuring, beside the start of each run."
    )


def write_result(study: Study, pretrained: Path, points: Sequence[Mapping[str, Any]]) -> None:
    """JSON, table and picture, without a subject's name or a path."""
    own, common, groups, config = study.own, study.common, asdict(study.sites), study.start.config
    record = pretrained / RECORD
    measured = {
        "every": own.measure_every,
        "image_size": config.image_size,
        "field_of_view": config.field_of_view,
        "residual": common.sources().shown[0] if "residual" in study.start.channels else None,
        "tested_drawn_by_trained": study.tested_drawn_by_trained,
        "seen_allowed": own.allow_seen,
    }
    result = {
        "target": own.target,
        "source": own.source,
        "subjects": {name: len(subjects) for name, subjects in groups.items()},
        "pretraining_steps": json.loads(record.read_text(encoding="utf-8"))["steps"] if record.is_file() else None,
        "pretraining_options": None if own.pretrained else made_with(common, "", 1)["options"],
        "finetuning": {"steps": own.finetune_steps, "learning_rate": own.finetune_learning_rate},
        "measured": measured,
        "points": list(points),
        "summary": summarise_study(points),
    }
    check_anonymous(result, [subject for subjects in groups.values() for subject in subjects])
    folder = own.output_dir
    write_json(folder / RESULT, result)
    with atomic_write(folder / "site_study.md") as path:
        path.write_text(study_table(result), encoding="utf-8")
    draw_site_study(result, folder / "site_study.png")


def main(arguments: Sequence[str] | None = None, train: Train | None = None) -> None:
    """The whole study; `train` does a run, by default in a process of its own."""
    own, rest = parse_arguments(arguments)
    require_drawing()
    tune_process()
    disable_progress_bar()  # of loading a pipeline, which happens dozens of times
    study = plan_study(own, rest)
    print(estimate(study), flush=True)
    if study.common.dry_run:
        return
    lock_folder(own.output_dir)
    script, launcher = Path(__file__).with_name("train_segmenter.py"), shlex.split(own.launch)
    write_result(study, *carry_out(study, train or (lambda options: train_apart(script, options, launcher))))
    print((own.output_dir / "site_study.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    with told_in_a_line():
        main()
