import json

import pytest

from recoseg_hf.errors import InputError
from recoseg_hf.learning.site_split import SiteSplit, read_sites
from recoseg_hf.learning.subjects import subject_hash

CONTENT = {
    "train": ["a1", "a2", "b1", "b2", "c1"],
    "validation": ["a3", "b3"],
    "sites": {"A": ["a1", "a2", "a3"], "B": ["b1", "b2", "b3"], "C": ["c1"]},
}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "splits.json"
    path.write_text(json.dumps(CONTENT))
    return path


def test_who_is_for_what(file):
    assert read_sites(file, "A", "B") == SiteSplit(["a1", "a2"], ["a3"], ["b1", "b2"])


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("A", "D", "sites A and D; expected two of A, B, C"),
        ("A", "A", "sites A and A; expected two of A, B, C"),
        ("A", "C", "2 train and 1 validation subjects of A, 1 train of C; expected 1, 1 and 2 or more"),
        ("C", "A", "1 train and 0 validation subjects of C"),
    ],
)
def test_sites_that_cannot_be_studied_are_refused(file, source, target, message):
    with pytest.raises(InputError, match=message):
        read_sites(file, source, target)


@pytest.mark.parametrize("text", ["{", "[]", '{"train": [], "validation": []}', '{"train": 1}'])
def test_other_files_are_refused(tmp_path, text):
    path = tmp_path / "splits.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"splits\.json: no sites to be read .*; expected {\"train\""):
        read_sites(path, "A", "B")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.json: no sites to be read"):
        read_sites(tmp_path / "none.json", "A", "B")


def test_whoever_saw_the_tested_is_refused(file):
    split = read_sites(file, "A", "B")
    split.check_unseen([subject_hash("a1"), subject_hash("b3")], "model")
    message = (
        "model: it was trained on 2 of the 3 subjects that are tested; expected the source's train subjects alone"
    )
    with pytest.raises(InputError, match=message):
        split.check_unseen([subject_hash("a3"), subject_hash("b2")], "model")
