"""The log of a run: one JSON object a line, the same bytes however often the run was interrupted."""

import json
from collections.abc import Mapping
from pathlib import Path

from recoseg_hf.files import atomic_write

LOG = "log.jsonl"


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
