"""The moving average of a net's weights: what is validated and, in the end, what comes out of a run."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from diffusers import UNet2DModel
from diffusers.training_utils import EMAModel


class MovingAverage:
    """Average of a net's parameters, on the net's device.

    Args:
        net: without what Accelerate wraps around it.
        decay: of the average once it has warmed up.
    """

    def __init__(self, net: UNet2DModel, decay: float):
        self.net = net
        self.model = EMAModel(net.parameters(), decay=decay, use_ema_warmup=True, foreach=True)
        self.model.to(net.device)

    def step(self) -> None:
        """Take the net's present weights in."""
        self.model.step(self.net.parameters())

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Within, the net has the average's weights and is in evaluation mode."""
        self.model.store(self.net.parameters())
        self.model.copy_to(self.net.parameters())
        self.net.eval()
        try:
            yield
        finally:
            self.net.train()
            self.model.restore(self.net.parameters())

    def weights(self) -> dict[str, torch.Tensor]:
        """The average by the names of the net's parameters."""
        return {name: value.contiguous() for name, value in self._shadows()}

    def restore(self, weights: Mapping[str, torch.Tensor], steps: int) -> None:
        """Go on from a checkpoint: `weights()` after so many steps."""
        for name, shadow in self._shadows():
            shadow.copy_(weights[name])
        self.model.optimization_step = steps

    def _shadows(self) -> Iterator[tuple[str, torch.Tensor]]:
        names = (name for name, _ in self.net.named_parameters())
        return zip(names, self.model.shadow_params, strict=True)
