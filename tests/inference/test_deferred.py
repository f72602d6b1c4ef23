"""A field that is worked out when it is first asked for: once, in whatever thread, and none the worse for copies."""

import copy
import pickle
import threading
from dataclasses import dataclass, replace

import pytest

from recoseg_hf.inference import predict_case, with_threshold
from recoseg_hf.inference.deferred import Deferred
from recoseg_hf.pipeline.stack_result import StackResult
from tests.inference.cases import make_case
from tests.tiny import tiny_pipeline as build_tiny_pipeline


class Counted:
    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        return 41 + self.calls


@dataclass(frozen=True)
class Holder:
    name: str
    value: int | None = Deferred()


def test_a_function_is_called_once_when_it_is_asked_for():
    function = Counted()
    holder = Holder("a", function)
    assert function.calls == 0
    assert (holder.value, holder.value, function.calls) == (42, 42, 1)


def test_many_threads_get_one_value():
    function = Counted()
    holder, seen = Holder("a", function), []
    threads = [threading.Thread(target=lambda: seen.append(holder.value)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (seen, function.calls) == ([42] * 8, 1)


def test_a_value_is_a_value_and_none_the_default():
    assert Holder("a", 7).value == 7
    assert Holder("a").value is None
    assert Holder("a", 0).value == 0


def test_it_is_replaced_copied_and_pickled_like_any_field():
    function = Counted()
    holder = Holder("a", function)
    other = copy.copy(holder)
    assert function.calls == 0
    assert replace(holder, name="b").value == 42
    assert (replace(holder, value=3).value, function.calls) == (3, 1)
    assert pickle.loads(pickle.dumps(Holder("a", Counted()))).value == 42
    assert other.value == 43  # a copy that was made before asks for itself


@pytest.fixture(scope="module")
def case():
    return make_case()


def waiting(prediction) -> set[str]:
    return {name for name in ("t1ce", "residual", "uncertainty") if callable(prediction.__dict__[name])}


def test_a_prediction_brings_back_its_maps_when_they_are_asked_for(tiny_pipeline, case):
    prediction = predict_case(tiny_pipeline, case, num_samples=2)
    assert waiting(prediction) == {"t1ce", "residual", "uncertainty"}
    moved = with_threshold(tiny_pipeline, prediction, case, 0.4)
    assert waiting(moved) == waiting(prediction) == {"t1ce", "residual", "uncertainty"}
    elsewhere = pickle.loads(pickle.dumps(prediction))  # as a process on another device gets it
    assert prediction.t1ce.shape == case.flair.shape
    assert (elsewhere.t1ce.data == prediction.t1ce.data).all()
    assert waiting(prediction) == {"residual", "uncertainty"}


def test_the_whole_tumours_probability_waits_for_no_other_region(case, monkeypatch):
    pipeline = build_tiny_pipeline(regions="wt,tc,et")
    prediction, brought = predict_case(pipeline, case), []
    restored = StackResult.restored
    monkeypatch.setattr(StackResult, "restored", lambda self, name: brought.append(name) or restored(self, name))
    elsewhere = pickle.loads(pickle.dumps(prediction))
    whole = prediction.probability
    assert brought == ["wt"]
    assert prediction.region_probabilities["wt"] is whole
    assert brought == ["wt", "tc", "et"]
    assert elsewhere.region_probabilities["wt"] is elsewhere.probability
    assert (elsewhere.probability.data == whole.data).all()
