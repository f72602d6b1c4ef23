"""The runs of `site_study.py`: whom each fine-tuning learns from, with what options, and what it is measured on."""

import argparse
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from train_segmenter import SegmenterOptions, open_data

from recoseg_hf.errors import InputError
from recoseg_hf.evaluation.new_site.points import at_threshold
from recoseg_hf.evaluation.new_site.study import VARIANTS
from recoseg_hf.evaluation.region_masks import REGION_THRESHOLD
from recoseg_hf.evaluation.thresholds import THRESHOLDS
from recoseg_hf.files import write_json
from recoseg_hf.learning.apart import is_trained
from recoseg_hf.learning.rotations import rotations
from recoseg_hf.learning.run_record import RECORD
from recoseg_hf.learning.segmentation import subject_dice
from recoseg_hf.learning.site_split import SiteSplit
from recoseg_hf.learning.slice_batches import SliceDataset
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline

Train = Callable[[SegmenterOptions], None]


@dataclass(frozen=True)
class Adaptation:
    """One fine-tuning: what is frozen, and the numbers of those it is done on."""

    freeze: str
    size: int
    rotation: int
    group: tuple[str, ...]

    def __str__(self) -> str:
        return f"{VARIANTS[self.freeze]}, on {self.size}, rotation {self.rotation}"


@dataclass(frozen=True)
class Study:
    """What every part needs: the study's options, those of every run, the model to start from, sites and slices."""

    own: argparse.Namespace
    common: SegmenterOptions
    start: ReCoSegPipeline
    sites: SiteSplit
    slices: SliceDataset
    tested_drawn_by_trained: int

    def groups(self) -> dict[int, list[list[str]]]:
        """Numbers of the target subjects to adapt to in turn, by size."""
        numbers = list(numbered(self.sites.target))
        return {size: rotations(numbers, size, self.own.rotations, self.common.seed) for size in self.own.sizes}

    def adaptations(self) -> list[Adaptation]:
        """Every fine-tuning."""
        return [
            Adaptation(freeze, size, place, tuple(group))
            for size, groups in self.groups().items()
            for place, group in enumerate(groups)
            for freeze in self.own.frozen
        ]


def numbered(subjects: Sequence[str]) -> dict[str, str]:
    """Subjects by their place, which is all that a result tells of them."""
    return {str(place): subject for place, subject in enumerate(subjects)}


def run_options(study: Study, name: str, train: Sequence[str], **changes: Any) -> SegmenterOptions:
    """Options of one run: nothing is chosen by its validation, which comes once, at the end."""
    folder = study.own.output_dir / "runs" / name
    split = folder / "split.json"
    write_json(split, {"train": sorted(train), "validation": study.sites.source_test[:1]})
    options = replace(study.common, output_dir=str(folder), split=str(split), **changes)
    steps = options.max_train_steps
    return replace(options, validation_steps=steps, early_stopping_patience=0, resume_from_checkpoint="latest")


def finetuning_options(study: Study, run: Adaptation, pretrained: Path) -> SegmenterOptions:
    """Options of one fine-tuning."""
    steps = study.own.finetune_steps
    return run_options(
        study,
        f"{run.freeze}_{run.size}_{run.rotation}",
        [numbered(study.sites.target)[number] for number in run.group],
        pretrained_model_name_or_path=str(pretrained),
        freeze=run.freeze,
        max_train_steps=steps,
        learning_rate=study.own.finetune_learning_rate,
        lr_warmup_steps=min(study.common.lr_warmup_steps, steps // 10 + 1),
        checkpointing_steps=steps,
    )


def finish(study: Study, options: SegmenterOptions, train: Train) -> Path:
    """Do a run, go on with it, or find it done."""
    # All pipelines of a study have one synthesizer and one set of settings, which is what decides on the data.
    if not is_trained(options, open_data(options, study.start)):
        train(options)
    return Path(options.output_dir)


def measure(
    study: Study, pipeline: ReCoSegPipeline, subjects: Mapping[str, str], thresholds: Sequence[float] = THRESHOLDS
) -> dict[str, dict[str, list[float | None]]]:
    """Dice of subjects on the nets' grid, by region and number, at each threshold."""
    source, device = study.common.sources().shown[0], pipeline._execution_device.type
    with torch.autocast(device, torch.bfloat16, enabled=study.common.mixed_precision == "bf16"):
        part = study.slices.part(subjects.values())
        found = subject_dice(pipeline, part, study.common.train_batch_size, source, thresholds)
    return {
        region: {number: found[subject][region] for number, subject in subjects.items()}
        for region in pipeline.region_names
    }


def load(folder: Path) -> ReCoSegPipeline:
    """A trained pipeline where it runs fastest."""
    return ReCoSegPipeline.from_pretrained(folder).to("cuda" if torch.cuda.is_available() else "cpu")


def measure_before(study: Study, pretrained: Path) -> dict[str, Any]:
    """Everybody at all thresholds, by the model before."""
    pipeline, sites = load(pretrained), study.sites
    groups = {"trained": sites.source_train, "source": sites.source_test, "target": sites.target}
    return {name: measure(study, pipeline, numbered(subjects)) for name, subjects in groups.items()}


def measure_after(study: Study, run: Adaptation, folder: Path, threshold: float) -> dict[str, Any]:
    """The target's other subjects and the source's, by a fine-tuned model at the threshold of the model before."""
    pipeline, sites = load(folder), study.sites
    others = {number: subject for number, subject in numbered(sites.target).items() if number not in run.group}
    thresholds = (threshold, REGION_THRESHOLD)
    record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    point = {"variant": run.freeze, "size": run.size, "rotation": run.rotation, "group": list(run.group)}
    point |= {"mask_threshold": threshold, "steps": record["steps"], "seconds": record["seconds"]}
    for name, subjects in {"source": numbered(sites.source_test), "target": others}.items():
        found = measure(study, pipeline, subjects, thresholds)
        point[name] = at_threshold(found, threshold, thresholds=thresholds)
    return point


def kept(file: Path, how: Mapping[str, Any], compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a file holds; computed if it is not there.

    Raises:
        InputError: it holds what was measured otherwise.
    """
    if not file.is_file():
        write_json(file, compute() | {"how": how})
    found = json.loads(file.read_text(encoding="utf-8"))
    if found.pop("how") != how:
        remedy = "Name another --output_dir, or remove the file."
        raise InputError(file, "measured with another model or other settings", "those of this study", remedy)
    return found


def remove_weights(folder: Path) -> None:
    """Leave of a measured run its record, its numbers and its log."""
    for part in (*folder.glob("checkpoint-*"), *(folder / name for name in ("synthesizer", "segmenter", "scheduler"))):
        shutil.rmtree(part, ignore_errors=True)
    for file in (*folder.glob("*.safetensors"), folder / "model_index.json"):
        file.unlink(missing_ok=True)
