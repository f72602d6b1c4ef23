"""Pairs of masks that metrics go wrong on, and random ones: (prediction, reference), bool, 3D."""

import numpy as np

SHAPE = (11, 9, 8)


def edge_masks() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Empty, disjoint, single voxels, touching the border, full, one inside the other, parts at a corner."""
    return {
        "both empty": (box(), box()),
        "missed": (box(), box((2, 5), (2, 5), (2, 5))),
        "invented": (box((2, 5), (2, 5), (2, 5)), box()),
        "disjoint": (box((0, 2), (0, 2), (0, 2)), box((8, 11), (6, 9), (5, 8))),
        "one voxel each": (box((3, 4), (3, 4), (3, 4)), box((7, 8), (5, 6), (3, 4))),
        "the same voxel": (box((3, 4), (3, 4), (3, 4)), box((3, 4), (3, 4), (3, 4))),
        "one voxel at a corner": (box((0, 1), (0, 1), (0, 1)), box((0, 3), (0, 3), (0, 3))),
        "touching the border": (box((0, 4), (0, 5), (0, 8)), box((0, 5), (0, 4), (1, 8))),
        "full": (box((0, 11), (0, 9), (0, 8)), box((0, 11), (0, 9), (0, 8))),
        "full against a part": (box((0, 11), (0, 9), (0, 8)), box((3, 6), (3, 6), (3, 6))),
        "nested": (box((3, 6), (3, 6), (3, 5)), box((2, 8), (2, 7), (2, 7))),
        "hollow": (box((2, 8), (2, 7), (2, 7)) & ~box((3, 7), (3, 6), (3, 6)), box((2, 8), (2, 7), (2, 7))),
        "touching at a corner": (
            box((1, 3), (1, 3), (1, 3)) | box((3, 5), (3, 5), (3, 5)),
            box((1, 4), (1, 4), (1, 4)),
        ),
    }


def box(*spans: tuple[int, int], shape: tuple[int, ...] = SHAPE) -> np.ndarray:
    """A mask that is true in a box; empty without spans."""
    mask = np.zeros(shape, bool)
    if spans:
        mask[tuple(slice(*span) for span in spans)] = True
    return mask


def random_blobs(seed: int, shape: tuple[int, ...] = SHAPE) -> tuple[np.ndarray, np.ndarray]:
    """Two masks of smooth blobs, alike but not the same."""
    generator = np.random.default_rng(seed)
    noise = [generator.normal(size=shape) for _ in range(3)]
    for axis in range(len(shape)):
        noise = [one + np.roll(one, 1, axis) + np.roll(one, -1, axis) for one in noise]
    cut = 4 * generator.uniform(0, 1)
    return noise[0] + noise[1] > cut, noise[0] + noise[2] > cut
