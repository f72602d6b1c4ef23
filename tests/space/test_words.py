"""What a visitor is told names fields, and nothing of what went wrong inside."""

from pathlib import Path

import pytest

from recoseg_hf import CaseError, InputError

gr = pytest.importorskip("gradio")


@pytest.fixture(scope="module")
def words(parts):
    from space import words

    return words


def test_files_become_fields(words):
    files = {"flair": Path("/tmp/x/flair.nii.gz"), "t1": Path("/tmp/x/t1.nii.gz")}
    error = InputError(files["t1"], "its shape is (2, 2, 2)", "(3, 3, 3) as in flair.nii.gz", "Look at t1.nii.gz.")
    assert str(words.about_field(error, files)) == (
        "T1 file: its shape is (2, 2, 2); expected (3, 3, 3) as in the FLAIR file. Look at the T1 file."
    )


def test_everything_wrong_with_a_case_names_its_fields(words):
    files = {"flair": Path("/tmp/x/flair.nii.gz"), "t1": Path("/tmp/x/t1.nii.gz")}
    error = CaseError([InputError(file, "it is 2D", "3D", "Give it.") for file in files.values()])
    assert str(words.about_field(error, files)).splitlines() == [
        "FLAIR file: it is 2D; expected 3D. Give it.", "T1 file: it is 2D; expected 3D. Give it.",
    ]  # fmt: skip


def test_an_error_about_the_whole_case_speaks_of_the_scans(words):
    error = InputError(f"case {words.SUBJECT}", "there is no brain", "one", "Look.")
    assert str(words.about_field(error, {})).startswith("These scans: there is no brain")


def test_an_unexpected_error_is_kept_to_ourselves(words, caplog):
    @words.plainly
    def broken():
        raise KeyError("/home/DOE")

    with pytest.raises(gr.Error) as raised:
        broken()
    assert raised.value.message == (
        "Something went wrong on our side, not with your files. Try again, or try the simulated example."
    )
    assert "broken failed" in caplog.text


def test_an_error_after_a_part_that_was_shown_is_told_in_words_too(words):
    @words.plainly
    def broken():
        yield "a first mask"
        raise InputError("Seed", "it is odd", "an even one", "Choose another.")

    parts = broken()
    assert next(parts) == "a first mask"
    with pytest.raises(gr.Error) as raised:
        next(parts)
    assert raised.value.message == "Seed: it is odd; expected an even one. Choose another."
