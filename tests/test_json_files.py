"""JSON of others: read, and of the form that is needed, or refused by the file's name and the entry's."""

import os

import pytest

from recoseg_hf.errors import InputError
from recoseg_hf.json_files import is_nested_deeply, mismatch, read_json

FORM = {"name": str, "count": int, "share": float, "subjects": [str], "hashes": {"*": str}, "note?": str}
GOOD = {"name": "a", "count": 3, "share": 1, "subjects": ["one"], "hashes": {"x": "ab"}}


def test_what_is_as_it_should_be_passes():
    assert mismatch(GOOD, FORM) is None
    assert mismatch(GOOD | {"note": "b", "other": [1]}, FORM) is None


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"name": 3}, "name is 3 and not text"),
        ({"count": True}, "count is True and not a whole number"),
        ({"count": 2.5}, "count is 2.5 and not a whole number"),
        ({"share": float("nan")}, "share is nan and not a number"),
        ({"subjects": ["one", None]}, r"subjects[1] is None and not text"),
        ({"subjects": {}}, "subjects is {} and not a list"),
        ({"hashes": {"x": 1}}, "hashes.x is 1 and not text"),
        ({"hashes": "x" * 80}, f"hashes is '{'x' * 59}... and not an object"),
        ({"note": None}, "note is None and not text"),
    ],
)
def test_an_entry_of_another_kind_is_named(change, found):
    assert mismatch(GOOD | change, FORM) == found


def test_all_that_is_lacking_is_named():
    assert mismatch({"name": "a", "hashes": {}}, FORM) == "it lacks count, share, subjects"
    assert mismatch({"inner": {}}, {"inner": {"a": str, "b": str}}) == "it lacks inner.a, inner.b"


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "it is no JSON"),
        (b"\xff\xfe", "it is no JSON"),
        (b"9" * 5000, "it is no JSON"),
        (b'"\\ud800"', "it is no JSON"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[" * 70 + b"]" * 70, "nested too deeply"),
        (b"[]", r"it is \[\] and not an object"),
    ],
)
def test_other_bytes_are_refused(tmp_path, content, found):
    file = tmp_path / "a.json"
    file.write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.json: .*{found}.*; expected a table\. Write it again\."):
        read_json(file, "a table", "Write it again.", dict)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"b\.json: No such file"):
        read_json(tmp_path / "b.json", "a table", "Write it.")


def test_depth_is_counted_not_size():
    assert not is_nested_deeply([[1]] * 1000)
    value = 1
    for _ in range(64):
        value = {"a": value}
    assert not is_nested_deeply(value)
    assert is_nested_deeply([value])


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
def test_numbers_that_json_does_not_know_are_taken_of_others_only(tmp_path, number):
    file = tmp_path / "a.json"
    file.write_text(f'{{"extra": [{number}]}}')
    assert str(read_json(file, "a record", "Make it again.")["extra"][0]) in ("nan", "-inf", "inf")
    with pytest.raises(InputError, match=r"a\.json: it is no JSON \(Out of range float values .*expected a record"):
        read_json(file, "a record", "Make it again.", {"extra": list})


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="other systems have no named pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match=r"pipe: it is no regular file; expected a list\. Write it to a file first\."):
        read_json(tmp_path / "pipe", "a list", "Write one.")
