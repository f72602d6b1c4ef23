"""Compiled nets beside ours: what is timed is the same net, which stays as it is."""

import pytest
import torch

from benchmarks import measure_compiled
from tests.tiny import tiny_net


@pytest.fixture
def few(monkeypatch):
    """As they are called, without a compiler, which not every machine has."""
    monkeypatch.setattr(measure_compiled, "_SIDES", (32, 48))
    monkeypatch.setattr(measure_compiled, "_SLICES", 4)
    monkeypatch.setattr(measure_compiled, "_inductor", lambda alone, slices: lambda: alone(slices))
    monkeypatch.setattr(measure_compiled, "find_spec", lambda name: None)


def test_all_contestants_answer_alike(few):
    net = tiny_net(8, 4, num_class_embeds=3).to(torch.bfloat16)
    slices = torch.randn(4, 8, 16, 24).to(torch.bfloat16)
    with torch.no_grad():
        found = measure_compiled.contestants(net, slices)
        answers = {name: call() for name, (call, _) in found.items()}
    assert set(answers) == {"ours", "eager", "inductor"}
    for answer in answers.values():
        assert torch.allclose(answer.float(), answers["eager"].float(), atol=0.05)
    assert net.dtype == torch.bfloat16


def test_a_row_for_each_with_the_seconds_before_the_first(few):
    with torch.no_grad():
        found = measure_compiled.measure(tiny_net(8, 4), fold=2, rounds=3)
    assert all(len(one["ms"]) == 3 and one["first_seconds"] > 0 for one in found.values())
    found["ours"] = {"ms": [1.0, 3.0, 2.0], "first_seconds": 0.25}
    result = {"nets": {"segmenter": found}, "threads": 2, "dtype": "bfloat16", "rounds": 3}
    text = measure_compiled.compiled_table(result)
    assert "| segmenter | as the pipeline calls it | 2.00 (1.00 to 3.00) | 0.2 |" in text
    assert text.startswith("2 threads, bfloat16, 4 slices of 32 x 48 pixels, median and range of 3 rounds:")
