"""What is counted of a load on the Space, and what an answer is compared by."""

import re

import pytest

pytest.importorskip("gradio_client")
from benchmarks.load_space import POLITE, Log, Visitor, fingerprint, summary


def test_outcomes_are_counted_and_times_are_those_of_right_answers():
    log = Log()
    for seconds in range(1, 21):
        log.add("slab", "right", seconds)
    log.add("slab", "refused", 0.1)
    log.add("example", "error", 9, "AppError: x")
    log.add("bad", "told", 1)
    found = summary(log, clients=3, minutes=1)
    counts = ("requests", "answers_right", "answers_wrong", "refusals", "errors", "bad_input_told", "left")
    assert [found[name] for name in counts] == [23, 20, 0, 1, 1, 1, 0]
    assert found["seconds"] == {"slab": {"p50": 10.5, "p95": 19, "n": 20}, "threshold": None, "example": None}
    assert found["messages"] == {"AppError: x": 1}


@pytest.mark.parametrize(
    ("raised", "expected", "outcome"),
    [
        ("Queue is full! Please try again.", "low 0", "refused"),
        ("There is no result to work on: it was deleted", "low 0", "refused"),
        ("FLAIR file: it is a web page", re.compile("FLAIR file: it is a web page"), "told"),
        ("T1 file: it is a web page", re.compile("FLAIR file: it is a web page"), "error"),
        ("Something went wrong on our side", "low 0", "error"),
    ],
)
def test_an_error_counts_by_what_it_says(raised, expected, outcome):
    def request():
        raise RuntimeError(raised)

    visitor = object.__new__(Visitor)  # without a Space to visit
    visitor.log, visitor.expected = Log(), {}
    assert not visitor.ask("slab", expected, request)
    assert [row["outcome"] for row in visitor.log.rows] == [outcome]
    assert bool(POLITE.search(raised)) == (outcome == "refused")


def test_an_answer_is_compared_by_its_mask_and_probability(tmp_path):
    def answer(mask: bytes, report: bytes) -> tuple[dict, list[str]]:
        contents = {"case_mask.nii.gz": mask, "case_probability.nii.gz": b"p", "case_report.json": report}
        for name, content in contents.items():
            (tmp_path / name).write_bytes(content)
        return {}, [str(tmp_path / name) for name in contents]

    first = fingerprint(answer(b"m", b"1 s"))
    assert fingerprint(answer(b"m", b"2 s")) == first
    assert fingerprint(answer(b"n", b"1 s")) != first
    assert list(tmp_path.iterdir()) == []
