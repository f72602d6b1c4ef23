"""Synthetic T1ce and spread of every slice of a prepared data set, drawn once and kept beside the slices."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from recoseg_hf.errors import CheckpointError
from recoseg_hf.files import atomic_write, sync, write_json
from recoseg_hf.learning.cropping import Window, draw_cropped, volume_window
from recoseg_hf.learning.slice_table import TUMOUR_PIXELS, quiet_datasets, slice_features, write_blocks
from recoseg_hf.learning.slices import MANIFEST
from recoseg_hf.learning.table_hashes import write_hashes
from recoseg_hf.pipeline.denoising import slice_generators
from recoseg_hf.pipeline.memory import run_in_batches
from recoseg_hf.pipeline.pipeline_recoseg import ENSEMBLE_MIN_STEPS, ReCoSegPipeline
from recoseg_hf.pipeline.residual import residual_map, sample_spread

if TYPE_CHECKING:
    from datasets import Dataset, Features


@dataclass(frozen=True)
class DrawSettings:
    """How residuals are drawn.

    Attributes:
        steps: denoising steps of the synthetic T1ce; the spread is drawn with at least `ENSEMBLE_MIN_STEPS`.
        samples: draws whose spread is cached, at least 2; 0 leaves the spread at zero.
        seed: of the noise.
        batch_size: slices per call of the net.
    """

    steps: int
    samples: int = 4
    seed: int = 0
    batch_size: int = 16


def write_cache(
    tables: Mapping[str, "Dataset"],
    output_dir: str | Path,
    pipeline_of: Callable[[str], ReCoSegPipeline],
    settings: DrawSettings,
    manifest: Mapping[str, Any],
    progress: Callable[[int], object] | None = None,
) -> None:
    """Write a prepared data set anew, with columns `synthetic_t1ce`, `spread`, `residual_max` and `spread_max`.

    The data set appears whole or not at all. Draws are kept subject by subject in a hidden folder beside it until
    then, so a run that was stopped goes on where it was when it is repeated; memory holds one subject.

    Args:
        tables: splits of the prepared data set, rows of a subject in order. Residuals that they hold are replaced.
        output_dir: of the new data set; absent or empty.
        pipeline_of: gives the pipeline whose synthesizer draws a subject.
        settings: of the draws.
        manifest: of the new data set. Draws of a run that was stopped are taken over if theirs was the same.
        progress: called with the number of slices done.

    Raises:
        CheckpointError: a synthesizer draws values that are not finite.
    """
    output_dir = Path(output_dir)
    partial = output_dir.parent / f".{output_dir.name}.partial"
    _keep_draws_of(partial, manifest)
    with quiet_datasets():
        for name, table in tables.items():
            taught = TUMOUR_PIXELS in table.column_names
            table = table.select_columns(list(slice_features(1, taught)))
            draws = _draw_table(partial / "drawn" / name, table, pipeline_of, settings, progress)
            _join(table, draws).save_to_disk(str(partial / "data" / name))
    write_json(partial / "data" / "dataset_dict.json", {"splits": list(tables)})
    write_json(partial / "data" / MANIFEST, manifest)
    write_hashes(partial / "data")
    for file in (partial / "data").rglob("*"):
        sync(file)
    if output_dir.exists():
        output_dir.rmdir()
    (partial / "data").rename(output_dir)
    shutil.rmtree(partial)


def _keep_draws_of(partial: Path, manifest: Mapping[str, Any]) -> None:
    """Start the hidden folder, or keep the one of a stopped run with the same manifest, without what it had joined."""
    begun = partial / MANIFEST
    if begun.is_file() and json.loads(begun.read_text(encoding="utf-8")) == manifest:
        shutil.rmtree(partial / "data", ignore_errors=True)
        return
    shutil.rmtree(partial, ignore_errors=True)
    write_json(begun, manifest)


def _draw_table(
    folder: Path,
    table: "Dataset",
    pipeline_of: Callable[[str], ReCoSegPipeline],
    settings: DrawSettings,
    progress: Callable[[int], object] | None,
) -> list[Path]:
    """One Arrow file for each subject of a split, in order; those that are there stay."""
    features, files = _drawn_features(table.features), []
    for number, (subject, rows) in enumerate(_volumes(table)):
        files.append(folder / f"{number:06}.arrow")
        if not files[-1].is_file():
            columns = draw_columns(pipeline_of(subject), table.select(rows), settings)
            with atomic_write(files[-1]) as path:
                write_blocks(path, features, [columns])
        if progress is not None:
            progress(len(rows))
    return files


def _volumes(table: "Dataset") -> Iterator[tuple[str, range]]:
    """Each subject with its rows."""
    subjects = table["subject"][:]
    for subject, group in groupby(range(len(subjects)), key=subjects.__getitem__):
        rows = list(group)
        yield subject, range(rows[0], rows[-1] + 1)


def _drawn_features(stored: "Features") -> "Features":
    from datasets import Features, Value

    plane = stored["t1ce"]
    return Features(synthetic_t1ce=plane, spread=plane, residual_max=Value("float32"), spread_max=Value("float32"))


def _join(table: "Dataset", files: Sequence[Path]) -> "Dataset":
    from datasets import Dataset, concatenate_datasets

    drawn = concatenate_datasets([Dataset.from_file(str(file)) for file in files])
    return concatenate_datasets([table, drawn], axis=1)


def draw_columns(pipeline: ReCoSegPipeline, volume: "Dataset", settings: DrawSettings) -> dict[str, np.ndarray]:
    """The four columns for the slices of one volume; maxima are over the volume.

    Raises:
        CheckpointError: the synthesizer draws values that are not finite.
    """
    volume = volume.with_format("torch")
    positions, brain = volume["position"][:], volume["brain"][:].bool()
    conditions, real = volume["conditions"][:].float(), volume["t1ce"][:].float()
    window = volume_window(pipeline, lambda: brain)
    synthetic = draw(pipeline, conditions, window, positions, settings.steps, 0, settings)
    spread = torch.zeros_like(synthetic)
    if settings.samples:
        longer = max(settings.steps, ENSEMBLE_MIN_STEPS)
        draws = [draw(pipeline, conditions, window, positions, longer, k, settings) for k in range(settings.samples)]
        spread = sample_spread(torch.stack(draws), brain)
    highest = residual_map(real, synthetic, brain).max()
    if not torch.stack([highest, spread.max()]).isfinite().all():
        raise CheckpointError(
            f"{pipeline.name_or_path}: its synthesizer draws values that are not finite; expected T1ce in [0, 1]. "
            "Train it anew, or draw without --mixed_precision."
        )
    return {
        "synthetic_t1ce": synthetic.half().numpy(),
        "spread": spread.half().numpy(),
        "residual_max": np.full(len(positions), highest.item(), np.float32),
        "spread_max": np.full(len(positions), spread.max().item(), np.float32),
    }


@torch.no_grad()
def draw(
    pipeline: ReCoSegPipeline,
    conditions: torch.Tensor,
    window: Window,
    positions: torch.Tensor,
    steps: int,
    sample: int,
    settings: DrawSettings,
) -> torch.Tensor:
    """One draw of T1ce for the slices of one volume, (N, 1, S, S) in [0, 1], with the pipeline's own noise."""
    found = torch.zeros(len(conditions), 1, *conditions.shape[2:])

    def draw_part(rows: torch.Tensor) -> None:
        generators = slice_generators(settings.seed, positions[rows].tolist(), sample)
        denoise = partial(pipeline.denoise, generators=generators, steps=steps)
        found[rows] = draw_cropped(window, conditions[rows], denoise)

    run_in_batches(draw_part, torch.arange(len(conditions)), settings.batch_size)
    return found
