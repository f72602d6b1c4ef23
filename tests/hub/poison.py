"""Model repositories that would run code of their own if anybody unpickled or imported what lies in them."""

from __future__ import annotations

import io
import pickle
from pathlib import Path

import torch


class Evil:
    """Writes a file when it is unpickled.

    Args:
        sentinel: the file.
    """

    def __init__(self, sentinel: Path) -> None:
        self.sentinel = sentinel

    def __reduce__(self) -> tuple:
        return open, (str(self.sentinel), "w")


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by its path in it."""
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def poisoned_weights(sentinel: Path) -> dict[str, bytes]:
    """A poisoned pickle under every name that some loader looks for, as torch saves it and as pickle does."""
    saved = io.BytesIO()
    torch.save({"weight": Evil(sentinel)}, saved)
    plain = pickle.dumps(Evil(sentinel))
    nets = {f"{net}/diffusion_pytorch_model.bin": saved.getvalue() for net in ("synthesizer", "segmenter")}
    return nets | {
        "segmenter/diffusion_pytorch_model.fp16.bin": saved.getvalue(),
        "segmenter/pytorch_model.bin": saved.getvalue(),
        "scheduler/scheduler.bin": saved.getvalue(),
        "diffusion_pytorch_model.bin": plain,
        "segmenter/model.pkl": plain,
        "optimizer.pt": plain,
    }


def poisoned_code(sentinel: Path) -> dict[str, bytes]:
    """Python files that write the sentinel when they are imported."""
    line = f"open({str(sentinel)!r}, 'w').close()\n".encode()
    names = ("pipeline_recoseg.py", "pipeline.py", "segmenter/modeling.py", "handler.py", "scheduler/scheduler.py")
    return dict.fromkeys(names, line)
