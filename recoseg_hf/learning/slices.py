"""From BraTS-style folders to a `datasets` slice data set with splits by subject."""

import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from recoseg_hf.errors import InputError
from recoseg_hf.files import sha256_file, write_json
from recoseg_hf.imaging.case import Case, find_cases
from recoseg_hf.imaging.layout import case_files, case_name, subject_of_folder
from recoseg_hf.imaging.volume import scan_to_canonical, to_canonical
from recoseg_hf.learning.slice_table import quiet_datasets, slice_features, write_blocks
from recoseg_hf.pipeline.conventions import MODALITIES, REGIONS, region_masks
from recoseg_hf.pipeline.preprocessing import PreparedStack, prepare_stack

if TYPE_CHECKING:
    from datasets import DatasetDict

MANIFEST = "recoseg_manifest.json"


@dataclass(frozen=True)
class SliceSettings:
    """What the nets' grid is made by; a pipeline and its training data must agree on it."""

    image_size: int = 120
    field_of_view: int = 240
    lower_percentile: float = 1.0
    upper_percentile: float = 99.0
    normalization: str = "zscore"

    @classmethod
    def of_pipeline(cls, config: Mapping[str, Any]) -> "SliceSettings":
        """Take the settings out of a pipeline's configuration."""
        # A model saved before a setting existed was made with that setting's default.
        return cls(**{name: config.get(name, field.default) for name, field in cls.__dataclass_fields__.items()})


def axial_stack(volume: np.ndarray) -> torch.Tensor:
    """A canonical (RAS) volume (X, Y, Z) as float32 axial slices (Z, X, Y), lowest first."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(volume, 2, 0), dtype=np.float32))


def prepare_case(case: Case, settings: SliceSettings) -> tuple[PreparedStack, torch.Tensor]:
    """One labelled case on the nets' grid.

    Returns:
        The prepared stack, and float32 (N, 3, S, S): how much of each pixel WT, TC and ET cover, 0 to 1.
    """
    images = {name: axial_stack(scan_to_canonical(getattr(case, name)).data) for name in MODALITIES}
    stack = prepare_stack(images, **settings.__dict__)
    masks = region_masks(to_canonical(case.seg, order="nearest").data)
    regions = [stack.grid.to_model(axial_stack(masks[name])) for name in REGIONS]
    return stack, torch.cat(regions, dim=1)


def case_block(case: Case, settings: SliceSettings) -> dict[str, np.ndarray]:
    """The rows of one labelled case, columns as in `slice_features`: its slices that hold brain, lowest first."""
    stack, regions = prepare_case(case, settings)
    filled = stack.filled_slices()
    return {
        "subject": np.array([case.subject] * len(filled)),
        "position": filled.int().numpy(),
        "conditions": stack.conditions[filled].half().numpy(),
        "t1": stack.t1[filled].half().numpy(),
        "t1ce": stack.t1ce[filled].half().numpy(),
        "brain": stack.brain[filled].byte().numpy(),
        "regions": regions[filled].half().numpy(),
    }


def _check_labelled(case: Case, folder: Path) -> None:
    missing = [name for name in ("t1ce", "seg") if getattr(case, name) is None]
    if missing:
        raise InputError(folder, f"no {' and no '.join(missing)}", "T1ce and segmentation", "Training needs both.")


def read_split(path: str | Path, root: Path) -> dict[str, list[Path]]:
    """Read `{"train": [subject, ...], "validation": [...]}` and find each subject's folder under `root`.

    Entries of the file that are no lists are left alone.

    Raises:
        InputError: if the file is no such JSON, or a subject is missing, stands in two splits or has two folders.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        splits = {name: list(subjects) for name, subjects in content.items() if isinstance(subjects, list)}
    except (OSError, ValueError, AttributeError) as error:
        raise InputError(path, f"not readable as JSON ({error})", "subjects by split", "Check the path.") from error
    if not any(splits.values()) or not all(isinstance(subject, str) for ids in splits.values() for subject in ids):
        form = '{"train": ["subject", ...], "validation": [...]} with subjects\' names'
        raise InputError(path, "no list of names by split", form, "Write the split in this form.")
    folders = _folders_by_name(root)
    chosen = [subject for subjects in splits.values() for subject in subjects]
    twice = sorted({subject for subject in chosen if chosen.count(subject) > 1})
    if twice:
        raise InputError(path, f"{', '.join(twice)} more than once", "each subject once", "Split by subject.")
    absent = sorted(set(chosen) - set(folders))
    if absent:
        raise InputError(path, f"{', '.join(absent)} not under {root}", "a folder for each", "Check both paths.")
    return {name: [folders[subject] for subject in subjects] for name, subjects in splits.items() if subjects}


