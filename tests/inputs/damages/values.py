"""Faults of intensities and labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests import factories
from tests.inputs.damages.doing import SHAPE, damage, each_scan, path, scan


@damage(46, "refuse")
def one_nan(folder: Path) -> None:
    data = scan()
    data[1, 2, 3] = np.nan
    factories.save(path(folder), data)


@damage(47, "refuse")
def all_zero(folder: Path) -> None:
    factories.save(path(folder), np.zeros(SHAPE, np.float32))


@damage(48, "read")
def empty_edge_slices(folder: Path) -> None:
    def cleared(data: np.ndarray) -> np.ndarray:
        data = data.copy()
        data[:, :, 0] = data[:, :, -1] = 0
        return data

    each_scan(folder, cleared)


@damage(49, "read")
def negative_and_outlier(folder: Path) -> None:
    data = scan()
    data[5, 5, 4], data[6, 5, 4] = -800, 1e6
    factories.save(path(folder), data)


@damage(50, "read")
def odd_size(folder: Path) -> None:
    for seed, name in enumerate(factories.MODALITIES):
        factories.save(path(folder, name), factories.intensities((13, 11, 7), seed))
    factories.save(path(folder, "seg"), factories.labels((13, 11, 7)))


# --- labels ---


def label(folder: Path, value: float, dtype: type = np.float32) -> None:
    """Put a value into a corner of the segmentation."""
    data = factories.labels().astype(dtype)
    data[0, 0, 0] = value
    factories.save(path(folder, "seg"), data)


@damage(51, "refuse")
def labels_of_two_schemes(folder: Path) -> None:
    label(folder, 3, np.uint8)


@damage(52, "refuse")
def unknown_label(folder: Path) -> None:
    label(folder, 7, np.uint8)


@damage(53, "read")
def scaled_labels(folder: Path) -> None:
    factories.save(path(folder, "seg"), factories.labels().astype(np.float32) * np.float32(1.0000001))


@damage(54, "refuse")
def interpolated_labels(folder: Path) -> None:
    label(folder, 2.5)


@damage(55, "refuse")
def labels_on_another_grid(folder: Path) -> None:
    factories.save(path(folder, "seg"), factories.labels(), factories.affine(spacing=(1, 1, 2)))
