"""From cases to a `datasets` slice data set with splits by subject."""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from recoseg_hf.errors import InputError
from recoseg_hf.files import write_json
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.sources import CaseEntry, CaseSource, Part, open_source
from recoseg_hf.imaging.sources import read_split as read_split
from recoseg_hf.imaging.volume import scan_to_canonical, to_canonical
from recoseg_hf.json_files import read_json
from recoseg_hf.learning.slice_table import TUMOUR_PIXELS, quiet_datasets, slice_features, write_blocks
from recoseg_hf.learning.table_hashes import write_hashes
from recoseg_hf.learning.teaching import Teacher
from recoseg_hf.pipeline.conventions import MODALITIES, NECROTIC_LABEL, REGIONS, region_masks
from recoseg_hf.pipeline.preprocessing import PreparedStack, prepare_stack

if TYPE_CHECKING:
    from datasets import DatasetDict

MANIFEST = "recoseg_manifest.json"
_MANIFEST_FORM = {"settings": dict, "subjects": {"*": [str]}, "sha256": {"*": str}, "residuals?": dict}

_NO_LABELS = (
    "A segmentation is called _seg or _dseg, its column seg. "
    "For the synthesizer and the mean teacher, which need no labels, add --allow-unlabelled."
)

UNLABELLED = "unlabelled"
"""Entry of the manifest: subjects without a segmentation."""

ONE_LABEL = "label_1_only"
"""Entry of the manifest: subjects whose segmentation holds no label but 1, as masks of the whole tumour do."""


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
    """One case on the nets' grid.

    Returns:
        The prepared stack, and float32 (N, 3, S, S): how much of each pixel WT, TC and ET cover, 0 to 1; NaN where the
        case has no segmentation, so that nobody takes it for healthy.
    """
    images = {name: axial_stack(scan_to_canonical(getattr(case, name)).data) for name in MODALITIES}
    stack = prepare_stack(images, **settings.__dict__)
    if case.seg is None:
        return stack, torch.full((len(stack.t1), len(REGIONS), *stack.t1.shape[-2:]), torch.nan)
    masks = region_masks(to_canonical(case.seg, order="nearest").data)
    regions = [stack.grid.to_model(axial_stack(masks[name])) for name in REGIONS]
    return stack, torch.cat(regions, dim=1)


def case_block(case: Case, settings: SliceSettings, teacher: Teacher | None = None) -> dict[str, np.ndarray]:
    """The rows of one case, columns as in `slice_features`: its slices that hold brain, lowest first."""
    stack, regions = prepare_case(case, settings)
    filled, added = stack.filled_slices(), {}
    if teacher is not None:
        added[TUMOUR_PIXELS] = (regions > 0).any(dim=1).sum(dim=(1, 2))[filled].int().numpy()
        regions = teacher.targets(case, stack.grid, regions)
    return {
        "subject": np.array([case.subject] * len(filled)),
        "position": filled.int().numpy(),
        "conditions": stack.conditions[filled].half().numpy(),
        "t1": stack.t1[filled].half().numpy(),
        "t1ce": stack.t1ce[filled].half().numpy(),
        "brain": stack.brain[filled].byte().numpy(),
        "regions": regions[filled].half().numpy(),
        **added,
    }


def _check_usable(case: Case, place: str | Path, allow_unlabelled: bool) -> None:
    needed = ("t1ce",) if allow_unlabelled else ("t1ce", "seg")
    missing = [name for name in needed if getattr(case, name) is None]
    if not missing:
        return
    remedy = "Training needs it: the synthesizer learns to draw T1ce. Add the scan, or leave the subject out."
    if "seg" in needed:
        remedy = "Training needs both."
    if missing == ["seg"]:
        remedy += f" {_NO_LABELS}"
    expected = "T1ce" if allow_unlabelled else "T1ce and segmentation"
    raise InputError(place, f"no {' and no '.join(missing)}", expected, remedy)


