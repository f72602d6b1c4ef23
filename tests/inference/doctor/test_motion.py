"""The rigid motion between two contrasts of one head."""

import numpy as np
import pytest

from recoseg_hf.inference.doctor.motion import Picture, displacement_mm, match
from recoseg_hf.inference.doctor.scans import SPACING_MM


def picture(scans, name, move=(0, 0, 0)) -> Picture:
    data = np.where(scans.brain, np.roll(scans.even[name], move, axis=(0, 1, 2)), 1)
    return Picture(data.astype(np.float32), scans.brain, SPACING_MM)


def test_a_shift_is_found_across_contrasts_with_its_direction(scans):
    found = match(picture(scans, "t1"), picture(scans, "t2", (1, 0, -1)))
    assert found.motion[:3, 3] == pytest.approx([3, 0, -3], abs=0.7)
    assert displacement_mm(found.motion, scans.brain, SPACING_MM) == pytest.approx(3 * 2**0.5, abs=0.7)


def test_scans_that_lie_alike_stay(scans):
    found = match(picture(scans, "flair"), picture(scans, "t1"))
    assert displacement_mm(found.motion, scans.brain, SPACING_MM) < 0.7
    assert found.likeness > 0.3


def test_a_mirrored_head_fits_badly(scans):
    plain = match(picture(scans, "t1"), picture(scans, "t1ce"))
    mirrored = match(picture(scans, "t1"), picture(scans, "t1ce").mirrored())
    assert mirrored.likeness < 0.7 * plain.likeness


def test_displacement_of_a_rotation_grows_with_the_distance_from_its_axis():
    brain = np.zeros((41, 41, 3), dtype=bool)
    brain[40, 20, 1] = brain[0, 20, 1] = True  # both 40 mm from the middle
    angle = np.radians(5)
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    assert displacement_mm(turn, brain, 2.0) == pytest.approx(2 * 40 * np.sin(angle / 2))
