from collections import Counter

import pytest

from recoseg_hf.learning.rotations import rotations

SUBJECTS = [f"sub-{number}" for number in range(6)]


@pytest.mark.parametrize("size", [1, 2, 4])
def test_everyone_is_in_equally_many_groups_and_no_group_comes_twice(size):
    groups = rotations(SUBJECTS, size)
    assert Counter(name for group in groups for name in group) == dict.fromkeys(SUBJECTS, size)
    assert len({frozenset(group) for group in groups}) == len(groups) == 6
    assert all(len(set(group)) == size for group in groups)


@pytest.mark.parametrize(("size", "limit", "each"), [(2, 3, 1), (4, 3, 2), (1, 6, 1), (1, 99, 1)])
def test_fewer_groups_are_spread_evenly(size, limit, each):
    groups = rotations(SUBJECTS, size, limit)
    assert len(groups) == min(limit, 6)
    assert Counter(name for group in groups for name in group) == dict.fromkeys(SUBJECTS, each)


def test_a_smaller_group_lies_inside_the_larger_one():
    for one, two, four in zip(*(rotations(SUBJECTS, size, 3) for size in (1, 2, 4)), strict=True):
        assert set(one) < set(two) < set(four)


def test_names_and_seed_decide_and_the_order_given_does_not():
    assert rotations(SUBJECTS, 2, seed=1) == rotations(SUBJECTS[::-1], 2, seed=1) != rotations(SUBJECTS, 2, seed=2)


@pytest.mark.parametrize("size", [0, 6, 7])
def test_somebody_is_left_to_test_on(size):
    with pytest.raises(ValueError, match=f"groups of {size} out of 6 subjects; expected 1 to 5"):
        rotations(SUBJECTS, size)


def test_a_negative_limit_is_refused():
    with pytest.raises(ValueError, match="limit=-1; expected 0"):
        rotations(SUBJECTS, 1, -1)
