"""How a training script begins: with a pipeline."""

from pathlib import Path

from recoseg_hf.errors import InputError
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline


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
