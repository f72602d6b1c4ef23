"""How long each stage of a prediction took."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


class StageClock:
    """Adds up wall time by stage; entering a stage ends the one before."""

    def __init__(self, stage: str) -> None:
        self._seconds: dict[str, float] = {}
        self._stage, self._since = stage, time.perf_counter()

    def enter(self, stage: str) -> None:
        """Count the time from now on for `stage`."""
        now = time.perf_counter()
        self._seconds[self._stage] = self._seconds.get(self._stage, 0.0) + now - self._since
        self._stage, self._since = stage, now

    def seconds(self) -> dict[str, float]:
        """Return the seconds of each stage up to now, in the order of entering them."""
        self.enter(self._stage)
        return {stage: round(seconds, 3) for stage, seconds in self._seconds.items()}

    @contextlib.contextmanager
    def entered_by(self, nets: dict[str, torch.nn.Module | None]) -> Iterator[None]:
        """Enter a stage whenever its net is called, so that a pipeline's stages are told apart from outside."""
        hooks = [
            net.register_forward_pre_hook(lambda *_, stage=stage: self.enter(stage))
            for stage, net in nets.items()
            if net is not None
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()
