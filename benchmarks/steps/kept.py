"""Finished points on disk, so that a stopped study goes on where it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.steps.points import Point
from recoseg_hf.errors import InputError


class KeptPoints:
    """A file of JSON lines: first how it is measured, then a line for each point.

    Args:
        path: of the file; made with the first point.
        conditions: model, dtype, subjects and whatever else must be the same when it goes on.

    Raises:
        InputError: the file was measured otherwise, or is another one.
    """

    def __init__(self, path: Path, conditions: Mapping[str, Any]) -> None:
        self._path = path
        self.found: dict[Point, dict[str, Any]] = {}
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(conditions) + "\n", encoding="utf-8")
            return
        first, *lines = path.read_text(encoding="utf-8").split("\n")
        try:
            before = json.loads(first)
            rows = [json.loads(line) for line in lines[:-1]]  # the last is empty, or a line that was broken off
            self.found = {Point(**row["point"]): row["measured"] for row in rows}
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(path, f"it holds no points ({error})", "points of this study", "Delete it.") from error
        if before != conditions:
            then = before if isinstance(before, dict) else {}
            differ = [name for name in conditions if then.get(name) != conditions[name]]
            found = f"it was measured with another {', '.join(differ)}"
            raise InputError(path, found, "points of this study", "Delete it, or choose another output.")
        whole = "\n".join([first, *lines[:-1]]) + "\n"
        path.write_text(whole, encoding="utf-8")

    def add(self, point: Point, measured: dict[str, Any]) -> None:
        """Keep a point."""
        self.found[point] = measured
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"point": asdict(point), "measured": measured}) + "\n")

    def delete(self) -> None:
        """Let go of the file: the result has all that counts."""
        self._path.unlink(missing_ok=True)
