"""Faults put into real cases, each as it comes about in practice, for `measure_doctor.py`."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from recoseg_hf.imaging import grids
from recoseg_hf.imaging.volume import Volume
from recoseg_hf.inference.doctor.scans import SPACING_MM, reduce_scan, smooth

Volumes = dict[str, Volume]
"""By modality, in RAS at 1 mm, 0 outside the brain."""


def shift(mm: float, generator: np.random.Generator) -> np.ndarray:
    """A motion (4, 4) of so many mm in a random direction."""
    direction = generator.standard_normal(3)
    motion = np.eye(4)
    motion[:3, 3] = mm * direction / np.linalg.norm(direction)
    return motion


def rotation(degrees: float, generator: np.random.Generator) -> np.ndarray:
    """A motion (4, 4) about a random axis."""
    axis = generator.standard_normal(3)
    x, y, z = axis / np.linalg.norm(axis)
    cross, angle = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]]), np.radians(degrees)
    motion = np.eye(4)
    motion[:3, :3] += np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return motion


def misplaced(data: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """Move a scan about its brain's middle and reduce it, under the brain mask as it was: a registration that failed.

    Args:
        data: at 1 mm, of `in_blocks`.
        motion: in mm.

    Returns:
        The image at 3 mm. It is the mean over 3 mm cubes of the moved scan, but for the turning of the cubes.
    """
    import torch
    from torch.nn import functional

    brain = data != 0
    filled = torch.from_numpy(np.where(brain, data, np.median(data[brain])).astype(np.float32))[None]
    mean = functional.avg_pool3d(filled, SPACING_MM, stride=1, padding=1, count_include_pad=False)[0].numpy()
    own, middles = np.eye(4), np.diag([SPACING_MM] * 3 + [1.0])
    middle = np.argwhere(brain[::4, ::4, ::4]).mean(axis=0) * 4
    own[:3, 3], middles[:3, 3] = -middle, (SPACING_MM - 1) / 2 - middle
    shape = tuple(size // SPACING_MM for size in data.shape)
    moved = grids.resample(mean, own, shape, motion @ middles, "linear")
    return np.where(reduce_scan(data) != 0, np.maximum(moved, 1e-3), 0)


def with_head(volumes: Volumes, names: tuple[str, ...]) -> Volumes:
    """Put a simulated skull (dark, 6 mm) and scalp (8 mm; fat, bright on T1) around the brain; air stays 0."""
    brain = volumes["flair"].data != 0
    skull, head = (_grown(brain, mm) for mm in (6, 14))
    changed = {}
    for name in names:
        data = volumes[name].data
        bright = float(np.percentile(data[brain], 97 if name in ("t1", "t1ce") else 80))
        dark = 0.1 * float(np.median(data[brain]))
        shell = np.where(skull, dark, bright) * (head & ~brain)
        changed[name] = _with(volumes[name], np.where(brain, data, shell))
    return volumes | changed


def noisy(volumes: Volumes, generator: np.random.Generator) -> Volumes:
    """Add Rician noise of a fifth of the median to every scan."""
    result = {}
    for name, volume in volumes.items():
        brain = volume.data != 0
        sigma = 0.2 * float(np.median(volume.data[brain]))
        real, imaginary = (sigma * generator.standard_normal(brain.shape, dtype=np.float32) for _ in range(2))
        result[name] = _with(volume, np.where(brain, np.hypot(volume.data + real, imaginary), 0))
    return result


def thick_slices(volumes: Volumes, mm: int = 8) -> Volumes:
    """Average every scan over thick axial slices, as a routine protocol has them, and repeat each."""
    result = {}
    for name, volume in volumes.items():
        data = volume.data
        whole = data[..., : data.shape[2] // mm * mm]
        means = whole.reshape(*data.shape[:2], -1, mm).mean(axis=3, keepdims=True)
        thick = np.pad(
            np.broadcast_to(means, (*means.shape[:3], mm)).reshape(whole.shape),
            [(0, 0), (0, 0), (0, data.shape[2] - whole.shape[2])],
        )
        result[name] = _with(volume, np.where(data != 0, np.maximum(thick, 1e-3), 0))
    return result


def interpolated_slices(volumes: Volumes, mm: int = 8) -> Volumes:
    """Average every scan over thick axial slices, and interpolate between these (linear)."""
    result = {}
    for name, volume in volumes.items():
        data = volume.data
        slabs = data[..., : data.shape[2] // mm * mm].reshape(*data.shape[:2], -1, mm)
        filled = np.count_nonzero(slabs, axis=3)
        means = slabs.sum(axis=3) / np.maximum(filled, 1)
        place = (np.arange(data.shape[2]) - (mm - 1) / 2) / mm
        below = np.clip(np.floor(place).astype(int), 0, means.shape[2] - 2)
        share = np.clip(place - below, 0, 1)
        weights = (1 - share) * (filled[..., below] > 0), share * (filled[..., below + 1] > 0)
        total = weights[0] * means[..., below] + weights[1] * means[..., below + 1]
        smooth_between = total / np.maximum(weights[0] + weights[1], 1e-3)
        result[name] = _with(volume, np.where(data != 0, np.maximum(smooth_between, 1e-3), 0))
    return result


def inverted(volumes: Volumes, generator: np.random.Generator) -> tuple[Volumes, str]:
    """Invert one scan's contrast, as another sequence under the name of this one."""
    name = drawn(volumes, generator)
    data = volumes[name].data
    low, high = np.percentile(data[data != 0], (1, 99))
    turned = np.where(data != 0, np.clip(high + low - data, low, high), 0)
    return {**volumes, name: _with(volumes[name], turned)}, name


