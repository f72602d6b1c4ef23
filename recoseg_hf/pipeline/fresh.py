"""A system's folder of configurations, with fresh weights (a leaf: imports torch and diffusers)."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch


def build_system(index: Path, seed: int, own: Mapping[str, type]) -> dict[str, Any]:
    """Build the components that an index names, and read the settings beside them.

    Args:
        index: `model_index.json`; beside it stands a folder with a configuration for each component.
        seed: of the weights; the global random state stays as it was.
        own: classes by name that diffusers does not have.

    Returns:
        What a pipeline takes: components and settings by name.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    values = {key: value for key, value in json.loads(index.read_text()).items() if not key.startswith("_")}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name, value in values.items():
            if isinstance(value, list):
                values[name] = _build_component(value[1], index.parent / name, own)
    return values


def _build_component(class_name: str | None, folder: Path, own: Mapping[str, type]) -> Any:
    if class_name is None:
        return None
    component = own.get(class_name) or getattr(diffusers, class_name)
    return component.from_config(component.load_config(str(folder)))
