"""From BraTS-style folders to a `datasets` slice data set with splits by subject."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from recoseg_hf.errors import InputError
from recoseg_hf.files import sha256_file, write_json
from recoseg_hf.imaging.case import Case, find_cases
from recoseg_hf.imaging.volume import to_canonical
from recoseg_hf.pipeline.conventions import MODALITIES, REGIONS, region_masks
from recoseg_hf.pipeline.preprocessing import PreparedStack, prepare_stack

if TYPE_CHECKING:
    from datasets import DatasetDict, Features

MANIFEST = "recoseg_manifest.json"


@dataclass(frozen=True)
class SliceSettings:
    """What the nets' grid is made by; a pipeline and its training data must agree on it."""

    image_size: int = 120
    field_of_view: int = 240
    lower_percentile: float = 1.0
    upper_percentile: float = 99.0

    @classmethod
    def of_pipeline(cls, config: Mapping[str, Any]) -> "SliceSettings":
        """Take the settings out of a pipeline's configuration."""
        return cls(**{name: config[name] for name in cls.__dataclass_fields__})


def axial_stack(volume: np.ndarray) -> torch.Tensor:
    """A canonical (RAS) volume (X, Y, Z) as float32 axial slices (Z, X, Y), lowest first."""
    return torch.from_numpy(np.ascontiguousarray(np.moveaxis(volume, 2, 0), dtype=np.float32))


def prepare_case(case: Case, settings: SliceSettings) -> tuple[PreparedStack, torch.Tensor]:
    """One labelled case on the nets' grid.

    Returns:
        The prepared stack, and float32 (N, 3, S, S): how much of each pixel WT, TC and ET cover, 0 to 1.
    """
    images = {name: axial_stack(to_canonical(getattr(case, name)).data) for name in MODALITIES}
    stack = prepare_stack(images, **settings.__dict__)
    masks = region_masks(to_canonical(case.seg, order="nearest").data)
    regions = [stack.grid.to_model(axial_stack(masks[name])) for name in REGIONS]
    return stack, torch.cat(regions, dim=1)


def slice_features(image_size: int) -> "Features":
    """Columns of the slice data set; images are float16, which is finer than 1/1000 of their range."""
    from datasets import Array3D, Features, Value

    def plane(channels: int, dtype: str = "float16") -> Array3D:
        return Array3D((channels, image_size, image_size), dtype)

    return Features(
        subject=Value("string"),
        position=Value("int32"),
        conditions=plane(3),
        t1=plane(1),
        t1ce=plane(1),
        brain=plane(1, "uint8"),
        regions=plane(len(REGIONS)),
    )


def _case_rows(folders: list[Path], settings: SliceSettings) -> Iterator[dict[str, Any]]:
    for folder in folders:
        case = Case.from_folder(folder)
        _check_labelled(case, folder)
        stack, regions = prepare_case(case, settings)
        for position in stack.brain.flatten(1).any(dim=1).nonzero().flatten().tolist():
            yield {
                "subject": case.subject,
                "position": position,
                "conditions": stack.conditions[position].half().numpy(),
                "t1": stack.t1[position].half().numpy(),
                "t1ce": stack.t1ce[position].half().numpy(),
                "brain": stack.brain[position].byte().numpy(),
                "regions": regions[position].half().numpy(),
            }


def _check_labelled(case: Case, folder: Path) -> None:
    missing = [name for name in ("t1ce", "seg") if getattr(case, name) is None]
    if missing:
        raise InputError(folder, f"no {' and no '.join(missing)}", "T1ce and segmentation", "Training needs both.")


def read_split(path: str | Path, root: Path) -> dict[str, list[Path]]:
    """Read `{"train": [subject, ...], "validation": [...]}` and find each subject's folder under `root`.

    Raises:
        InputError: if a subject is missing, or stands in two splits.
    """
    splits = {name: list(ids) for name, ids in json.loads(Path(path).read_text()).items() if isinstance(ids, list)}
    folders = {folder.name: folder for folder in find_cases(root)}
    chosen = [subject for ids in splits.values() for subject in ids]
    twice = sorted({subject for subject in chosen if chosen.count(subject) > 1})
    if twice:
        raise InputError(path, f"{', '.join(twice)} more than once", "each subject once", "Split by subject.")
    absent = sorted(set(chosen) - set(folders))
    if absent:
        raise InputError(path, f"{', '.join(absent)} not under {root}", "a folder for each", "Check both paths.")
    return {name: [folders[subject] for subject in ids] for name, ids in splits.items() if ids}


def prepare_dataset(
    root: str | Path, output_dir: str | Path, split: str | Path | None, settings: SliceSettings
) -> "DatasetDict":
    """Write the slice data set of a BraTS-style folder as Arrow, with a manifest beside it.

    Args:
        root: folder of subject folders, each with FLAIR, T1, T2, T1ce and segmentation.
        output_dir: the data set's own folder.
        split: JSON with subject names by split; None puts every subject in `train`.
        settings: the nets' grid.

    Raises:
        InputError: naming the file, for anything that cannot be trained on.
    """
    from datasets import Dataset, DatasetDict

    root, output_dir = Path(root), Path(output_dir)
    folders = read_split(split, root) if split else {"train": find_cases(root)}
    features = slice_features(settings.image_size)
    tables = {
        name: Dataset.from_generator(
            _case_rows, features=features, gen_kwargs={"folders": paths, "settings": settings}, split=name,
            keep_in_memory=False, cache_dir=str(output_dir / ".build"),
        )
        for name, paths in folders.items()
    }  # fmt: skip
    prepared = DatasetDict(tables)
    prepared.save_to_disk(str(output_dir))
    write_json(output_dir / MANIFEST, _manifest(folders, settings))
    return prepared


def read_manifest(folder: str | Path) -> dict[str, Any]:
    """What a prepared data set was made of and by.

    Raises:
        InputError: if the folder is not a prepared data set.
    """
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise InputError(path, "no such file", "a folder made by `recoseg prepare`", "Prepare the data first.")
    return json.loads(path.read_text())


def _manifest(folders: dict[str, list[Path]], settings: SliceSettings) -> dict[str, Any]:
    return {
        "settings": settings.__dict__,
        "subjects": {name: [path.name for path in paths] for name, paths in folders.items()},
        "sha256": {file.name: sha256_file(file) for paths in folders.values() for p in paths for file in _images(p)},
    }


def _images(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.name.lower().endswith((".nii", ".nii.gz")))
