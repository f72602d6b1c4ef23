"""Model repositories that would run code of their own if anybody unpickled or imported what lies in them."""

from __future__ import annotations

import io
import os
import pickle
from pathlib import Path

import numpy as np
import torch


class Evil:
    """Makes a folder when it is unpickled.

    Args:
        sentinel: the folder.
    """

    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self) -> tuple:
        return os.mkdir, (str(self.sentinel),)


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by its path in it."""
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def poisoned_pickle(sentinel: Path) -> bytes:
    """As pickle writes it."""
    return pickle.dumps(Evil(sentinel))


def poisoned_torch_file(sentinel: Path) -> bytes:
    """As `torch.save` writes it."""
    saved = io.BytesIO()
    torch.save({"weight": Evil(sentinel)}, saved)
    return saved.getvalue()


def poisoned_array(sentinel: Path) -> bytes:
    """As `numpy.save` writes an array of objects."""
    saved = io.BytesIO()
    np.save(saved, np.array([Evil(sentinel)], dtype=object))
    return saved.getvalue()


def poisoned_yaml(sentinel: Path) -> str:
    """An option's value that a YAML reader makes by calling a function."""
    return f"seed: !!python/object/apply:os.mkdir [{str(sentinel)!r}]\n"


def poisoned_weights(sentinel: Path) -> dict[str, bytes]:
    """A poisoned pickle under every name that some loader looks for, as torch saves it and as pickle does."""
    saved, plain = poisoned_torch_file(sentinel), poisoned_pickle(sentinel)
    nets = {f"{net}/diffusion_pytorch_model.bin": saved for net in ("synthesizer", "segmenter")}
    return nets | {
        "segmenter/diffusion_pytorch_model.fp16.bin": saved,
        "segmenter/pytorch_model.bin": saved,
        "scheduler/scheduler.bin": saved,
        "diffusion_pytorch_model.bin": plain,
        "segmenter/model.pkl": plain,
        "optimizer.pt": plain,
    }


def poisoned_code(sentinel: Path) -> dict[str, bytes]:
    """Python files that write the sentinel when they are imported."""
    line = f"open({str(sentinel)!r}, 'w').close()\n".encode()
    names = ("pipeline_recoseg.py", "pipeline.py", "segmenter/modeling.py", "handler.py", "scheduler/scheduler.py")
    return dict.fromkeys(names, line)
