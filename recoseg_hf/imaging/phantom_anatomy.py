"""A random head: ICBM152 tissue maps, deformed, with a tumour that pushes and infiltrates.

The maps (Fonov et al. 2009, 10.1016/S1053-8119(09)70884-5) come inside nilearn's wheel; nothing is downloaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from recoseg_hf.errors import RecosegError

MAPS = "mni_icbm152_{}_tal_nlin_sym_09a_converted.nii.gz"
MIDPOINT = (98.0, 116.0, 82.0)  # voxel of the template that lies amid the brain
SHARPENING = 2.5  # the maps are averages of 152 heads; raising them to a power brings back a single head's borders


@dataclass(frozen=True)
class Tumour:
    """Sizes in mm of one tumour, and where its centre lies in the volume (mm from its first voxel)."""

    center: np.ndarray
    core: float
    rim: float
    oedema: float


@lru_cache(maxsize=1)
def template() -> np.ndarray:
    """White matter, grey matter and brain, float32 (3, X, Y, Z) in [0, 1], RAS at 1 mm."""
    try:
        import nilearn
    except ImportError:
        raise RecosegError(
            "simulating a case needs nilearn, which ships the tissue maps. Run: pip install 'recoseg_hf[phantom]'"
        ) from None
    import nibabel as nib

    folder = Path(nilearn.__file__).parent / "datasets" / "data"
    maps = [np.asarray(nib.load(folder / MAPS.format(name)).dataobj, dtype=np.float32) for name in ("wm", "gm", "t1")]
    return np.stack([maps[0] / 255, maps[1] / 255, (maps[2] > 0).astype(np.float32)])


def smooth_noise(generator: np.random.Generator, shape: tuple[int, ...], scale: float) -> np.ndarray:
    """Gaussian noise of zero mean and unit variance that changes over `scale` voxels, float32."""
    import torch

    # Margins of one coarse voxel, because interpolation flattens the outermost half.
    coarse = tuple(int(np.ceil(size / scale)) + 3 for size in shape)
    noise = torch.from_numpy(generator.standard_normal(coarse, dtype=np.float32))[None, None]
    size = [max(int(few * scale), extent) for few, extent in zip(coarse, shape, strict=True)]
    fine = torch.nn.functional.interpolate(noise, size=size, mode="trilinear")[0, 0].numpy()
    starts = [(full - extent) // 2 for full, extent in zip(size, shape, strict=True)]
    fine = fine[tuple(slice(start, start + extent) for start, extent in zip(starts, shape, strict=True))]
    return (fine - fine.mean()) / fine.std()


def grid(shape: tuple[int, int, int], spacing: float) -> np.ndarray:
    """Positions of all voxels in mm from the first, float32 (3, X, Y, Z)."""
    axes = [np.arange(size, dtype=np.float32) * spacing for size in shape]
    return np.stack(np.meshgrid(*axes, indexing="ij"))


def deformed_tissue(
    generator: np.random.Generator, positions: np.ndarray, spacing: float, tumour: Tumour | None
) -> dict[str, np.ndarray]:
    """Tissue fractions of a random head on the volume's grid; a tumour pushes what surrounds it outwards.

    Returns:
        `white_matter`, `grey_matter`, `fluid` in [0, 1], summing to 1 in the `brain` (bool), 0 outside.
    """
    from scipy import ndimage

    shape = positions.shape[1:]
    middle = (np.array(shape, dtype=np.float32) - 1)[:, None, None, None] * spacing / 2
    scale = generator.uniform(0.98, 1.08, size=3).astype(np.float32)[:, None, None, None]
    around = positions - middle
    if tumour is not None:
        offset = positions - tumour.center[:, None, None, None]
        distance = np.sqrt((offset**2).sum(axis=0))
        around = around - 0.35 * offset * np.exp(-((distance / (1.6 * tumour.core)) ** 2))
    warp = np.stack([smooth_noise(generator, shape, 40 / spacing) for _ in range(3)])
    source = around * scale + 3.0 * warp + np.array(MIDPOINT, dtype=np.float32)[:, None, None, None]
    white, grey, brain = (ndimage.map_coordinates(tissue, source, order=1, output=np.float32) for tissue in template())
    fluid = np.clip(1 - white - grey, 0, 1)
    powers = [np.power(np.clip(part, 0, 1), SHARPENING) for part in (white, grey, fluid)]
    inside = brain > 0.5
    total = np.maximum(sum(powers), 1e-6)
    names = ("white_matter", "grey_matter", "fluid")
    return {name: part / total * inside for name, part in zip(names, powers, strict=True)} | {"brain": inside}


def draw_tumour(generator: np.random.Generator, shape: tuple[int, int, int], spacing: float) -> Tumour:
    """A tumour in one hemisphere's white matter, 5 to 150 mL with its oedema."""
    middle = (np.array(shape) - 1) * spacing / 2
    side = generator.choice([-1, 1])
    place = np.array([side * generator.uniform(22, 38), generator.uniform(-45, 35), generator.uniform(0, 32)])
    core = generator.uniform(9, 18)
    return Tumour((middle + place).astype(np.float32), core, generator.uniform(2.5, 5), generator.uniform(8, 18))


def grow_tumour(
    generator: np.random.Generator, positions: np.ndarray, spacing: float, tumour: Tumour, tissue: dict
) -> tuple[np.ndarray, np.ndarray]:
    """Let the tumour fill its place.

    Returns:
        BraTS labels (1 necrosis, 2 oedema, 4 enhancing), and how strongly oedema has replaced the tissue, 0 to 1.
    """
    shape = positions.shape[1:]
    distance = np.sqrt(((positions - tumour.center[:, None, None, None]) ** 2).sum(axis=0))
    lumpy = distance * (1 + 0.13 * smooth_noise(generator, shape, 22 / spacing))
    lumpy += 1.2 * smooth_noise(generator, shape, 7 / spacing)
    rim = tumour.rim * (1 + 0.35 * smooth_noise(generator, shape, 12 / spacing))
    solid = tissue["brain"] & (tissue["fluid"] < 0.9)
    # Oedema runs along white matter, hardly into cortex, and not into fluid.
    ease = 0.25 + 0.95 * _smooth(tissue["white_matter"], 1.5 / spacing)
    reach = tumour.core + tumour.oedema * ease * (1 + 0.35 * smooth_noise(generator, shape, 18 / spacing))
    depth = reach - lumpy
    swollen = _connected(solid & (tissue["fluid"] < 0.5) & (depth > 0), lumpy < tumour.core)
    labels = np.where(swollen, 2, 0).astype(np.uint8)
    core = tissue["brain"] & (lumpy < tumour.core)
    labels[core] = 4
    labels[core & (lumpy < tumour.core - np.maximum(rim, 1.2))] = 1
    return labels, np.clip(0.45 + depth / 7, 0, 1).astype(np.float32)


def _smooth(values: np.ndarray, sigma: float) -> np.ndarray:
    from scipy import ndimage

    return ndimage.gaussian_filter(values.astype(np.float32), sigma)


def _connected(mask: np.ndarray, seed: np.ndarray) -> np.ndarray:
    """The parts of `mask` that touch `seed`."""
    from scipy import ndimage

    parts, _ = ndimage.label(mask | seed)
    return mask & np.isin(parts, np.unique(parts[seed]))
