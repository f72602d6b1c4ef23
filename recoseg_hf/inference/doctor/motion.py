"""How far one scan lies from another, found by block matching (Ourselin et al. 2000, 10.1007/978-3-540-40899-4_57).

In a small window two MRI contrasts are nearly linear in one another, with either sign; so the squared correlation in
windows says how well they fit, whatever the contrasts. It is summed over eight blocks of the brain for small shifts,
and the rigid motion is fitted to the blocks' best shifts: coarse first, then fine.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from recoseg_hf.imaging import grids
from recoseg_hf.inference.doctor.scans import halved

_LEAST_SPREAD = 0.02  # of a window, relative to the mean: less is noise, and its correlation means nothing
_FEWEST = 50  # voxels in a block that can be matched


@dataclass(frozen=True, eq=False)
class Picture:
    """A scan as it is compared with others.

    Attributes:
        data: float32 (X, Y, Z) on a RAS grid, without slow changes of intensity: 1 on average and outside the brain.
        brain: bool, where there is something to compare.
        spacing: of the grid, in mm.
    """

    data: np.ndarray
    brain: np.ndarray
    spacing: float

    def mirrored(self) -> Picture:
        """The same with left and right exchanged."""
        return Picture(self.data[::-1].copy(), self.brain[::-1].copy(), self.spacing)

    def coarser(self) -> Picture:
        """The same on a grid of twice the spacing."""
        return Picture(halved(self.data, 1), halved(self.brain.astype(np.float32), 0) > 0.5, 2 * self.spacing)

    def moved(self, motion: np.ndarray) -> Picture:
        """The same, resampled after a motion in mm about the middle of the grid."""
        own = np.diag([self.spacing] * 3 + [1.0])
        own[:3, 3] = -(np.array(self.data.shape) - 1) / 2 * self.spacing
        data, brain = (
            grids.resample(layer, own, layer.shape, motion @ own, "linear")
            for layer in (self.data - 1, self.brain.astype(np.float32))
        )
        return Picture(data + 1, brain > 0.5, self.spacing)


@dataclass(frozen=True, eq=False)
class Match:
    """How one picture fits on another.

    Attributes:
        motion: (4, 4), mm about the middle of the grid: where in the moving picture a place of the fixed one lies.
        likeness: mean squared correlation in windows after the motion, 0 to 1.
        at_rest: the same without the motion.
    """

    motion: np.ndarray
    likeness: float
    at_rest: float


def match(fixed: Picture, moving: Picture) -> Match:
    """Find the rigid motion of `moving` that makes it most like `fixed`."""
    motion, _, _ = _matched_blocks(fixed.coarser(), moving.coarser(), reach=2, radius=1)
    there = moving.moved(motion) if np.abs(motion - np.eye(4)).max() > 1e-3 else moving
    step, before, after = _matched_blocks(fixed, there, reach=1, radius=2)
    return Match(motion @ step, after, before)


def displacement_mm(motion: np.ndarray, brain: np.ndarray, spacing: float) -> float:
    """Return by how many mm a motion moves the brain's voxels, root mean square."""
    places = _places(brain.shape, spacing)[brain]
    moved = places @ motion[:3, :3].T + motion[:3, 3] - places
    return float(np.sqrt((moved**2).sum(axis=1).mean()))


