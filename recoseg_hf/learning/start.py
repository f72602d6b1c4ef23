"""How a training script begins: with a pipeline."""

from pathlib import Path

from recoseg_hf.errors import InputError
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline

_SHARED = (
    "image_size", "field_of_view", "lower_percentile", "upper_percentile", "normalization", "pixel_unshuffle",
    "crop_to_brain",
)  # fmt: skip


def load_or_build(name_or_path: str, seed: int) -> ReCoSegPipeline:
    """A saved pipeline or Hub id with its weights, or a folder of configurations with fresh ones.

    Args:
        name_or_path: folder or Hub id.
        seed: of fresh weights.

    Raises:
        InputError: if a folder is neither.
    """
    folder = Path(name_or_path)
    if not folder.is_dir():
        return ReCoSegPipeline.from_pretrained(name_or_path)
    if not (folder / "model_index.json").is_file():
        raise InputError(folder, "no model_index.json", "a pipeline folder", "Name a folder of pipelines/ or a run.")
    if any(folder.glob("*/*.safetensors")):
        return ReCoSegPipeline.from_pretrained(folder)
    return ReCoSegPipeline.from_config_folder(folder, seed)


def with_synthesizer_of(pipeline: ReCoSegPipeline, model: ReCoSegPipeline, source: str) -> ReCoSegPipeline:
    """Give a pipeline another model's synthesizer with its scheduler, so that several systems may share one.

    Args:
        pipeline: changed in place, and returned.
        model: whose synthesizer it is.
        source: where that came from, for the message.

    Raises:
        InputError: it has none, or one for another grid or other intensities.
    """
    differing = [name for name in _SHARED if model.config[name] != pipeline.config[name]]
    if model.synthesizer is None or differing:
        listed = ", ".join(f"{name} {model.config[name]} (here {pipeline.config[name]})" for name in differing)
        remedy = "Name a model whose synthesizer was trained for these slices."
        raise InputError(source, listed or "no synthesizer", "a synthesizer of the same grid", remedy)
    pipeline.register_modules(synthesizer=model.synthesizer, scheduler=model.scheduler)
    pipeline.register_to_config(num_inference_steps=model.config.num_inference_steps)
    return pipeline
