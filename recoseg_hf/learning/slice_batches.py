"""A prepared slice data set as batches for the nets: a slice with its neighbours, in order."""

import signal
from collections.abc import Collection, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from recoseg_hf.errors import InputError
from recoseg_hf.learning.processes import first_on_this_machine
from recoseg_hf.learning.randomness import StepSampler
from recoseg_hf.learning.residual_origin import check_slices
from recoseg_hf.learning.slice_table import TUMOUR_PIXELS, MappedColumns
from recoseg_hf.learning.slices import MANIFEST, SliceSettings, describe_source, prepare_dataset, read_manifest
from recoseg_hf.learning.table_hashes import check_hashes

NEIGHBOUR_COLUMNS = ("conditions", "t1", "t1ce", "brain", "synthetic_t1ce", "spread")
OWN_COLUMNS = ("regions", "residual_max", "spread_max")
SYNTHESIS_DOMAINS = ("all", "tumour", "healthy")
"""All slices that hold brain, those of them whose reference has some tumour, or those whose reference has none."""


class SliceDataset(Dataset):
    """One split, one item per slice, each with its neighbours.

    Items are float32 tensors: image columns (K, C, S, S) with K = 2 * context_slices + 1 from the lowest neighbour to
    the highest (past a volume's end the last one is repeated), `regions` (R, S, S) of the slice itself and, where
    residuals have been cached, the volume's scalars `residual_max` and `spread_max`.

    Args:
        table: a split of the prepared data set, rows of a subject in order.
        context_slices: neighbours on each side.
        every: keep each n-th slice only (a quicker validation).
        subjects: keep these subjects only; None keeps all.
        slice_step: how many slices apart neighbours are.
    """

    def __init__(
        self,
        table: Any,
        context_slices: int = 0,
        every: int = 1,
        subjects: Collection[str] | None = None,
        slice_step: int = 1,
    ):
        self.subjects: list[str] = table["subject"][:]
        wanted = set(self.subjects if subjects is None else subjects)
        self.rows: Sequence[int] = [row for row, subject in enumerate(self.subjects) if subject in wanted][::every]
        self.context_slices, self.slice_step = context_slices, slice_step
        self.neighbour_columns = [name for name in NEIGHBOUR_COLUMNS if name in table.column_names]
        self.own_columns = [name for name in OWN_COLUMNS if name in table.column_names]
        counted = [TUMOUR_PIXELS] if TUMOUR_PIXELS in table.column_names else []
        self._columns = MappedColumns(table, self.neighbour_columns + self.own_columns + counted)
        self._counted = bool(counted)
        self._first, self._last = _volume_bounds(self.subjects)

    def __len__(self) -> int:
        return len(self.rows)

    def keep_healthy(self, share: float, seed: int) -> None:
        """Keep all slices with tumour and this share of those without, which the paper drops in training.

        Args:
            share: 0 (paper) to 1; chosen at random by `seed`. Neighbours of a kept slice are still shown.
            seed: of the choice.
        """
        if share >= 1:
            return
        tumour = self.tumour_pixels() > 0
        lucky = np.random.default_rng(seed).random(len(tumour)) < share
        self.rows = [row for row in self.rows if tumour[row] or lucky[row]]

    def keep_domain(self, domain: str) -> None:
        """Keep the slices that a synthesizer is to learn from, see `SYNTHESIS_DOMAINS`.

        Raises:
            ValueError: there is no such domain, or no slice in it.
        """
        if domain not in SYNTHESIS_DOMAINS:
            raise ValueError(f"synthesis_domain={domain!r}; expected one of {', '.join(SYNTHESIS_DOMAINS)}.")
        if domain == "all":
            return
        wanted = (self.tumour_pixels() > 0) == (domain == "tumour")
        rows = [row for row in self.rows if wanted[row]]
        if not rows:
            raise ValueError(f"synthesis_domain={domain!r} leaves none of {len(self.rows)} slices.")
        self.rows = rows

    def tumour_pixels(self) -> np.ndarray:
        """How many pixels of each row of the table hold some tumour in the reference, chosen or not."""
        if self._counted:
            return np.asarray(self._columns.read(TUMOUR_PIXELS, range(len(self.subjects))))
        regions = (self._columns.read("regions", [row]) > 0 for row in range(len(self.subjects)))
        return np.array([some.any(axis=1).sum() for some in regions])

    def chosen_subjects(self) -> list[str]:
        """The subjects that there are slices of, in order."""
        return list(dict.fromkeys(self.subjects[row] for row in self.rows))

    def part(self, subjects: Collection[str]) -> "SliceDataset":
        """The same data set with the slices of these subjects alone."""
        chosen, wanted = copy(self), set(subjects)
        chosen.rows = [row for row in self.rows if self.subjects[row] in wanted]
        return chosen

    @property
    def files(self) -> list[Path]:
        """The Arrow files that the slices are read from."""
        return self._columns.files

    def subject(self, index: int) -> str:
        """The subject that an item belongs to."""
        return self.subjects[self.rows[index]]

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return {name: values[0] for name, values in self.batch([index]).items()}

    def __getitems__(self, indices: Sequence[int]) -> dict[str, torch.Tensor]:
        return self.batch(indices)  # the name by which a `DataLoader` asks for a whole batch

    def brain(self, indices: Sequence[int]) -> torch.Tensor:
        """Where slices hold brain, (B, 1, S, S); nothing else of them is read."""
        return torch.as_tensor(self._columns.read("brain", [self.rows[index] for index in indices]))

    def batch(self, indices: Sequence[int]) -> dict[str, torch.Tensor]:
        """Several items stacked, (B, ...) each: several times as fast as one by one."""
        rows = [self.rows[index] for index in indices]
        windows = [row for chosen in rows for row in self._window(chosen)]
        shape = (len(rows), 2 * self.context_slices + 1)
        found = {name: torch.as_tensor(self._columns.read(name, windows)) for name in self.neighbour_columns}
        found = {name: values.unflatten(0, shape) for name, values in found.items()}
        found |= {name: torch.as_tensor(self._columns.read(name, rows)) for name in self.own_columns}
        return {name: values.float() for name, values in found.items()}

    def _window(self, row: int) -> list[int]:
        apart = self.slice_step
        below, above = (row - self._first[row]) // apart, (self._last[row] - row) // apart
        steps = range(-self.context_slices, self.context_slices + 1)
        return [row + apart * min(max(step, -below), above) for step in steps]


