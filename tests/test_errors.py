import pickle

import pytest

from recoseg_hf.errors import CheckpointError, InputError, RecosegError


@pytest.fixture
def error():
    return InputError("a/flair.nii.gz", "it is 2D", "one 3D volume", "Give the whole scan.")


def test_message_names_file_finding_expectation_and_remedy(error):
    assert str(error) == "a/flair.nii.gz: it is 2D; expected one 3D volume. Give the whole scan."


def test_parts_are_kept_for_programs(error):
    parts = (error.file, error.found, error.expected, error.remedy)
    assert parts == ("a/flair.nii.gz", "it is 2D", "one 3D volume", "Give the whole scan.")


def test_error_survives_the_way_between_processes(error):
    copy = pickle.loads(pickle.dumps(error))
    assert isinstance(copy, InputError)
    assert str(copy) == str(error)


@pytest.mark.parametrize("kind", [InputError, CheckpointError])
def test_one_base_class_catches_all(kind):
    assert issubclass(kind, RecosegError)
