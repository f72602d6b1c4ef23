import json
import math

import pytest

from recoseg_hf.learning.stopping import ScoreWatch


def watch(**settings) -> ScoreWatch:
    defaults = {"higher_is_better": True, "plateau_patience": 1, "plateau_factor": 0.5, "stopping_patience": 3}
    return ScoreWatch(**defaults | settings)


def test_the_best_score_is_told_from_the_others():
    followed = watch()
    assert [followed.observe(score) for score in (0.5, 0.4, 0.5, 0.6)] == [True, False, False, True]
    assert (followed.best, followed.since_best) == (0.6, 0)


def test_lower_can_be_better():
    followed = watch(higher_is_better=False)
    assert [followed.observe(score) for score in (0.5, 0.6, 0.4)] == [True, False, True]


def test_the_rate_falls_after_patience_and_again_after_as_long():
    followed = watch(stopping_patience=0)
    factors = []
    for score in (1.0, 0, 0, 0, 0, 2.0, 0, 0):
        followed.observe(score)
        factors.append(followed.learning_rate_factor)
    assert factors == [1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]


def test_it_stops_after_patience():
    followed = watch()
    stopped = []
    for score in (1.0, 0, 0, 0):
        followed.observe(score)
        stopped.append(followed.stopped)
    assert stopped == [False, False, False, True]


def test_without_patience_it_never_stops():
    followed = watch(stopping_patience=0)
    for _ in range(50):
        followed.observe(0)
    assert not followed.stopped


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_score_that_is_not_finite_is_never_the_best(broken):
    followed = watch()
    assert [followed.observe(score) for score in (broken, 0.3, broken, 0.4)] == [False, True, False, True]
    assert followed.best == 0.4


def test_its_state_survives_json_to_the_bit():
    followed, other = watch(), watch()
    for score in (0.1 + 0.2, 0.1, 0.1):
        followed.observe(score)
    other.restore(json.loads(json.dumps(followed.state())))
    assert other == followed


def test_settings_stay_those_of_the_new_run():
    followed, other = watch(), watch(stopping_patience=9, plateau_factor=0.1)
    followed.observe(0.5)
    other.restore(followed.state())
    assert (other.best, other.stopping_patience, other.plateau_factor) == (0.5, 9, 0.1)
