"""The bounds of a mean IoU against real sets of scores, and the rounding of printed digits."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recoseg_hf.evaluation.audit.score_pairs import Score, ScorePair, as_decimal


def pair(dice, iou, percent=False, **others):
    return ScorePair("here", *(Score.read(Decimal(str(one)), percent) for one in (dice, iou)), n=6, **others)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.integers(1, 6))
def test_no_set_of_cases_is_ever_called_impossible(dices, digits):
    """Whatever the cases, and to however few digits their means are rounded."""
    dices = np.array(dices)
    means = float(dices.mean()), float((dices / (2 - dices)).mean())
    assert pair(*means).possible
    assert pair(*(f"{100 * mean:.{digits}f}" for mean in means), percent=True).possible


@given(st.floats(0, 1), st.integers(1, 6))
def test_nor_is_a_single_case_or_pooled_voxels(dice, digits):
    iou = dice / (2 - dice)
    assert pair(dice, iou, pooled=True).possible
    assert pair(f"{dice:.{digits}f}", f"{iou:.{digits}f}", pooled=True).possible


@pytest.mark.parametrize(
    ("dice", "iou", "possible"),
    [
        ("93.02", "86.7", False),
        ("93.0", "86.9", True),  # 92.95 has 86.83
        ("93.0", "86.7", False),
        ("93", "86", True),  # 92.5 has 86.05, and 86 may be 86.49
        ("91.2", "83.6", False),
        ("91.2", "83.7", True),
        ("80.0", "80.1", True),  # both may be 80.05
        ("80.0", "80.2", False),
        ("104.0", "104.0", False),
        ("-3.0", "-3.0", False),
    ],
)
def test_rounding_is_allowed_for_and_no_more(dice, iou, possible):
    assert pair(dice, iou, percent=True).possible is possible


def test_bounds():
    assert pair("0.80", "0.70").possible_iou == pytest.approx((0.795 / 1.205, 0.805))
    assert pair("0.80", "0.70", pooled=True).possible_iou == pytest.approx((0.795 / 1.205, 0.805 / 1.195))
    assert pair("0.800", "0.700").possible
    assert not pair("0.800", "0.700", pooled=True).possible
    assert pair("1.0", "1.0").possible
    assert pair("0.0", "0.0").possible


def test_the_bounds_are_reached():
    alike, extreme = np.array([0.8, 0.8]), np.array([1.0, 1, 1, 1, 0])
    low, high = pair("0.8000000", "0.7").possible_iou
    assert (alike / (2 - alike)).mean() == pytest.approx(low, abs=1e-6)
    assert (extreme / (2 - extreme)).mean() == pytest.approx(high, abs=1e-6)
    assert alike.mean() == extreme.mean() == 0.8


@pytest.mark.parametrize(
    ("value", "expected"),
    [("93.02", "93.02"), ("93.0 %", "93.0"), (0.5, "0.5"), (7, "7"), (Decimal("1.20"), "1.20")],
)
def test_numbers_keep_their_digits(value, expected):
    assert str(as_decimal(value)) == expected


@pytest.mark.parametrize("value", [None, True, "n/a", "", float("nan"), float("inf"), [], {}])
def test_what_is_no_number(value):
    assert as_decimal(value) is None
