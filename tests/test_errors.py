import pickle

import pytest

from recoseg_hf.errors import CaseError, CheckpointError, InputError, Problems, RecosegError


@pytest.fixture
def error():
    return InputError("a/flair.nii.gz", "it is 2D", "one 3D volume", "Give the whole scan.")


def test_message_names_file_finding_expectation_and_remedy(error):
    assert str(error) == "a/flair.nii.gz: it is 2D; expected one 3D volume. Give the whole scan."


def test_a_name_from_outside_neither_steers_the_terminal_nor_forges_a_line():
    error = InputError("a\x1b[31m\nb\udcff: fine.nii", "it is 2D", "3D", "Give it.")
    assert str(error) == "a\\x1b[31m\\nb\\udcff: fine.nii: it is 2D; expected 3D. Give it."
    assert str(InputError("Ångström 脳.nii", "a", "b", "C.")).startswith("Ångström 脳.nii: a")


def test_parts_are_kept_for_programs(error):
    parts = (error.file, error.found, error.expected, error.remedy)
    assert parts == ("a/flair.nii.gz", "it is 2D", "one 3D volume", "Give the whole scan.")


def test_error_survives_the_way_between_processes(error):
    copy = pickle.loads(pickle.dumps(error))
    assert isinstance(copy, InputError)
    assert str(copy) == str(error)


@pytest.mark.parametrize("kind", [InputError, CaseError, CheckpointError])
def test_one_base_class_catches_all(kind):
    assert issubclass(kind, RecosegError)


class TestCaseError:
    @pytest.fixture
    def several(self, error):
        return CaseError([error, InputError("t2", "it is gone", "a file", "Find it.")])

    def test_each_problem_has_a_line(self, several, error):
        assert str(several) == f"{error}\nt2: it is gone; expected a file. Find it."
        assert (several.file, several.found) == (error.file, error.found)

    def test_it_survives_the_way_between_processes(self, several):
        copy = pickle.loads(pickle.dumps(several))
        assert isinstance(copy, CaseError)
        assert [problem.file for problem in copy.problems] == ["a/flair.nii.gz", "t2"]
        assert str(copy) == str(several)

    def test_problems_of_a_case_within_it_are_its_own(self, several, error):
        assert CaseError([error, several]).problems == (error, error, several.problems[1])


class TestProblems:
    def test_one_is_raised_as_itself(self, error):
        problems = Problems()
        with problems.collected():
            raise error
        with pytest.raises(InputError) as caught:
            problems.raise_all()
        assert caught.value is error

    def test_none_is_fine_and_several_come_together(self, error):
        problems = Problems()
        problems.raise_all()
        with problems.collected():
            raise CaseError([error, error])
        with pytest.raises(CaseError):
            problems.raise_all()

    def test_another_error_is_not_held_back(self):
        problems = Problems()
        with pytest.raises(OSError, match="gone"), problems.collected():
            raise OSError("gone")