def _volume_bounds(subjects: list[str]) -> tuple[list[int], list[int]]:
    """For each row, the first and last row of its subject."""
    first = [0] * len(subjects)
    last = [len(subjects) - 1] * len(subjects)
    for row in range(1, len(subjects)):
        first[row] = first[row - 1] if subjects[row] == subjects[row - 1] else row
    for row in range(len(subjects) - 2, -1, -1):
        last[row] = last[row + 1] if subjects[row] == subjects[row + 1] else row
    return first, last


def open_slices(
    train_data_dir: str | Path, output_dir: str | Path, settings: SliceSettings, columns: Sequence[str] = ()
) -> Any:
    """The `DatasetDict` of a prepared data set, or of a folder of cases, prepared first under `output_dir`.

    Args:
        train_data_dir: either folder. A folder of cases is what `recoseg prepare` takes; its split is its
            `splits.json`, or else that of the data set.
        output_dir: of the run.
        settings: of the pipeline.
        columns: those that are needed beside the ones of `recoseg prepare`.

    Raises:
        InputError: if the data set was prepared with other settings than the pipeline's or from other files than the
            folder holds now, has been damaged, has no `train` or no `validation`, lacks a column, or does not fit its
            manifest.
    """
    from datasets import load_from_disk

    source = slices_folder(train_data_dir, output_dir)
    if source != Path(train_data_dir):
        slices_of_cases(Path(train_data_dir), source, settings)
    check_settings(source, settings)
    if first_on_this_machine():
        check_hashes(source)
    tables, manifest = load_from_disk(str(source)), read_manifest(source)
    for name in ("train", "validation"):
        if name not in tables:
            raise InputError(source, f"no split {name}", "train and validation", "Prepare it with a split.")
        lacking = [column for column in columns if column not in tables[name].column_names]
        if lacking:
            remedy = "Run training/cache_residuals.py on it, and name its output."
            raise InputError(source, f"no {', '.join(lacking)} in {name}", "slices with cached residuals", remedy)
    for name, table in tables.items():
        _check_subjects(source, name, set(table["subject"][:]), set(manifest["subjects"].get(name, ())))
    if columns:
        check_slices(source, manifest, columns)
    return tables


