"""HD95 and NSD against every distance between every two surface voxels, on random and edge-case masks."""

import math
import warnings

import numpy as np
import pytest

from recoseg_hf.evaluation.metrics.overlap import EMPTY_MASK_TABLE, counts
from recoseg_hf.evaluation.metrics.surface import grid_diagonal_mm, surface_scores
from tests.evaluation.masks import box, edge_masks, random_blobs

pytest.importorskip("monai")
pytest.importorskip("scipy")

SPACINGS = [(1.0, 1.0, 1.0), (0.5, 1.5, 6.0)]


def surface_points(mask, spacing):
    """Positions in mm of the voxels that have a neighbour outside the mask, or outside the array."""
    padded = np.pad(mask, 1)
    inner = padded.copy()
    for axis in range(mask.ndim):
        for step in (-1, 1):
            inner &= np.roll(padded, step, axis)
    return np.argwhere(padded & ~inner) * np.asarray(spacing)


def by_brute_force(prediction, reference, spacing, tolerance_mm=1.0):
    points = [surface_points(mask, spacing) for mask in (prediction, reference)]
    distances = np.sqrt(((points[0][:, None] - points[1][None]) ** 2).sum(-1))
    there, back = distances.min(axis=1), distances.min(axis=0)
    within = (there <= tolerance_mm + 1e-6).sum() + (back <= tolerance_mm + 1e-6).sum()
    return {
        "hd95_mm": max(np.percentile(there, 95), np.percentile(back, 95)),
        "nsd": within / (len(there) + len(back)),
    }


def by_distance_transform(prediction, reference, spacing):
    """HD95 by SciPy's exact distance transform, as DeepMind's surface-distance finds it."""
    from scipy import ndimage

    edges = [mask & ~ndimage.binary_erosion(mask) for mask in (prediction, reference)]
    to = [ndimage.distance_transform_edt(~edge, sampling=spacing) for edge in edges]
    return max(np.percentile(to[1][edges[0]], 95), np.percentile(to[0][edges[1]], 95))


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("seed", range(6))
def test_random_masks(seed, spacing):
    pair = random_blobs(seed)
    scores = surface_scores(*pair, spacing)
    assert scores == pytest.approx(by_brute_force(*pair, spacing), abs=1e-5)
    assert scores["hd95_mm"] == pytest.approx(by_distance_transform(*pair, spacing), abs=1e-5)
    assert scores["hd95_mm"] > 0
    assert 0 < scores["nsd"] < 1


@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("name", list(edge_masks()))
def test_edge_cases(name, spacing):
    prediction, reference = edge_masks()[name]
    scores = surface_scores(prediction, reference, spacing)
    if row := EMPTY_MASK_TABLE.get(counts(prediction, reference).outcome):
        assert scores == {"hd95_mm": None, "nsd": row["nsd"]}
    else:
        assert scores == pytest.approx(by_brute_force(prediction, reference, spacing), abs=1e-5)


def test_values_by_hand():
    # One voxel against one voxel 4 and 2 voxels away, of 1 x 2 x 3 mm: 4 and 4 mm.
    voxels = edge_masks()["one voxel each"]
    assert surface_scores(*voxels, (1, 2, 3)) == {"hd95_mm": pytest.approx(math.hypot(4, 4)), "nsd": 0.0}
    assert surface_scores(*voxels, (1, 2, 3), tolerance_mm=6)["nsd"] == 1


def test_masks_that_agree():
    assert surface_scores(*edge_masks()["the same voxel"], (1, 1, 1)) == {"hd95_mm": 0.0, "nsd": 1.0}


def test_the_two_sides_may_be_exchanged():
    prediction, reference = random_blobs(3)
    exchanged = surface_scores(reference, prediction, (1, 2, 3))
    assert surface_scores(prediction, reference, (1, 2, 3)) == pytest.approx(exchanged, abs=1e-6)


def test_a_neighbour_at_the_tolerance_counts_though_spacings_are_seldom_round():
    pair = box((2, 5), (2, 5), (2, 5)), box((3, 6), (2, 5), (2, 5))
    assert surface_scores(*pair, (1.0000002, 1.0, 1.0)) == pytest.approx(surface_scores(*pair, (1.0, 1.0, 1.0)))
    assert surface_scores(*pair, (1.0, 1.0, 1.0))["nsd"] == 1
    assert surface_scores(*pair, (1.01, 1.0, 1.0))["nsd"] < 1


@pytest.mark.parametrize("axis", range(3))
def test_a_single_slice_has_an_outline_not_two_faces(axis):
    prediction, reference = (mask[2:, :, 3] for mask in random_blobs(1))
    flat = surface_scores(prediction, reference, (0.5, 1.5))
    assert flat == pytest.approx(by_brute_force(prediction, reference, (0.5, 1.5)), abs=1e-5)
    spacing = [0.5, 1.5]
    spacing.insert(axis, 5.0)
    volumes = [np.expand_dims(mask, axis) for mask in (prediction, reference)]
    assert surface_scores(*volumes, spacing) == pytest.approx(flat)


def test_a_row_of_voxels():
    row = np.array([1, 1, 0, 0, 0, 0], bool).reshape(1, 6, 1)
    assert surface_scores(row, row[:, ::-1], (1, 2, 1))["hd95_mm"] == pytest.approx(7.9)  # of 6 mm and 8 mm


def test_the_warning_that_monai_gives_itself_is_not_the_user_s():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        surface_scores(*random_blobs(0), (1, 1, 1))


def test_monai_would_call_a_miss_perfect():
    """Why the table comes first."""
    import torch
    from monai.metrics import HausdorffDistanceMetric

    metric = HausdorffDistanceMetric(include_background=True, percentile=95)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metric(*(torch.from_numpy(mask)[None, None].float() for mask in edge_masks()["missed"]))
        assert float(metric.aggregate()) == 0.0
    assert surface_scores(*edge_masks()["missed"], (1, 1, 1))["hd95_mm"] is None


def test_diagonal_of_the_brats_grid():
    assert grid_diagonal_mm((240, 240, 155), (1, 1, 1)) == pytest.approx(373.13, abs=0.01)
    assert grid_diagonal_mm((3, 4), (1, 1)) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones((2, 2, 2)), np.ones((2, 2, 3)), (1, 1, 1)), "shapes differ"),
        ((np.ones(4), np.ones(4), (1,)), "two or three axes; found shape"),
        ((np.ones((2, 2, 2)), np.ones((2, 2, 2)), (1, 1)), "expected 3 positive sizes in mm"),
        ((np.ones((2, 2, 2)), np.ones((2, 2, 2)), (1, 0, 1)), "expected 3 positive sizes in mm"),
        ((np.ones((2, 2, 2)), np.ones((2, 2, 2)), (1, 1, 1), -1), "tolerance_mm=-1; expected 0 or more"),
    ],
)
def test_refusals(arguments, message):
    with pytest.raises(ValueError, match=message):
        surface_scores(*arguments)
