"""A pipeline as a folder that can be handed on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from recoseg_hf.files import write_json

if TYPE_CHECKING:
    from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline


def save_pipeline(pipeline: ReCoSegPipeline, folder: str | Path) -> None:
    """Save a pipeline, safetensors only, readable by others, and without the path that it was loaded from.

    Args:
        pipeline: any.
        folder: made where it is missing; files of other names in it stay.
    """
    folder = Path(folder)
    pipeline.save_pretrained(str(folder), safe_serialization=True)
    for weights in folder.glob("*/*.safetensors"):
        weights.chmod(0o644)  # safetensors writes for the owner alone
    parts = ("synthesizer", "segmenter", "scheduler")
    for config in (folder / "model_index.json", *(file for part in parts for file in folder.glob(f"{part}/*.json"))):
        values = json.loads(config.read_text(encoding="utf-8"))
        if values.pop("_name_or_path", None) is not None:  # diffusers notes where it was loaded from
            write_json(config, values)
