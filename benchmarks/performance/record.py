"""What has been measured so far, kept in a file, so that a failure loses only what failed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from recoseg_hf.files import write_json

Result = TypeVar("Result")


class Record:
    """Answers as they come; JSON values, of which `result.assemble` makes everything else.

    Args:
        path: of the file; None keeps them in memory alone.
        minutes: after which nothing more is begun that can be left out; None knows no end.
        tell: is told of failures.

    Attributes:
        values: `about`, `answers` and `failed` by contestant, `scale` and `scale_failed` by part, and what is added.
    """

    def __init__(self, path: Path | None, minutes: float | None, tell: Callable[[str], None]) -> None:
        self._path, self.tell = path, tell
        self._began = time.perf_counter()
        self._minutes = minutes
        self.values: dict[str, Any] = {"about": {}, "answers": {}, "failed": {}, "scale": {}, "scale_failed": {}}

    def is_late(self) -> bool:
        """Whether the time is over."""
        return self._minutes is not None and time.perf_counter() - self._began > 60 * self._minutes

    def add_answer(self, name: str, answer: Mapping[str, Any]) -> None:
        """Keep what a turn gave."""
        self.values["answers"].setdefault(name, []).append(dict(answer))

    def attempt(self, name: str, act: Callable[[], Result], where: str = "failed") -> Result | None:
        """Do something; where that fails, keep why and return None."""
        try:
            return act()
        except Exception as error:
            self.tell(f"{name} FAILED: {error}")
            self.values[where].setdefault(name, f"{type(error).__name__}: {error}")
            return None

    def save(self) -> None:
        """Write all of it, in one step."""
        self.values["minutes"] = (time.perf_counter() - self._began) / 60
        if self._path is not None:
            write_json(self._path, self.values)
