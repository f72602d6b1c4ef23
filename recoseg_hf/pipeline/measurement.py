"""A T1ce of which only a part was measured, and the embedding that keeps a sample true to that part (a leaf).

What was measured is y = A x. DDMM-Synth (Li et al. 2023, arXiv 2303.15770) puts y into every estimate of the clean
image and leaves the rest, the null space of A, to the net: x_0 <- A^+ y + (I - A^+ A) x0_hat. Here A takes means of
blocks and leaves blocks out, so A^+ repeats a block's value over the block and is zero where nothing was measured.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F


@dataclass(frozen=True)
class Measurement:
    """Which part of a T1ce was measured: thick slices, a few slices, low resolution, or any of these together.

    The slices of a volume are taken to be 1 mm apart, from the lowest; thick slice n is the mean of slices
    n * slice_thickness to (n + 1) * slice_thickness - 1, as far as they hold brain.

    Attributes:
        slice_thickness: how many neighbouring slices a measured one is the mean of.
        pixel_size: how many pixels of the nets' grid, each way, a measured pixel is the mean of.
        measured: numbers of the (thick) slices that were measured, from 0; None is all of them.

    Raises:
        ValueError: naming what is out of range.
    """

    slice_thickness: int = 1
    pixel_size: int = 1
    measured: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if self.slice_thickness < 1 or self.pixel_size < 1 or min(self.measured or (0,)) < 0:
            raise ValueError(f"{self}; expected a thickness and a pixel size of 1 or more, and slices from 0.")

    def slices_seen(self, count: int) -> torch.Tensor:
        """Bool (count,): which slices of a volume take part in the measurement."""
        return self._is_measured(torch.arange(count) // self.slice_thickness)

    def window_multiple(self, multiple: int, image_size: int) -> int | None:
        """Of what the sides of a window on the nets' grid are to be a multiple, so that measured pixels fill it.

        Args:
            multiple: that the nets ask for; of it and of what is returned `image_size` is one.
            image_size: side of the nets' grid.

        Returns:
            None where measured pixels do not fill the grid either, which `apply` refuses.
        """
        return math.lcm(multiple, self.pixel_size) if image_size % self.pixel_size == 0 else None

    def batches(self, positions: torch.Tensor, size: int) -> tuple[torch.Tensor, ...]:
        """Part slices into batches of at most `size` that cut no thick slice; one thick slice at least.

        Args:
            positions: int64 (N,), in order.
            size: slices per batch.
        """
        together = max(size // self.slice_thickness, 1) * self.slice_thickness
        _, counts = torch.unique_consecutive(positions // together, return_counts=True)
        return positions.split(counts.tolist())

    def apply(self, images: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """A x.

        Args:
            images: float (B, C, S, S).
            positions: int64 (B,) in the volume; all slices of a thick one that hold brain are among them.

        Returns:
            (M, C, S / pixel_size, S / pixel_size), the M measured thick slices from the lowest.

        Raises:
            ValueError: S is no multiple of `pixel_size`.
        """
        if images.shape[-1] % self.pixel_size:
            raise ValueError(f"pixel_size={self.pixel_size}; expected a divisor of image_size={images.shape[-1]}.")
        thick, place, counts = self._thick_slices(positions, images.device)
        small = F.avg_pool2d(images, self.pixel_size)
        total = small.new_zeros(len(thick), *small.shape[1:]).index_add_(0, place, small)
        return (total / counts[:, None, None, None])[self._is_measured(thick)]

    def pseudo_inverse(self, measured: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """A^+ y: float (B, C, S, S), for y as `apply` returns it."""
        thick, place, _ = self._thick_slices(positions, measured.device)
        every = measured.new_zeros(len(thick), *measured.shape[1:])
        every[self._is_measured(thick)] = measured
        size = self.pixel_size
        return every[place].repeat_interleave(size, dim=-1).repeat_interleave(size, dim=-2)

    def embed(self, images: torch.Tensor, measured: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """A^+ y + (I - A^+ A) x: the image nearest to x of which y could have been measured.

        Args:
            images: x, float (B, C, S, S).
            measured: y, as `apply` returns it.
            positions: int64 (B,).
        """
        seen = self.pseudo_inverse(self.apply(images, positions), positions)
        return self.pseudo_inverse(measured, positions) + (images - seen)

    def embedding(self, images: torch.Tensor, positions: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
        """`embed` for one batch, with y = A `images`; it follows the device of what it is given."""
        measured = self.apply(images, positions)
        return lambda clean: self.embed(clean, measured.to(clean.device), positions)

    def _thick_slices(
        self, positions: torch.Tensor, device: torch.device
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Numbers of the thick slices, which of them each slice belongs to, and how many belong to each."""
        numbers = positions.to(device) // self.slice_thickness
        return torch.unique(numbers, return_inverse=True, return_counts=True)

    def _is_measured(self, thick: torch.Tensor) -> torch.Tensor:
        if self.measured is None:
            return torch.ones_like(thick, dtype=torch.bool)
        return torch.isin(thick, torch.tensor(self.measured, dtype=thick.dtype, device=thick.device))
