"""The outline of a mask as an SVG path: sharp at any size, and switched on and off without another picture."""

from __future__ import annotations

import numpy as np

Point = tuple[int, int]

# An outline cuts the corner between the middles of two edges of a 2 x 2 cell of voxel centres (marching squares,
# Lorensen and Cline 1987). A cell's number counts its corners inside: 1 top left, 2 top right, 4 bottom right, 8
# bottom left. Edges are given in half voxels from the cell's top left corner, and the inside lies on the right.
_TOP, _RIGHT, _BOTTOM, _LEFT = (1, 0), (2, 1), (1, 2), (0, 1)
_SEGMENTS: dict[int, tuple[tuple[Point, Point], ...]] = {
    1: ((_TOP, _LEFT),),
    2: ((_RIGHT, _TOP),),
    3: ((_RIGHT, _LEFT),),
    4: ((_BOTTOM, _RIGHT),),
    5: ((_TOP, _LEFT), (_BOTTOM, _RIGHT)),
    6: ((_BOTTOM, _TOP),),
    7: ((_BOTTOM, _LEFT),),
    8: ((_LEFT, _BOTTOM),),
    9: ((_TOP, _BOTTOM),),
    10: ((_RIGHT, _TOP), (_LEFT, _BOTTOM)),
    11: ((_RIGHT, _BOTTOM),),
    12: ((_LEFT, _RIGHT),),
    13: ((_TOP, _RIGHT),),
    14: ((_LEFT, _TOP),),
}


_MOST_SEGMENTS = max(map(len, _SEGMENTS.values()))


def outline_path(mask: np.ndarray) -> str:
    """Return the outline of a mask as the `d` of an SVG path.

    Args:
        mask: bool (rows, columns).

    Returns:
        Closed lines through the middles between voxels inside and outside, in half voxels: the centre of the voxel in
        row r and column c lies at (2c + 1, 2r + 1). Empty for an empty mask.
    """
    stride = 2 * (mask.shape[1] + 2)
    following, lines = _segments(mask, stride), []
    while following:
        lines.append(_line(next(iter(following)), following, stride))
    return "".join(lines)


def _segments(mask: np.ndarray, stride: int) -> dict[int, int]:
    """Return each segment's end by its start; every point starts one segment and ends another.

    A point (x, y) is written y * stride + x, both one more than in the path: the mask is padded by a voxel.
    """
    inside = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), np.uint8)
    inside[1:-1, 1:-1] = mask
    cells = inside[:-1, :-1] + 2 * inside[:-1, 1:] + 4 * inside[1:, 1:] + 8 * inside[1:, :-1]
    rows, columns = np.nonzero((cells > 0) & (cells < 15))
    numbers, corners = cells[rows, columns], 2 * (rows * stride + columns)
    following = {}
    for which in range(_MOST_SEGMENTS):
        there = np.array([len(_SEGMENTS.get(cell, ())) > which for cell in range(16)])[numbers]
        starts, ends = ((corners + _offsets(which, end, stride)[numbers])[there].tolist() for end in range(2))
        following |= zip(starts, ends, strict=True)
    return following


def _offsets(which: int, end: int, stride: int) -> np.ndarray:
    """Return where a segment starts or ends from its cell's corner, for each number of a cell; 0 where it has none."""
    found = [
        segments[which][end] if len(segments) > which else (0, 0) for segments in map(_SEGMENTS.get, range(1, 15))
    ]
    return np.array([0, *(y * stride + x for x, y in found), 0])


def _line(start: int, following: dict[int, int], stride: int) -> str:
    """Follow an outline once around, taking its segments away; steps in one direction become one."""
    steps: list[list[int]] = []
    point, direction = start, 0
    while (end := following.pop(point, None)) is not None:
        if end - point == direction:
            steps[-1][1] += 1
        else:
            direction = end - point
            steps.append([direction, 1])
        point = end
    drawn = "".join(_step(direction, count, stride) for direction, count in steps[:-1])  # the last step closes it
    y, x = divmod(start, stride)
    return f"M{x - 1} {y - 1}{drawn}z".replace(" -", "-")


def _step(direction: int, count: int, stride: int) -> str:
    """Write a step; its x lies between -2 and 2, so it can be told from y * stride + x."""
    y, x = divmod(direction + 2, stride)
    return f"l{(x - 2) * count} {y * count}"
