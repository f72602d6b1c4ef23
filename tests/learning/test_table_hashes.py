"""The hashes of a prepared data set: what was found good is read again only where it may have changed."""

import json
import os
import shutil
import time

import pytest

from recoseg_hf.errors import InputError
from recoseg_hf.learning import table_hashes
from recoseg_hf.learning.slice_batches import open_slices
from recoseg_hf.learning.table_hashes import CHECKED, check_hashes, write_hashes
from tests.learning.conftest import SETTINGS

LONG_AGO = 1_600_000_000


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "train").mkdir()
    for name in ("train/data.arrow", "other.arrow"):
        (tmp_path / name).write_bytes(b"slices" * 100)
        os.utime(tmp_path / name, (LONG_AGO, LONG_AGO))
    write_hashes(tmp_path)
    return tmp_path


@pytest.fixture
def read(monkeypatch):
    """The names of the files that are hashed."""
    names, real = [], table_hashes.sha256_file
    monkeypatch.setattr(table_hashes, "sha256_file", lambda file: names.append(file.name) or real(file))
    return names


def rewrite(file, when: int) -> None:
    """Other bytes, as many."""
    file.write_bytes(b"sliceS" * 100)
    os.utime(file, (when, when))


def test_each_file_is_read_once(folder, read):
    check_hashes(folder)
    assert sorted(read) == ["data.arrow", "other.arrow"]
    check_hashes(folder)
    assert len(read) == 2


def test_a_file_that_changed_is_read_and_refused(folder, read):
    check_hashes(folder)
    rewrite(folder / "other.arrow", LONG_AGO + 1)
    with pytest.raises(InputError, match=r"other\.arrow: it has changed since it was made"):
        check_hashes(folder)
    assert read[2:] == ["other.arrow"]


def test_one_put_in_its_place_with_its_time_is_read_and_refused(folder):
    check_hashes(folder)
    rewrite(folder / "new", LONG_AGO)
    os.replace(folder / "new", folder / "other.arrow")
    with pytest.raises(InputError, match="it has changed"):
        check_hashes(folder)


def test_one_changed_in_place_whose_time_was_put_back_is_read_and_refused(folder):
    check_hashes(folder)
    before = (folder / "other.arrow").stat()
    rewrite(folder / "other.arrow", LONG_AGO)
    os.utime(folder / "other.arrow", ns=(before.st_atime_ns, before.st_mtime_ns))
    after = (folder / "other.arrow").stat()
    assert (after.st_size, after.st_mtime_ns, after.st_ino) == (before.st_size, before.st_mtime_ns, before.st_ino)
    with pytest.raises(InputError, match="it has changed"):
        check_hashes(folder)


def test_a_file_written_just_now_is_read_again(folder, read):
    now = time.time()
    os.utime(folder / "other.arrow", (now, now))
    check_hashes(folder)
    check_hashes(folder)
    assert read.count("other.arrow") == 2
    assert read.count("data.arrow") == 1


@pytest.mark.parametrize("days", [-8, 1])
def test_what_was_found_too_long_ago_or_in_the_future_does_not_count(folder, read, days):
    check_hashes(folder)
    states = json.loads((folder / CHECKED).read_text())
    for state in states.values():
        state["checked"] += days * 24 * 3600
    (folder / CHECKED).write_text(json.dumps(states))
    check_hashes(folder)
    assert len(read) == 4


def test_other_hashes_mean_another_look(folder):
    check_hashes(folder)
    rewrite(folder / "other.arrow", LONG_AGO)
    write_hashes(folder)
    rewritten = (folder / "other.arrow").stat()
    assert rewritten.st_mtime == LONG_AGO
    check_hashes(folder)
    assert len({entry["sha256"] for entry in json.loads((folder / CHECKED).read_text()).values()}) == 2


def test_a_damaged_record_is_no_matter(folder, read):
    check_hashes(folder)
    (folder / CHECKED).write_text("[1")
    check_hashes(folder)
    assert len(read) == 4


def test_the_first_process_of_a_machine_reads_for_all(prepared, tmp_path, read, monkeypatch):
    folder = shutil.copytree(prepared, tmp_path / "slices")
    monkeypatch.setenv("LOCAL_RANK", "1")
    open_slices(folder, tmp_path, SETTINGS)
    assert read == []
    monkeypatch.setenv("LOCAL_RANK", "0")
    open_slices(folder, tmp_path, SETTINGS)
    assert len(read) == 2


def test_a_folder_of_others_is_checked_each_time(folder, read, monkeypatch):
    def refuse(*arguments):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(table_hashes, "write_json", refuse)
    check_hashes(folder)
    check_hashes(folder)
    assert len(read) == 4