def prepare_dataset(
    source: str | Path | CaseSource,
    output_dir: str | Path,
    split: str | Path | None,
    settings: SliceSettings,
    progress: Callable[[str, int, int], None] | None = None,
    allow_unlabelled: bool = False,
    teacher: Teacher | None = None,
) -> "DatasetDict":
    """Write the slice data set of cases as Arrow, with a manifest beside it.

    The data set appears whole or not at all; while it is made, its largest split takes twice its place.

    Args:
        source: as for `open_source`: folders in BraTS or BIDS layout, or rows of a data set, each with FLAIR, T1, T2,
            T1ce and segmentation.
        output_dir: the data set's own folder; an earlier data set in it is replaced.
        split: JSON with subject names by split; None takes a data set's own, and of folders everybody as `train`.
        settings: the nets' grid.
        progress: called with (subject, subjects done, all subjects or 0 where that is not known) after each.
        allow_unlabelled: take subjects without a segmentation too. Their `regions` are NaN; the manifest names them.
        teacher: takes part in the `regions` of the split `train`; all others keep their references.

    Returns:
        The data set, opened from `output_dir`.

    Raises:
        InputError: naming the file or row, for anything that cannot be trained on, or if `output_dir` holds something
            else.
    """
    from datasets import DatasetDict

    output_dir = Path(output_dir)
    parts = _opened(source).parts(split)
    if output_dir.exists() and any(output_dir.iterdir()) and not (output_dir / MANIFEST).is_file():
        raise InputError(output_dir, "it holds other files", "a new or empty folder", "Name another one.")
    counts = [part.count for part in parts.values()]
    record = _Record(settings, sum(counts) if all(counts) else 0, progress)
    with _replacing(output_dir) as partial, quiet_datasets():
        for name, part in parts.items():
            _write_split(partial, name, part, allow_unlabelled, record, teacher if name == "train" else None)
        write_json(partial / "dataset_dict.json", {"splits": list(parts)})
        write_json(partial / MANIFEST, record.manifest() | (teacher.manifest() if teacher else {}))
        write_hashes(partial)
    return DatasetDict.load_from_disk(str(output_dir))


def _opened(source: str | Path | CaseSource) -> CaseSource:
    return open_source(source) if isinstance(source, str | Path) else source


@dataclass
class _Record:
    """Who has been prepared, for the manifest and for `progress`."""

    settings: SliceSettings
    total: int = 0
    report: Callable[[str, int, int], None] | None = None
    subjects: dict[str, list[str]] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)
    unlabelled: list[str] = field(default_factory=list)
    one_label: list[str] = field(default_factory=list)

    def add(self, split: str, entry: CaseEntry) -> None:
        """Put down a subject and the hashes of its files."""
        self.subjects.setdefault(split, []).append(entry.subject)
        self.sha256 |= entry.hashes()

    def add_labels(self, case: Case) -> None:
        """Put down what is particular about a subject's labels."""
        if case.seg is None:
            self.unlabelled.append(case.subject)
        elif np.unique(case.seg.data).tolist() in ([0, NECROTIC_LABEL], [NECROTIC_LABEL]):
            self.one_label.append(case.subject)

    def tell(self, subject: str) -> None:
        """Say that a subject is done."""
        if self.report is not None:
            self.report(subject, sum(map(len, self.subjects.values())), self.total)

    def manifest(self) -> dict[str, Any]:
        """What was prepared, as JSON values; entries about labels are there where they apply."""
        labels = {UNLABELLED: sorted(self.unlabelled), ONE_LABEL: sorted(self.one_label)}
        return {
            "settings": dict(self.settings.__dict__),
            "subjects": self.subjects,
            "sha256": self.sha256,
            **{name: subjects for name, subjects in labels.items() if subjects},
        }


def _write_split(
    folder: Path, name: str, part: Part, allow_unlabelled: bool, record: _Record, teacher: Teacher | None
) -> None:
    from datasets import Dataset

    def blocks() -> Iterator[dict[str, np.ndarray]]:
        for entry in part.entries:
            case = entry.read()
            _check_usable(case, entry.place, allow_unlabelled)
            yield case_block(case, record.settings, teacher)
            record.add(name, entry)
            record.add_labels(case)
            record.tell(case.subject)

    stream = folder / f"{name}.arrow"
    write_blocks(stream, slice_features(record.settings.image_size, teacher is not None), blocks())
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
    return read_json(path, "what `recoseg prepare` wrote", "Prepare the data anew.", _MANIFEST_FORM)


def describe_source(source: str | Path, split: str | Path | None, settings: SliceSettings) -> dict[str, Any]:
    """The manifest that `prepare_dataset` would write, but for the labels: settings, subjects, hash of every file.

    Raises:
        InputError: as `open_source` and `read_split`.
    """
    record = _Record(settings)
    for name, part in open_source(source).parts(split).items():
        for entry in part.entries:
            record.add(name, entry)
    return record.manifest()