def _grown(brain: np.ndarray, mm: int) -> np.ndarray:
    """The brain and what lies within about `mm` of it."""
    pad = [(0, -size % 4) for size in brain.shape]
    padded = np.pad(brain, pad)
    x, y, z = (size // 4 for size in padded.shape)
    coarse = smooth(padded.reshape(x, 4, y, 4, z, 4).mean(axis=(1, 3, 5)), mm / 8) > 0.02
    fine = np.kron(coarse, np.ones((4, 4, 4), dtype=bool))
    return fine[tuple(slice(size) for size in brain.shape)] | brain


def drawn(volumes: Mapping[str, Volume], generator: np.random.Generator) -> str:
    return str(generator.choice(sorted(volumes)))


def _with(volume: Volume, data: np.ndarray) -> Volume:
    return Volume(data.astype(np.float32), volume.affine)


MISPLACEMENTS = {
    **{f"shift {mm} mm": (shift, mm) for mm in (1, 2, 4, 8)},
    **{f"rotation {degrees} degrees": (rotation, degrees) for degrees in (2, 5, 10)},
}
SWAPS = (("t1", "t1ce"), ("flair", "t2"), ("t1", "t2"), ("flair", "t1"), ("t1ce", "t2"), ("flair", "t1ce"))
UNITS = {
    "spacing x 10": (10, 10, 10), "spacing / 10": (0.1, 0.1, 0.1), "spacing x 2": (2, 2, 2),
    "spacing / 2": (0.5, 0.5, 0.5), "slice thickness x 2": (1, 1, 2), "slice thickness x 1.5": (1, 1, 1.5),
}  # fmt: skip
NAMES = {
    "misplaced": tuple(MISPLACEMENTS),
    "mirrored": ("flipped file", "flipped before registration"),
    "swapped": tuple(f"swapped {one} and {other}" for one, other in SWAPS),
    "mis_scaled": tuple(UNITS),
    "unstripped": ("head in all files", "head in one file", "head in air that is not zero"),
    "unlike": ("noise", "8 mm slices", "8 mm slices, interpolated", "inverted contrast"),
}
"""What each function of `measure_doctor.py` puts into a case."""
