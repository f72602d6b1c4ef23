"""Who stands apart, from pairs alone."""

from recoseg_hf.inference.doctor.groups import most_apart

NAMES = ("flair", "t1", "t2", "t1ce")


def between(apart: set[str], across: float, within: float = 0.5):
    return lambda one, other: across if (one in apart) != (other in apart) else within


def test_one_apart_from_three():
    found = most_apart(NAMES, between({"t2"}, 4.0))
    assert (found.names, found.others) == (("t2",), ("flair", "t1", "t1ce"))
    assert (found.smallest, found.typical, found.undecided) == (4.0, 4.0, False)


def test_the_first_may_be_the_one():
    assert most_apart(NAMES, between({"flair"}, 4.0)).names == ("flair",)


def test_two_against_two_is_undecided():
    found = most_apart(NAMES, between({"t1", "t1ce"}, 4.0))
    assert found.undecided
    assert {frozenset(found.names), frozenset(found.others)} == {frozenset({"t1", "t1ce"}), frozenset({"flair", "t2"})}


def test_a_single_bad_pair_sets_nobody_apart():
    def distance(one, other):
        return 9.0 if {one, other} == {"flair", "t1ce"} else 0.5

    assert most_apart(NAMES, distance).smallest == 0.5
