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
        brain: bool (M, 1, S, S), of the slices that the nets saw.
        slice_step: the M slices are each n-th of the N.
        maps: float32 (M, 1, S, S): the probability of each of the model's regions by name, and where there are such,
            `t1ce` and `uncertainty` in source units, and `residual`.
        residual_source: `measured`, `ensemble` or `none`.
        mask_threshold: tau that was asked for, or the model's.
    """

    grid: Any
    source_brain: torch.Tensor
    brain: torch.Tensor
    slice_step: int
    maps: Mapping[str, torch.Tensor]
    residual_source: str
    mask_threshold: float

    def restored(self, name: str, slices: slice = slice(None)) -> np.ndarray:
        """Bring a map to the grid of the slices that were given: float32 (N, H, W), zero outside the brain.

        Args:
            name: of the map.
            slices: these alone, (n, H, W); they lie together, without a step.
        """
        as_given = self.source_brain.stride(-1) != 1  # laid out in memory as the slices were
        found = self.grid.to_source(self.of_slices(name, slices), columns_first=as_given).numpy()
        found *= self.source_brain[slices].numpy()
        return found

    def of_slices(self, name: str, slices: slice = slice(None)) -> torch.Tensor:
        """Return a map for slices that lie together, float32 (n, 1, S, S), those that the nets did not see among them.

        Args:
            name: of the map.
            slices: of the N, without a step.
        """
        start, stop, _ = slices.indices(len(self.source_brain))
        lowest, step = start // self.slice_step, self.slice_step
        highest = min(-(-(stop - 1) // step), len(self.brain) - 1)
        seen = slice(lowest, highest + 1)
        found = between_slices(
            self.maps[name][seen], self.brain[seen], step, max(stop, highest * step + 1) - lowest * step
        )
        return found[start - lowest * step : stop - lowest * step]

    def slices_above(self, name: str, threshold: float) -> slice:
        """Some slices that lie together, beyond which a map nowhere exceeds a threshold; resampling adds none."""
        found = np.flatnonzero((self.maps[name].flatten(1).amax(dim=1) > threshold).numpy())
        if not found.size:
            return slice(0, 0)
        before, after = int(found[0]) - 1, int(found[-1]) + 1  # what lies between two slices has something of both
        return slice(max(before * self.slice_step + 1, 0), min(after * self.slice_step, len(self.source_brain)))


def between_slices(maps: torch.Tensor, brain: torch.Tensor, step: int, count: int) -> torch.Tensor:
    """Fill in the slices that were left out: linearly, from the computed ones below and above that hold brain there.

    Args:
        maps: float32 (M, C, S, S), each `step`-th of `count` slices from the first.
        brain: (M, 1, S, S), true where there is brain.
        step: 1 returns `maps`.
        count: of all slices.

    Returns:
        float32 (count, C, S, S).
    """
    if step == 1:
        return maps
    values, inside = maps.numpy(), brain.numpy()  # in the caller's thread alone, as others do the same beside it
    whole = np.empty((count, *values.shape[1:]), np.float32)
    whole[::step] = values
    for offset in range(1, step):
        first = np.arange(len(whole[offset::step]))
        second = np.minimum(first + 1, len(values) - 1)
        shares = np.float32(1 - offset / step), np.float32(offset / step)
        below, above = shares[0] * inside[first], shares[1] * inside[second]
        empty = below + above == 0
        below[empty], above[empty] = shares
        whole[offset::step] = (below * values[first] + above * values[second]) / (below + above)
    return torch.from_numpy(whole)
