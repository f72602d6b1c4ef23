"""What a training script trains and validates on: a prepared data set, and who of it."""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recoseg_hf.errors import InputError
from recoseg_hf.files import sha256_file
from recoseg_hf.learning.options import TrainingOptions
from recoseg_hf.learning.randomness import StepSampler
from recoseg_hf.learning.slice_batches import SliceDataset, open_slices, slices_folder
from recoseg_hf.learning.slices import MANIFEST, UNLABELLED, SliceSettings, read_manifest
from recoseg_hf.learning.subjects import fingerprint, folds, labelled_subjects, subject_hash

PARTS = ("train", "validation")


@dataclass
class TrainingData:
    """The parts of the data.

    Attributes:
        train: slices to learn from.
        validation: slices to judge by.
        unlabelled: slices to learn from without their labels, if any are.
        source: hash of the prepared data set's manifest: of which files and, with residuals, by which weights.
        without_labels: subjects that have no segmentation.
    """

    train: SliceDataset
    validation: SliceDataset
    unlabelled: SliceDataset | None = None
    source: str = ""
    without_labels: frozenset[str] = frozenset()

    def check_labels(self, *parts: str) -> None:
        """Refuse to go on where a subject of one of these parts has no segmentation.

        Raises:
            InputError: saying how many, and what to do.
        """
        for name in parts:
            subjects = getattr(self, name).chosen_subjects()
            if lacking := sum(subject in self.without_labels for subject in subjects):
                found = f"{lacking} of {len(subjects)} {name} subjects have no segmentation"
                remedy = "Leave them out with --split, or in `recoseg prepare`"
                if name == "train":
                    remedy += "; the segmenter learns from them with --unlabelled mean_teacher"
                raise InputError("--train_data_dir", found, "labels for all", f"{remedy}.")

    def subjects(self) -> dict[str, list[str]]:
        """Names by part, in the order of the slices."""
        parts = {name: getattr(self, name) for name in (*PARTS, "unlabelled")}
        return {name: part.chosen_subjects() for name, part in parts.items() if part is not None}

    def learnt_from(self) -> list[str]:
        """Everybody whose images decide the weights, with or without labels."""
        return [subject for part, names in self.subjects().items() if part != "validation" for subject in names]

    def fingerprint(self) -> str:
        """Tells whether two runs saw the same slices of the same subjects."""
        rows = {part: getattr(self, part).rows for part in self.subjects()}
        content = {"source": self.source, "subjects": fingerprint(self.subjects()), "rows": rows}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def open_training_data(
    options: TrainingOptions,
    settings: SliceSettings,
    context_slices: int = 0,
    columns: Sequence[str] = (),
    slice_step: int = 1,
) -> TrainingData:
    """Open the data of a run: as prepared or as `--split` chooses, without the subjects of a fold that is left out.

    Args:
        options: `train_data_dir`, `output_dir`, `split`, `num_folds`, `fold`, `seed`, `validation_every`.
        settings: of the pipeline.
        context_slices: neighbours on each side.
        columns: needed beside those of `recoseg prepare`.
        slice_step: how many slices apart neighbours are.

    Raises:
        InputError: the data or the split cannot be used.
    """
    tables = open_slices(options.train_data_dir, options.output_dir, settings, columns)
    folder = slices_folder(options.train_data_dir, options.output_dir)
    found = {name: list(dict.fromkeys(tables[name]["subject"][:])) for name in PARTS}
    chosen = found
    if options.split:
        tables = dict.fromkeys(PARTS, _joined(tables))
        chosen = read_choice(Path(options.split), [subject for names in found.values() for subject in names])
    if options.num_folds:
        held_out = folds(chosen["train"], options.num_folds, options.fold_seed)[options.fold]
        chosen = chosen | {"train": [subject for subject in chosen["train"] if subject not in held_out]}
    return TrainingData(
        train=SliceDataset(tables["train"], context_slices, subjects=chosen["train"], slice_step=slice_step),
        validation=SliceDataset(
            tables["validation"], context_slices, options.validation_every, chosen["validation"], slice_step
        ),
        source=sha256_file(folder / MANIFEST),
        without_labels=frozenset(read_manifest(folder).get(UNLABELLED, ())),
    )


def subjects_of_step(
    dataset: SliceDataset, options: TrainingOptions, step: int, rank: int, processes: int
) -> list[str]:
    """Hashes of the subjects that one process sees in one optimiser step."""
    per_step = options.gradient_accumulation_steps
    first, last = step * per_step, (step + 1) * per_step
    sampler = StepSampler(len(dataset), options.train_batch_size, options.seed, first, last, rank, processes)
    return sorted({subject_hash(dataset.subject(index)) for batch in sampler for index in batch})


def split_labelled(
    train: SliceDataset,
    fraction: float = 1.0,
    count: int = 0,
    seed: int = 0,
    without_labels: Collection[str] = frozenset(),
) -> tuple[SliceDataset, SliceDataset]:
    """Part the train subjects into those whose labels are used and the others.

    Arguments as for `labelled_subjects`; those without labels are always among the others, and the fraction is of the
    rest.

    Returns:
        Their slices; the second part may be empty.

    Raises:
        InputError: there are fewer labelled subjects than that, or none.
    """
    subjects = train.chosen_subjects()
    known = [subject for subject in subjects if subject not in without_labels]
    if count > len(known):
        remedy = "Use fewer, or 0 to go by --label_fraction."
        raise InputError(f"--label_subjects {count}", f"{len(known)} train subjects", "that many or more", remedy)
    if not known:
        raise InputError("--train_data_dir", "no train subject has a segmentation", "some", "Label some of them.")
    labelled = labelled_subjects(known, fraction, count, seed)
    return train.part(labelled), train.part(set(subjects) - set(labelled))


def read_choice(path: Path, known: Sequence[str]) -> dict[str, list[str]]:
    """Read `{"train": [subject, ...], "validation": [...]}`, subjects of a prepared data set.

    Raises:
        InputError: it is no such JSON, a part is empty, or a subject is unknown or stands in both parts.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        choice = {name: [str(subject) for subject in content[name]] for name in PARTS}
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        form = '{"train": ["subject", ...], "validation": [...]}'
        raise InputError(path, f"not a split ({error!r})", form, "Write the split in this form.") from error
    unknown = sorted({subject for names in choice.values() for subject in names} - set(known))
    if unknown:
        raise InputError(path, f"{', '.join(unknown)} not in the data", "prepared subjects", "Prepare them too.")
    both = sorted(set(choice["train"]) & set(choice["validation"]))
    if both:
        raise InputError(path, f"{', '.join(both)} in both parts", "each subject once", "Split by subject.")
    empty = [name for name in PARTS if not choice[name]]
    if empty:
        raise InputError(path, f"nobody in {' and '.join(empty)}", "subjects in both parts", "Name some.")
    return choice


def _joined(tables: Any) -> Any:
    from datasets import concatenate_datasets

    return concatenate_datasets([tables[name] for name in PARTS])
