"""A model that does nothing twice: what is varied is paid for, and not what stays the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from recoseg_hf.pipeline.measurement import Measurement
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline
from recoseg_hf.pipeline.preprocessing import PreparedStack


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

    def compute(self, *volumes: Any, **options: Any) -> Any:
        """As the pipeline's."""
        return super().compute(*volumes, **{"shared_noise": self.shared_noise} | options)

    def denoise(
        self,
        conditions: torch.Tensor,
        generators: list[torch.Generator],
        steps: int,
        advance: Callable[[int, torch.Tensor], Any] | None = None,
        embed: Callable[[torch.Tensor], torch.Tensor] | None = None,
        device: torch.device | None = None,
    ) -> torch.Tensor:
        """As the pipeline's; `advance` is not called for what is remembered, and with `embed` nothing is."""
        if embed is not None:
            return super().denoise(conditions, generators, steps, advance, embed, device)
        key = (_digest(conditions), tuple(generator.initial_seed() for generator in generators), steps)
        if key not in self._drawn:
            self._drawn[key] = super().denoise(conditions, generators, steps, advance, device=device)
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


class RememberedCase(RememberedDraws):
    """Mixed into a pipeline's class by `remember_case`, for calls with the same scans and the same residual source.

    Beside its draws it remembers how the scans were prepared, and what the synthesizer said of each draw's noise:
    where the scheduler begins at one timestep whatever the number of steps, that serves every number of them. A
    segmentation that no synthetic T1ce enters is remembered whole.
    """

    _stack: PreparedStack | None = None
    _segmented: torch.Tensor | None = None
    _at_noise = False
    _of_noise: dict[tuple, torch.Tensor]

    def preprocess(
        self, images: Mapping[str, np.ndarray | torch.Tensor], t1ce_measurement: Measurement | None = None
    ) -> PreparedStack:
        """As the pipeline's, of the first call's images."""
        if self._stack is None:
            self._stack = super().preprocess(images, t1ce_measurement)
        return self._stack

    def denoise(self, *given: Any, **options: Any) -> torch.Tensor:
        """As the pipeline's."""
        self._at_noise = True
        return super().denoise(*given, **options)

    def _run(self, net: Any, inputs: torch.Tensor, timestep: Any, **extra: Any) -> torch.Tensor:
        at_noise, self._at_noise = self._at_noise and net is self.synthesizer, False
        if not at_noise:
            return super()._run(net, inputs, timestep, **extra)
        key = (_digest(inputs), float(timestep))
        if key not in self._of_noise:
            self._of_noise[key] = super()._run(net, inputs, timestep, **extra)
        return self._of_noise[key]

    def _segment(
        self, stack: PreparedStack, draws: torch.Tensor | None, residual: torch.Tensor | None, *others: Any
    ) -> torch.Tensor:
        if residual is not None or "synthetic_t1ce" in self.channels:
            return super()._segment(stack, draws, residual, *others)
        if self._segmented is None:
            self._segmented = super()._segment(stack, draws, residual, *others)
        return self._segmented


def _digest(values: torch.Tensor) -> bytes:
    return hashlib.sha256(values.cpu().contiguous().numpy()).digest()


def remember(pipeline: ReCoSegPipeline) -> ReCoSegPipeline:
    """The same nets and settings in a pipeline that is `RememberedDraws` too; 2D or 3D, and without progress bars."""
    return _mixed(pipeline, RememberedDraws)


def remember_case(pipeline: ReCoSegPipeline) -> ReCoSegPipeline:
    """The same nets and settings in a pipeline that is a `RememberedCase` too; 2D or 3D, and without progress bars."""
    found = _mixed(pipeline, RememberedCase)
    found._of_noise = {}
    return found


def _mixed(pipeline: ReCoSegPipeline, mixin: type[RememberedDraws]) -> ReCoSegPipeline:
    kind = type(pipeline)
    settings = {name: value for name, value in pipeline.config.items() if not name.startswith("_")}
    found = type(f"Remembered{kind.__name__}", (mixin, kind), {})(**settings | pipeline.components)
    found.set_progress_bar_config(disable=True)
    found._drawn = {}
    return found
