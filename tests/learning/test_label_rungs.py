import pytest

from recoseg_hf.errors import InputError
from recoseg_hf.learning.label_rungs import Rung, plan_rungs

SUBJECTS = [f"sub-{number:02}" for number in range(22)]


def test_shares_and_numbers_become_subjects_with_no_run_twice():
    rungs = plan_rungs("1, 5%,10%,25%,50%,100%", SUBJECTS, [0, 1], ["none", "mean_teacher"])
    assert [rung.labelled_subjects for rung in rungs] == [1] * 4 + [2] * 4 + [6] * 4 + [11] * 4 + [22]
    assert rungs[:3] == [Rung(1, 0, "none"), Rung(1, 0, "mean_teacher"), Rung(1, 1, "none")]
    assert rungs[-1] == Rung(22, 0, "none")


def test_a_teacher_may_be_tried_at_some_rungs_alone():
    rungs = plan_rungs("1,25%,100%", SUBJECTS, [0], ["none", "mean_teacher"], "25%")
    assert [(rung.labelled_subjects, rung.unlabelled) for rung in rungs] == [
        (1, "none"),
        (6, "none"),
        (6, "mean_teacher"),
        (22, "none"),
    ]


def test_a_teacher_may_be_tried_with_some_choices_alone():
    rungs = plan_rungs("1,100%", SUBJECTS, [0, 1], ["none", "mean_teacher"], "", [1])
    assert [(rung.labelled_subjects, rung.label_seed, rung.unlabelled) for rung in rungs] == [
        (1, 0, "none"),
        (1, 1, "none"),
        (1, 1, "mean_teacher"),
        (22, 0, "none"),
    ]


@pytest.mark.parametrize(
    ("taught", "unlabelled", "message"),
    [
        ("10%", ["none", "mean_teacher"], "10%: 2 labelled subjects; expected rungs with others left: 1, 6"),
        ("100%", ["none", "mean_teacher"], "100%: 22 labelled subjects; expected rungs with others left"),
        ("many", ["none", "mean_teacher"], "many: no part of the train subjects"),
        ("1", ["none"], "1: no mean teacher; expected --unlabelled mean_teacher"),
    ],
)
def test_a_teachers_rung_has_to_be_one_of_the_rungs(taught, unlabelled, message):
    with pytest.raises(InputError, match=f"--mean_teacher_rungs {message}"):
        plan_rungs("1,25%,100%", SUBJECTS, [0], unlabelled, taught)


@pytest.mark.parametrize("text", ["0", "23", "many", "0%", "101%", ""])
def test_what_is_no_part_is_refused(text):
    with pytest.raises(InputError, match=f"--rungs {text}: no part of the train subjects; expected 1 to 22"):
        plan_rungs(text, SUBJECTS, [0], ["none"])
