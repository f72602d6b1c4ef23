"""Slices cut to their brains in training, for a pipeline that shows its nets no more than that (`crop_to_brain`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import EllipsisType

import torch

from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline

Window = tuple[EllipsisType | slice, ...]

_ALL: Window = (...,)


@dataclass(frozen=True)
class Crops:
    """A window on each slice of a batch, all of one size.

    Attributes:
        tops, lefts: each window's first row and column.
        height, width: of all.
    """

    tops: list[int]
    lefts: list[int]
    height: int
    width: int

    @classmethod
    def around(cls, brain: torch.Tensor, multiple: int) -> Crops:
        """Centre each slice's window on its brain; the widest brain of the batch says how wide all are.

        Args:
            brain: (B, S, S), above 0 where there is brain.
            multiple: of which the sides are one; S is, too.
        """
        seen, size = brain > 0, brain.shape[-1]
        tops, height = _along(seen.any(dim=2), size, multiple)
        lefts, width = _along(seen.any(dim=1), size, multiple)
        return cls(tops, lefts, height, width)

    @classmethod
    def seen_by(cls, pipeline: ReCoSegPipeline, brain: torch.Tensor) -> Crops:
        """As `around`; the whole of each slice for a pipeline whose nets see that."""
        if pipeline.window_multiple is None:
            start = [0] * len(brain)
            return cls(start, start, *brain.shape[-2:])
        return cls.around(brain, pipeline.window_multiple)

    @classmethod
    def of_volume(cls, brain: torch.Tensor, multiple: int, count: int) -> Crops:
        """One window for `count` slices of a volume whose brain is (N, 1, S, S).

        That of `ModelGrid.narrowed`, or a `multiple` narrower: here brain of less than half a pixel does not count.
        """
        whole = brain.flatten(0, 1).amax(dim=0)
        return cls.around(whole.expand(count, -1, -1), multiple)

    def index(self, place: int) -> Window:
        """Return where one slice's window lies in it."""
        top, left = self.tops[place], self.lefts[place]
        return ..., slice(top, top + self.height), slice(left, left + self.width)

    def cut(self, values: torch.Tensor) -> torch.Tensor:
        """Return (B, ..., height, width) of (B, ..., S, S)."""
        return torch.stack([one[self.index(place)] for place, one in enumerate(values)])

    def put_back(self, values: torch.Tensor, size: int) -> torch.Tensor:
        """Return (B, ..., size, size), zero outside the windows, of (B, ..., height, width)."""
        whole = values.new_zeros(*values.shape[:-2], size, size)
        for place, found in enumerate(values):
            whole[place][self.index(place)] = found
        return whole


def _along(seen: torch.Tensor, size: int, multiple: int) -> tuple[list[int], int]:
    """Where windows begin, and how long they are, along the axis of (B, S)."""
    places = torch.arange(size, device=seen.device)
    empty = ~seen.any(dim=1)
    first = torch.where(seen, places, size).amin(dim=1).masked_fill(empty, 0)
    last = torch.where(seen, places, -1).amax(dim=1).masked_fill(empty, 0)
    side = min((-(-int((last - first + 1).max()) // multiple) + 1) * multiple, size)
    return ((first + last + 1 - side) // 2).clamp(0, size - side).tolist(), side


def crop_images(
    pipeline: ReCoSegPipeline, images: Mapping[str, torch.Tensor], target: torch.Tensor
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Cut images (B, K, C, S, S), `brain` among them, and target (B, R, S, S), for a pipeline whose nets see less."""
    if pipeline.window_multiple is None:
        return dict(images), target
    crops = Crops.around(images["brain"].flatten(1, 2).amax(dim=1), pipeline.window_multiple)
    return {name: crops.cut(values) for name, values in images.items()}, crops.cut(target)


def volume_window(pipeline: ReCoSegPipeline, brain: Callable[[], torch.Tensor]) -> Window:
    """What the nets see of the slices of a volume, as an index of (..., S, S).

    Args:
        pipeline: says whether it sees all.
        brain: returns that of the volume, (N, 1, S, S); not asked where the pipeline sees all.
    """
    if pipeline.window_multiple is None:
        return _ALL
    return Crops.of_volume(brain(), pipeline.window_multiple, 1).index(0)


def draw_cropped(
    window: Window, conditions: torch.Tensor, draw: Callable[[torch.Tensor], torch.Tensor]
) -> torch.Tensor:
    """Draw T1ce for slices (B, 3, S, S) of one volume as the nets see them: (B, 1, S, S), zero where they do not.

    Args:
        window: of `volume_window`.
        conditions: of some of the volume's slices.
        draw: takes conditions, cut or not, and returns T1ce.
    """
    if window == _ALL:
        return draw(conditions)
    whole = torch.zeros_like(conditions[:, :1])
    whole[window] = draw(conditions[window])
    return whole