def _matched_blocks(fixed: Picture, moving: Picture, reach: int, radius: int) -> tuple[np.ndarray, float, float]:
    """Match each block over shifts up to `reach` voxels; return the motion, and the likeness at rest and at best."""
    inner = _eroded(fixed.brain & _eroded(moving.brain, 1), radius)
    places = _places(inner.shape, fixed.spacing)
    blocks = _blocks(places, inner)
    counts = np.bincount(blocks, minlength=8)
    shifts = list(itertools.product(range(-reach, reach + 1), repeat=3))
    likeness = np.zeros((len(shifts), 8))
    compare = _Windows(fixed.data, moving.data, inner, reach, radius)
    for number, shift in enumerate(shifts):
        likeness[number] = np.bincount(blocks, compare.likeness(shift), minlength=8)
    surfaces = (likeness / np.maximum(counts, 1)).T.reshape(8, *[2 * reach + 1] * 3)
    usable = counts >= _FEWEST
    if usable.sum() < 4:
        return np.eye(4), 0.0, 0.0
    peaks = np.array([_peak(surface) for surface in surfaces]) * fixed.spacing
    centres = np.stack([np.bincount(blocks, axis, minlength=8) for axis in places[inner].T], axis=1)
    centres /= np.maximum(counts, 1)[:, None]
    whole = likeness.sum(axis=1) / max(counts.sum(), 1)
    motion = _rigid(centres[usable], peaks[usable], counts[usable])
    return motion, float(whole[len(shifts) // 2]), float(whole.max())


class _Windows:
    """Squared correlations in windows around the inner voxels, for one shift after another."""

    def __init__(self, fixed: np.ndarray, moving: np.ndarray, inner: np.ndarray, reach: int, radius: int):
        self._radius, self._reach, self._inner = radius, reach, inner
        self._fixed = fixed - 1
        self._moving = np.pad(moving - 1, reach)
        self._fixed_mean, self._fixed_spread = (moment[inner] for moment in self._moments(self._fixed))
        self._moving_mean, self._moving_spread = self._moments(self._moving)

    def likeness(self, shift: tuple[int, ...]) -> np.ndarray:
        """Of every inner voxel, with the moving picture read `shift` voxels farther on."""
        view = tuple(
            slice(self._reach + step, self._reach + step + size)
            for step, size in zip(shift, self._fixed.shape, strict=True)
        )
        product = _box_mean(self._fixed * self._moving[view], self._radius)[self._inner]
        covariance = product - self._fixed_mean * self._moving_mean[view][self._inner]
        spreads = self._fixed_spread * self._moving_spread[view][self._inner]
        return covariance**2 / (spreads + _LEAST_SPREAD**4)

    def _moments(self, data: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        mean = _box_mean(data, self._radius)
        return mean, np.maximum(_box_mean(data**2, self._radius) - mean**2, 0)


def _rigid(centres: np.ndarray, shifts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Fit translation and rotation to the shifts of blocks, those that fit badly counting less."""
    rows = np.zeros((len(centres), 3, 6))
    rows[:, :, :3] = np.eye(3)
    for axis in range(3):  # the derivative of w x c by w
        rows[:, :, 3 + axis] = np.cross(np.eye(3)[axis], centres)
    weight = counts / counts.sum()
    for _ in range(4):
        root = np.sqrt(weight)[:, None]
        left, right = (root[:, :, None] * rows).reshape(-1, 6), (root * shifts).ravel()
        motion = np.linalg.lstsq(left, right, rcond=None)[0]
        error = np.linalg.norm(rows @ motion - shifts, axis=1)
        scale = max(2 * float(np.median(error)), 0.5)
        weight = counts / counts.sum() / (1 + (error / scale) ** 2)
    return _motion(motion)


def _motion(vector: np.ndarray) -> np.ndarray:
    """A motion from a translation in mm and a rotation vector in radians (Rodrigues)."""
    motion, angle = np.eye(4), np.linalg.norm(vector[3:])
    motion[:3, 3] = vector[:3]
    if angle > 0:
        x, y, z = vector[3:] / angle
        cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
        motion[:3, :3] += np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return motion


def _peak(surface: np.ndarray) -> np.ndarray:
    """Where a surface over shifts is highest, in voxels; between two shifts by a parabola along each axis."""
    best = np.unravel_index(np.argmax(surface), surface.shape)
    middle = (np.array(surface.shape) - 1) // 2
    peak = np.array(best, dtype=np.float64) - middle
    for axis, index in enumerate(best):
        if 0 < index < surface.shape[axis] - 1:
            line = np.moveaxis(surface, axis, 0)[(slice(index - 1, index + 2), *np.delete(best, axis))]
            bend = line[0] - 2 * line[1] + line[2]
            peak[axis] += 0.5 * (line[0] - line[2]) / bend if bend < 0 else 0
    return peak


def _blocks(places: np.ndarray, inner: np.ndarray) -> np.ndarray:
    """Number of the octant around the middle of each inner voxel, 0 to 7."""
    own = places[inner]
    return ((own > np.median(own, axis=0)) @ np.array([1, 2, 4])).astype(np.int64)


def _places(shape: tuple[int, ...], spacing: float) -> np.ndarray:
    axes = [(np.arange(n) - (n - 1) / 2) * spacing for n in shape]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


def _eroded(mask: np.ndarray, radius: int) -> np.ndarray:
    return _box_mean(mask.astype(np.float32), radius) > 1 - 1e-4


def _box_mean(array: np.ndarray, radius: int) -> np.ndarray:
    """Mean over the cube of 2 `radius` + 1 voxels around each; 0 outside the array."""
    padded = np.pad(array.astype(np.float32, copy=False), radius)
    flat = padded.ravel()  # sums over shifted runs of memory take a fifth of the time of sums over shifted axes
    for stride in (padded.shape[1] * padded.shape[2], padded.shape[2], 1):
        total, reach = np.zeros_like(flat), radius * stride
        for start in range(0, 2 * reach + 1, stride):
            total[reach : len(flat) - reach] += flat[start : len(flat) - 2 * reach + start]
        flat = total
    inside = tuple(slice(radius, radius + size) for size in array.shape)
    return flat.reshape(padded.shape)[inside] / (2 * radius + 1) ** 3
