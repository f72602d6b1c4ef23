"""The log of a run, one JSON object a line, the same bytes however often it was interrupted; and TensorBoard's."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from accelerate import Accelerator

from recoseg_hf.files import atomic_write

LOG = "log.jsonl"


class RunLog:
    """What a run tells of itself while it goes on; only the main process writes.

    Args:
        accelerator: with TensorBoard as its tracker, or with none.
        folder: of the run.
    """

    def __init__(self, accelerator: Accelerator, folder: Path):
        self.accelerator, self.folder = accelerator, folder

    def start(self, step: int, options: Mapping[str, Any]) -> None:
        """Begin, or go on after `step`: what an interrupted run logged past it is logged anew, not twice."""
        if self.accelerator.is_main_process:
            cut_log(self.folder, step)
        if self.accelerator.log_with:
            purge = {"tensorboard": {"purge_step": step + 1}}
            self.accelerator.init_trackers("tensorboard", config=dict(options), init_kwargs=purge)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Write to the trackers and to `log.jsonl`."""
        self.accelerator.log(dict(values), step=step)
        if self.accelerator.is_main_process:
            append_log(self.folder, step, values)

    def picture(self, step: int, name: str, draw: Callable[[], np.ndarray]) -> None:
        """Give TensorBoard a picture, uint8 (H, W) or (H, W, 3); it is drawn only where somebody is to see it."""
        if self.accelerator.is_main_process and self.accelerator.trackers:
            picture = draw()
            writer = self.accelerator.get_tracker("tensorboard", unwrap=True)
            writer.add_image(name, picture, step, dataformats="HW" if picture.ndim == 2 else "HWC")


def append_log(folder: Path, step: int, values: Mapping[str, float]) -> None:
    """Add one line; the folder is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOG).open("a", encoding="utf-8") as file:
        file.write(json.dumps({"step": step, **values}) + "\n")


def cut_log(folder: Path, step: int) -> None:
    """Drop what was logged after `step`, and a last line torn by a power cut: the resumed run writes it anew."""
    path = folder / LOG
    if not path.is_file():
        return
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
    with atomic_write(path) as temporary:
        temporary.write_text("".join(kept), encoding="utf-8")
