"""What the nets say of a volume, on their own grid until somebody asks for it elsewhere (a leaf)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class StackResult:
    """The maps of one volume, each a third of its size on the source grid, and the way back there.

    Attributes:
        grid: the `ModelGrid` of the volume.
        source_brain: bool (N, H, W).
        maps: float32 (N, 1, S, S): the probability of each of the model's regions by name, and where there are such,
            `t1ce` and `uncertainty` in source units, and `residual`.
        residual_source: `measured`, `ensemble` or `none`.
        mask_threshold: tau that was asked for, or the model's.
    """

    grid: Any
    source_brain: torch.Tensor
    maps: Mapping[str, torch.Tensor]
    residual_source: str
    mask_threshold: float

    def restored(self, name: str, slices: slice = slice(None)) -> np.ndarray:
        """Bring a map to the grid of the slices that were given: float32 (N, H, W), zero outside the brain.

        Args:
            name: of the map.
            slices: these alone, (n, H, W).
        """
        as_given = self.source_brain.stride(-1) != 1  # laid out in memory as the slices were
        found = self.grid.to_source(self.maps[name][slices], columns_first=as_given)
        return found.mul_(self.source_brain[slices]).numpy()

    def slices_above(self, name: str, threshold: float) -> slice:
        """The slices from the first to the last in which a map exceeds a threshold somewhere; resampling adds none."""
        found = np.flatnonzero((self.maps[name].flatten(1).amax(dim=1) > threshold).numpy())
        return slice(int(found[0]), int(found[-1]) + 1) if found.size else slice(0, 0)