def slices_folder(train_data_dir: str | Path, output_dir: str | Path) -> Path:
    """Where the slices are: the folder itself, or, for one of cases, `slices` in the run's folder."""
    source = Path(train_data_dir)
    return source if (source / "dataset_dict.json").is_file() else Path(output_dir) / "slices"


def slices_of_cases(cases: Path, slices: Path, settings: SliceSettings) -> None:
    """Prepare a folder of cases once; later runs must find the same files in it.

    Args:
        cases: with `splits.json`, where some are to be left out of training.
        slices: made where it is missing.
        settings: of the preparation.

    Raises:
        InputError: the slices there are of other cases, of another split or made with other settings.
    """
    split = cases / "splits.json" if (cases / "splits.json").is_file() else None
    if not (slices / "dataset_dict.json").is_file():
        prepare_dataset(cases, slices, split, settings)
        return
    check_settings(slices, settings)
    before, now = read_manifest(slices), describe_source(cases, split, settings)
    if (before["subjects"], before["sha256"]) != (now["subjects"], now["sha256"]):
        raise InputError(
            slices,
            f"made of other cases than {cases} holds now ({_difference(before, now)})",
            "the slices of these cases",
            "Remove it to have them prepared anew, or name another --output_dir.",
        )


def _difference(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """What has become of the files, or else of the split, since slices were made of them."""
    old, new = before["sha256"], now["sha256"]
    counts = {
        "changed": sum(new[name] != digest for name, digest in old.items() if name in new),
        "gone": len(old.keys() - new.keys()),
        "new": len(new.keys() - old.keys()),
    }
    return ", ".join(f"{count} {kind}" for kind, count in counts.items() if count) or "another split"


def check_settings(source: str | Path, settings: SliceSettings, model: str = "the pipeline") -> None:
    """Refuse slices that were prepared with other settings than a model's.

    Raises:
        InputError: naming each difference.
    """
    found = read_manifest(source)["settings"]
    differing = {name: value for name, value in settings.__dict__.items() if found.get(name) != value}
    if differing:
        listed = ", ".join(f"{name} {found.get(name)} ({model} has {value})" for name, value in differing.items())
        raise InputError(source, f"slices prepared with {listed}", "the pipeline's settings", "Prepare them anew.")


def _check_subjects(source: Path, part: str, found: set[str], expected: set[str]) -> None:
    if found != expected:
        counts = f"{len(found - expected)} subjects that {MANIFEST} does not name, and {len(expected - found)} too few"
        raise InputError(source / part, counts, "the data set that the manifest describes", "Make it anew.")


def training_loader(
    dataset: SliceDataset, batch_size: int, seed: int, start: int, stop: int, rank: int, world_size: int, workers: int
) -> DataLoader:
    """One loader for all micro-steps from `start` to `stop`; the order is a function of seed, step and rank alone."""
    sampler = StepSampler(len(dataset), batch_size, seed, start, stop, rank, world_size)
    return DataLoader(
        dataset,
        batch_sampler=sampler,
        collate_fn=_as_it_is if hasattr(dataset, "__getitems__") else None,
        num_workers=workers,
        persistent_workers=workers > 0,
        worker_init_fn=_leave_signals_to_the_run,
    )


def _as_it_is(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return batch


def _leave_signals_to_the_run(worker: int) -> None:
    """A launcher and Ctrl-C signal the whole group of processes; a run finishes its step, and needs its workers."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
