"""`recoseg doctor`: it warns, and never stands in the way."""

import json

import pytest
from typer.testing import CliRunner

from recoseg_hf.cli import app
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.phantom import simulate_case, write_case


def doctor(*arguments):
    return CliRunner().invoke(app, ["doctor", *map(str, arguments)])


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """A case whose FLAIR and T2 are swapped, and one whose T2 is cut off."""
    root = tmp_path_factory.mktemp("cohort")
    case = simulate_case(3, (80, 80, 52))
    write_case(Case("swapped", flair=case.t2, t1=case.t1, t2=case.flair), root)
    broken = write_case(Case("torn", flair=case.flair, t1=case.t1, t2=case.t2), root) / "torn_t2.nii.gz"
    broken.write_bytes(broken.read_bytes()[:2000])
    return root


def test_a_suspicion_is_told_and_blocks_nothing(cohort):
    result = doctor(cohort / "swapped")
    assert (result.exit_code, result.stderr) == (0, "")
    assert "swapped: 1 suspected\n  swapped: Where fluid is expected (dark on T1), FLAIR is bright" in result.stdout
    assert "not looked for: T1 and T1ce swapped, or an inverted contrast: there is no T1ce" in result.stdout
    assert result.stdout.endswith("look at the scans before you mend anything. Nothing was changed.\n")


def test_a_cohort_as_json_with_a_case_that_cannot_be_read(cohort):
    result = doctor(cohort, "--json")
    assert result.exit_code == 3
    found = json.loads(result.stdout)
    assert found["counts"] == {"cases": 2, "suspected": 1, "unreadable": 1}
    swapped, torn = found["cases"]
    (suspicion,) = swapped["suspicions"]
    assert (suspicion["cause"], suspicion["scans"]) == ("swapped", ["flair", "t2"])
    assert suspicion["measured"] < suspicion["limit"]
    assert "torn_t2.nii.gz" in torn["error"]
    assert found["cannot_see"]


def test_single_files_must_be_whole_and_alone(tmp_path):
    assert doctor("--flair", tmp_path / "a.nii", "--t1", tmp_path / "b.nii").exit_code == 2
    both = doctor(tmp_path, "--flair", tmp_path / "a.nii")
    assert both.exit_code == 2
    assert "not both" in both.stderr
