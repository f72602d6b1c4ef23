"""How long each stage of a prediction took."""

from __future__ import annotations

import time
from collections.abc import Callable


class StageClock:
    """Adds up time by stage; entering a stage ends the one before.

    Args:
        stage: the first.
        now: tells the time in seconds.
    """

    def __init__(self, stage: str, now: Callable[[], float] = time.perf_counter) -> None:
        self._seconds: dict[str, float] = {}
        self._now = now
        self._stage: str | None = stage
        self._since = now()

    def enter(self, stage: str | None) -> None:
        """Count the time from now on for `stage`; None counts it for nothing, until the next is entered."""
        now = self._now()
        if self._stage is not None:
            self._seconds[self._stage] = self._seconds.get(self._stage, 0.0) + now - self._since
        self._stage, self._since = stage, now

    def seconds(self) -> dict[str, float]:
        """Return the seconds of each stage up to now, in the order of entering them."""
        self.enter(self._stage)
        return {stage: round(seconds, 3) for stage, seconds in self._seconds.items()}
