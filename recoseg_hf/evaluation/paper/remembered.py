"""A model that draws each T1ce once: what comes after the synthesis can then be varied without paying for it again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline


class RememberedDraws:
    """Mixed into a pipeline's class by `remember`: the same draw asked for again is handed out, not computed.

    The same are draws from the same conditions, seeds and number of steps. Weights and scheduler must stay.

    Attributes:
        shared_noise: what a call takes for `ReCoSegPipeline`'s argument of that name unless it is given.
    """

    shared_noise = False
    _drawn: dict[tuple, torch.Tensor]

    def __call__(self, *volumes: Any, **options: Any) -> Any:
        """As the pipeline's."""
        return super().__call__(*volumes, **{"shared_noise": self.shared_noise} | options)

    def denoise(
        self,
        conditions: torch.Tensor,
        generators: list[torch.Generator],
        steps: int,
        advance: Callable[[int, torch.Tensor], Any] | None = None,
        embed: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ) -> torch.Tensor:
        """As the pipeline's; `advance` is not called for what is remembered, and with `embed` nothing is."""
        if embed is not None:
            return super().denoise(conditions, generators, steps, advance, embed)
        scans = hashlib.sha256(conditions.contiguous().numpy().tobytes()).digest()
        key = (scans, tuple(generator.initial_seed() for generator in generators), steps)
        if key not in self._drawn:
            self._drawn[key] = super().denoise(conditions, generators, steps, advance)
        return self._drawn[key]

    def forget(self) -> None:
        """Let go of all draws."""
        self._drawn.clear()

    @contextmanager
    def set_to(self, shared_noise: bool = False, **settings: Any) -> Iterator[None]:
        """Within, the pipeline has other settings, each of those in its configuration."""
        kept = {name: self.config[name] for name in settings}
        self.register_to_config(**settings)
        self.shared_noise = shared_noise
        try:
            yield
        finally:
            self.register_to_config(**kept)
            self.shared_noise = False


def remember(pipeline: ReCoSegPipeline) -> ReCoSegPipeline:
    """The same nets and settings in a pipeline that is `RememberedDraws` too; 2D or 3D, and without progress bars."""
    kind = type(pipeline)
    settings = {name: value for name, value in pipeline.config.items() if not name.startswith("_")}
    found = type(f"Remembered{kind.__name__}", (RememberedDraws, kind), {})(**settings | pipeline.components)
    found.set_progress_bar_config(disable=True)
    found._drawn = {}
    return found
