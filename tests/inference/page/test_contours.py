"""The outline as a path: where it runs, and that it closes."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image, ImageDraw

from recoseg_hf.inference.page.contours import outline_path


def lines(path: str) -> list[list[tuple[int, int]]]:
    """The corners of each closed line."""
    found = []
    for part in path.split("z")[:-1]:
        numbers = [(int(x), int(y)) for x, y in re.findall(r"[Ml](-?\d+) ?(-?\d+)", part)]
        corners = [numbers[0]]
        for x, y in numbers[1:]:
            corners.append((corners[-1][0] + x, corners[-1][1] + y))
        found.append(corners)
    return found


def filled(path: str, shape: tuple[int, int]) -> np.ndarray:
    """Which voxel centres lie inside, by the even-odd rule."""
    inside = np.zeros(shape, bool)
    for corners in lines(path):
        picture = Image.new("1", (16 * shape[1] + 2, 16 * shape[0] + 2))
        ImageDraw.Draw(picture).polygon([(8 * x, 8 * y) for x, y in corners], fill=1)
        inside ^= np.asarray(picture)[8 : 16 * shape[0] : 16, 8 : 16 * shape[1] : 16]
    return inside


def test_one_voxel_is_a_diamond_around_its_centre():
    mask = np.zeros((4, 5), bool)
    mask[2, 3] = True
    assert sorted(lines(outline_path(mask))[0]) == [(6, 5), (7, 4), (7, 6), (8, 5)]


def test_straight_edges_are_single_steps():
    mask = np.zeros((9, 9), bool)
    mask[1:8, 1:8] = True
    assert len(lines(outline_path(mask))[0]) == 8


def test_a_ring_has_two_outlines():
    mask = np.ones((5, 5), bool)
    mask[2, 2] = False
    assert len(lines(outline_path(mask))) == 2


def test_an_empty_mask_has_none():
    assert outline_path(np.zeros((3, 3), bool)) == ""


@settings(max_examples=40, deadline=None)
@given(arrays(bool, st.tuples(st.integers(1, 7), st.integers(1, 7))))
def test_exactly_the_masks_voxels_lie_inside(mask):
    assert np.array_equal(filled(outline_path(mask), mask.shape), mask)


@pytest.mark.parametrize("seed", range(3))
def test_every_line_closes_with_one_step(seed):
    mask = np.random.default_rng(seed).random((20, 20)) > 0.5
    for corners in lines(outline_path(mask)):
        x, y = (corners[0][axis] - corners[-1][axis] for axis in (0, 1))
        assert abs(x) == abs(y) or 0 in (x, y)
