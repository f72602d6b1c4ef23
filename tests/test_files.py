import hashlib
import json
import os
import stat

import pytest

from recoseg_hf import files
from recoseg_hf.errors import InputError
from recoseg_hf.files import atomic_write, safe_subject_id, sha256_file, shipped_folder, write_json

UNSAFE_CHARACTERS = ["../x", "/etc/x", "a/../../b", "a\\b", "a\0b", "a b", "é", "a\n"]
UNSAFE_NAMES = ["", ".", "..", ".a", "a.", "CON", "nul", "com1", "LPT9.nii", "aux.txt"]


class TestAtomicWrite:
    def test_replaces_the_file_and_leaves_nothing_else(self, tmp_path):
        target = tmp_path / "mask.nii.gz"
        target.write_text("old")
        with atomic_write(target) as temporary:
            assert temporary.parent == tmp_path
            assert temporary.name.endswith(".nii.gz")
            temporary.write_text("new")
            assert target.read_text() == "old"
        assert target.read_text() == "new"
        assert list(tmp_path.iterdir()) == [target]

    def test_failure_keeps_the_old_file(self, tmp_path):
        target = tmp_path / "report.json"
        target.write_text("old")

        def interrupted():
            with atomic_write(target) as temporary:
                temporary.write_text("half")
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert target.read_text() == "old"
        assert list(tmp_path.iterdir()) == [target]

    def test_makes_the_folder(self, tmp_path):
        with atomic_write(tmp_path / "a" / "b" / "x.txt") as temporary:
            temporary.write_text("x")
        assert (tmp_path / "a" / "b" / "x.txt").read_text() == "x"

    @pytest.mark.skipif(os.name != "posix", reason="permissions as on POSIX")
    def test_permissions_follow_the_umask(self, tmp_path):
        previous = os.umask(0o022)
        try:
            with atomic_write(tmp_path / "x.txt") as temporary:
                temporary.write_text("x")
        finally:
            os.umask(previous)
        assert stat.S_IMODE((tmp_path / "x.txt").stat().st_mode) == 0o644

    def test_two_writers_do_not_meet(self, tmp_path):
        target = tmp_path / "x.txt"
        with atomic_write(target) as first, atomic_write(target) as second:
            assert first != second
            first.write_text("first")
            second.write_text("second")
        assert target.read_text() == "first"  # the outer block ends last
        assert list(tmp_path.iterdir()) == [target]


class TestHashAndJson:
    def test_sha256_is_that_of_the_bytes(self, tmp_path):
        content = bytes(range(256)) * 5000  # more than one chunk
        (tmp_path / "x").write_bytes(content)
        assert sha256_file(tmp_path / "x") == hashlib.sha256(content).hexdigest()

    def test_same_object_gives_same_bytes(self, tmp_path):
        write_json(tmp_path / "a.json", {"b": 1, "a": [0.5, None, "é"]})
        write_json(tmp_path / "b.json", {"a": [0.5, None, "é"], "b": 1})
        assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
        assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"a": [0.5, None, "é"], "b": 1}

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_nan_is_refused_and_nothing_written(self, tmp_path, value):
        with pytest.raises(ValueError, match="not JSON compliant"):
            write_json(tmp_path / "a.json", {"dice": value})
        assert list(tmp_path.iterdir()) == []


class TestSubjectId:
    @pytest.mark.parametrize(
        "text", ["Brats18_CBICA_ABM_1", "BraTS-GLI-00000-000", "sub-01.a", "7", "x" * 64, "_a", "console"]
    )
    def test_plain_ids_pass(self, text):
        assert safe_subject_id(text) == text

    @pytest.mark.parametrize("text", [*UNSAFE_CHARACTERS, *UNSAFE_NAMES, "x" * 65, "x" * 300])
    def test_others_are_refused(self, text):
        with pytest.raises(InputError, match="cannot be used in a file name; expected 1 to 64 letters"):
            safe_subject_id(text)

    def test_a_long_id_is_not_repeated_in_full(self):
        with pytest.raises(InputError) as caught:
            safe_subject_id("x" * 10_000)
        assert len(str(caught.value)) < 400


class TestShippedFolder:
    def test_packaged_copy_comes_first(self, tmp_path, monkeypatch):
        monkeypatch.setattr(files, "__file__", str(tmp_path / "recoseg_hf" / "files.py"))
        (tmp_path / "pipelines").mkdir()
        assert shipped_folder("pipelines") == tmp_path / "pipelines"
        (tmp_path / "recoseg_hf" / "_data" / "pipelines").mkdir(parents=True)
        assert shipped_folder("pipelines") == tmp_path / "recoseg_hf" / "_data" / "pipelines"

    def test_missing_folder_is_named(self):
        with pytest.raises(FileNotFoundError, match="no_such_thing: neither packaged"):
            shipped_folder("no_such_thing")
