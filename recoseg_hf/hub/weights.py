"""Weights as they are published: safetensors only, float32 and half of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from recoseg_hf.errors import InputError
from recoseg_hf.hub.names import HALF, INDEX, NETS

if TYPE_CHECKING:
    from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline


def save_half(pipeline: ReCoSegPipeline, folder: str | Path) -> None:
    """Save a pipeline with float16 weights, safetensors only; it loads as float32 unless a dtype is asked for.

    Args:
        pipeline: changed to float16 in place.
        folder: the model's folder; files of other names in it stay.
    """
    import torch

    from recoseg_hf.inference.saving import save_pipeline

    save_pipeline(pipeline.to(dtype=torch.float16), folder)


def save_both(pipeline: ReCoSegPipeline, folder: str | Path) -> None:
    """Save a pipeline in float32, and the variant `fp16` of its nets beside that.

    Args:
        pipeline: stays as it is.
        folder: made where it is missing; files of other names in it stay.

    Raises:
        InputError: a weight is not finite, or too large for float16.
    """
    import torch
    from safetensors.torch import save_file

    from recoseg_hf.inference.saving import save_pipeline

    folder = Path(folder)
    save_pipeline(pipeline, folder)
    for name in NETS:
        net = getattr(pipeline, name)
        if net is None:
            continue
        halves = {key: weight.to(torch.float16).contiguous() for key, weight in net.state_dict().items()}
        spoilt = next((key for key, weight in halves.items() if not weight.isfinite().all()), None)
        if spoilt:
            found = f"{spoilt} of the {name} is not finite, or too large for float16"
            raise InputError(folder / INDEX, found, "weights within 65504", "Train on with a smaller learning rate.")
        file = folder / name / f"diffusion_pytorch_model.{HALF}.safetensors"
        save_file(halves, file, metadata={"format": "pt"})
        file.chmod(0o644)  # safetensors writes for the owner alone
