"""Choosing subjects: the same for one seed, nested, never twice."""

import itertools

import pytest

from recoseg_hf.learning.subjects import fingerprint, folds, labelled_subjects, seeded_order, subject_hash

SUBJECTS = [f"sub-{number:02d}" for number in range(22)]


def test_the_order_depends_on_names_and_seed_alone():
    assert seeded_order(SUBJECTS, 1) == seeded_order(SUBJECTS[::-1] + SUBJECTS, 1)
    assert sorted(seeded_order(SUBJECTS, 1)) == SUBJECTS
    assert seeded_order(SUBJECTS, 1) != seeded_order(SUBJECTS, 2)


def test_every_subject_is_in_one_fold():
    found = folds(SUBJECTS, 3, seed=0)
    assert sorted(map(len, found)) == [7, 7, 8]
    assert sorted(subject for fold in found for subject in fold) == SUBJECTS


@pytest.mark.parametrize("number", [1, 23])
def test_folds_need_subjects(number):
    with pytest.raises(ValueError, match=rf"^{number} folds of 22 subjects; expected 2 folds or more"):
        folds(SUBJECTS, number, seed=0)


@pytest.mark.parametrize(("fraction", "size"), [(0.01, 1), (0.1, 2), (0.25, 6), (0.5, 11), (1.0, 22)])
def test_a_fraction_is_of_whole_subjects(fraction, size):
    assert len(labelled_subjects(SUBJECTS, fraction)) == size


def test_smaller_parts_lie_inside_larger_ones():
    parts = [set(labelled_subjects(SUBJECTS, fraction, seed=4)) for fraction in (0.05, 0.1, 0.25, 0.5, 1.0)]
    assert all(small < large for small, large in itertools.pairwise(parts))
    assert set(labelled_subjects(SUBJECTS, count=2, seed=4)) == parts[1]


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"fraction": 0}, "label_fraction=0; expected more than 0 and at most 1"),
        ({"fraction": 1.5}, "label_fraction=1.5; expected more than 0"),
        ({"count": 23}, r"label_subjects=23; expected 0 \(go by label_fraction\) to 22"),
        ({"count": -1}, "label_subjects=-1; expected 0"),
    ],
)
def test_parts_out_of_range_are_refused(chosen, message):
    with pytest.raises(ValueError, match=message):
        labelled_subjects(SUBJECTS, **chosen)


def test_hashes_tell_subjects_and_parts_apart():
    assert len({subject_hash(subject) for subject in SUBJECTS}) == 22
    assert "sub-01" not in subject_hash("sub-01")
    one = fingerprint({"train": ["a", "b"], "validation": ["c"]})
    assert one == fingerprint({"validation": ["c", "c"], "train": ["b", "a"]})
    assert one != fingerprint({"train": ["a"], "validation": ["b", "c"]})