def _folders_by_name(root: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for folder in find_cases(root):
        name = case_name(folder)
        if name in found:
            raise InputError(folder, f"{found[name]} has the same name", "one folder for each subject", "Rename one.")
        found[name] = folder
    return found


def prepare_dataset(
    root: str | Path,
    output_dir: str | Path,
    split: str | Path | None,
    settings: SliceSettings,
    progress: Callable[[str, int, int], None] | None = None,
) -> "DatasetDict":
    """Write the slice data set of a BraTS-style folder as Arrow, with a manifest beside it.

    The data set appears whole or not at all; while it is made, its largest split takes twice its place.

    Args:
        root: folder of subject folders, each with FLAIR, T1, T2, T1ce and segmentation.
        output_dir: the data set's own folder; an earlier data set in it is replaced.
        split: JSON with subject names by split; None puts every subject in `train`.
        settings: the nets' grid.
        progress: called with (subject, subjects done, all subjects) after each.

    Returns:
        The data set, opened from `output_dir`.

    Raises:
        InputError: naming the file, for anything that cannot be trained on, or if `output_dir` holds something else.
    """
    from datasets import DatasetDict

    root, output_dir = Path(root), Path(output_dir)
    folders = _folders_by_split(root, split)
    if output_dir.exists() and any(output_dir.iterdir()) and not (output_dir / MANIFEST).is_file():
        raise InputError(output_dir, "it holds other files", "a new or empty folder", "Name another one.")
    count = _Count(sum(map(len, folders.values())), progress)
    with _replacing(output_dir) as partial, quiet_datasets():
        for name, paths in folders.items():
            _write_split(partial, name, paths, settings, count)
        write_json(partial / "dataset_dict.json", {"splits": list(folders)})
        write_json(partial / MANIFEST, _manifest(root, folders, settings))
    return DatasetDict.load_from_disk(str(output_dir))


@dataclass
class _Count:
    """Subjects done, for `progress`."""

    total: int
    report: Callable[[str, int, int], None] | None
    done: int = 0

    def add(self, subject: str) -> None:
        """Count one more subject and say so."""
        self.done += 1
        if self.report is not None:
            self.report(subject, self.done, self.total)


def _write_split(folder: Path, name: str, paths: list[Path], settings: SliceSettings, count: _Count) -> None:
    from datasets import Dataset

    def blocks() -> Iterator[dict[str, np.ndarray]]:
        for path in paths:
            case = Case.from_folder(path)
            _check_labelled(case, path)
            yield case_block(case, settings)
            count.add(case.subject)

    stream = folder / f"{name}.arrow"
    write_blocks(stream, slice_features(settings.image_size), blocks())
    Dataset.from_file(str(stream), split=name).save_to_disk(str(folder / name))
    stream.unlink()


@contextmanager
def _replacing(folder: Path) -> Iterator[Path]:
    """Yield an empty folder beside `folder` that takes its place on success and is gone after an error."""
    partial = folder.parent / f".{folder.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """What a prepared data set was made of and by.

    Raises:
        InputError: if the folder is not a prepared data set.
    """
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise InputError(path, "no such file", "a folder made by `recoseg prepare`", "Prepare the data first.")
    return json.loads(path.read_text())


def describe_source(root: str | Path, split: str | Path | None, settings: SliceSettings) -> dict[str, Any]:
    """The manifest that `prepare_dataset` would write: settings, subjects by split, and the hash of every file.

    Raises:
        InputError: as `read_split`.
    """
    return _manifest(Path(root), _folders_by_split(Path(root), split), settings)


def _folders_by_split(root: Path, split: str | Path | None) -> dict[str, list[Path]]:
    return read_split(split, root) if split else {"train": list(_folders_by_name(root).values())}


def _manifest(root: Path, folders: dict[str, list[Path]], settings: SliceSettings) -> dict[str, Any]:
    files = [file for paths in folders.values() for path in paths for file in case_files(path).values()]
    return {
        "settings": dict(settings.__dict__),
        # As the tables have them: a name is made safe to be part of a file's.
        "subjects": {name: [subject_of_folder(path) for path in paths] for name, paths in folders.items()},
        "sha256": {os.path.relpath(file, root).replace(os.sep, "/"): sha256_file(file) for file in files},
    }
