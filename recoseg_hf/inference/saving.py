"""A pipeline as a folder that can be handed on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recoseg_hf.files import sha256_file, write_json

if TYPE_CHECKING:
    from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline


MODEL_MANIFEST = "manifest.json"
"""Holds the SHA-256 of a model's files: `{"files": {name: {"sha256": ..., "bytes": ...}}}`."""

_FORMAT = 1


def write_weight_hashes(folder: str | Path) -> None:
    """Write a manifest of a model's weights beside them; `load_pipeline` compares."""
    folder = Path(folder)
    write_model_manifest(folder, folder.glob("*/*.safetensors"), {})


def write_model_manifest(folder: Path, files: Iterable[Path], about: Mapping[str, Any]) -> None:
    """Write a manifest of some of a model's files, and what else is said `about` the folder."""
    hashes = {
        file.relative_to(folder).as_posix(): {"sha256": sha256_file(file), "bytes": file.stat().st_size}
        for file in sorted(files)
    }
    write_json(folder / MODEL_MANIFEST, {"format": _FORMAT, "files": hashes, **about})


def save_pipeline(pipeline: ReCoSegPipeline, folder: str | Path) -> None:
    """Save a pipeline, safetensors only, readable by others, and without the path that it was loaded from.

    Args:
        pipeline: any.
        folder: made where it is missing; files of other names in it stay, but for a manifest of what was there before.
    """
    folder = Path(folder)
    (folder / MODEL_MANIFEST).unlink(missing_ok=True)  # before the weights: it would make them pass for damaged
    pipeline.save_pretrained(str(folder), safe_serialization=True)
    for weights in folder.glob("*/*.safetensors"):
        weights.chmod(0o644)  # safetensors writes for the owner alone
    parts = ("synthesizer", "segmenter", "scheduler")
    for config in (folder / "model_index.json", *(file for part in parts for file in folder.glob(f"{part}/*.json"))):
        values = json.loads(config.read_text(encoding="utf-8"))
        if values.pop("_name_or_path", None) is not None:  # diffusers notes where it was loaded from
            write_json(config, values)
