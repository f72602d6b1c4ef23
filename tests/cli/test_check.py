"""`recoseg check`: what is printed, the JSON, and the exit codes."""

import json
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

from recoseg_hf.cli import app
from tests import factories

HEAD = (104, 110, 102)


def check(*arguments, width=80):
    return CliRunner().invoke(app, ["check", *map(str, arguments)], env={"COLUMNS": str(width)})


@pytest.fixture
def cohort(tmp_path):
    """A good case, and one with three faults."""
    factories.save_head(tmp_path, "good")
    bad = factories.save_case(tmp_path, "bad")
    (bad / "bad_t1.nii.gz").write_bytes((bad / "bad_t1.nii.gz").read_bytes()[:-100])
    data = factories.intensities()
    data[1, 2, 3] = np.nan
    factories.save(bad / "bad_flair.nii.gz", data)
    (bad / "bad_t2.nii.gz").unlink()
    return tmp_path


def test_a_good_case(cohort):
    result = check(cohort / "good")
    assert result.output == "1 checked: 1 fine, 0 with warnings only, 0 with errors.\n"
    assert result.exit_code == 0


def test_a_cohort_with_every_fault_of_a_case_in_a_table(cohort):
    result = check(cohort, "--jobs=1")
    assert result.exit_code == 3
    assert max(map(len, result.stdout.splitlines())) <= 80
    shown = " ".join(result.stdout.split())
    assert "(folder) error no file for t2; the folder holds" in shown
    assert "flair.nii.gz error 1 voxel is NaN or infinite, the first at index (1, 2, 3);" in shown
    assert "t1.nii.gz error its compressed data is broken" in shown
    assert "good" not in shown
    assert shown.endswith("2 checked: 1 fine, 0 with warnings only, 1 with errors.")


def test_json_for_programs(cohort):
    result = check(cohort, "--json", "--jobs=1")
    assert result.exit_code == 3
    found = json.loads(result.stdout)
    assert found["counts"] == {"cases": 2, "ok": 1, "warning": 0, "error": 1}
    bad, good = found["cases"]
    assert good == {"subject": "good", "place": str(cohort / "good"), "verdict": "ok", "findings": []}
    assert [finding["file"] for finding in bad["findings"] if finding["severity"] == "error"] == [
        str(cohort / "bad"), str(cohort / "bad" / "bad_flair.nii.gz"), str(cohort / "bad" / "bad_t1.nii.gz"),
    ]  # fmt: skip
    assert bad["findings"][1] == {
        "severity": "error",
        "file": str(cohort / "bad" / "bad_flair.nii.gz"),
        "found": "1 voxel is NaN or infinite, the first at index (1, 2, 3)",
        "expected": "finite intensities",
        "remedy": "Find the processing step that made them, or set them to 0 if they are background.",
    }


def test_warnings_stop_nothing(cohort):
    (cohort / "good" / "good_t1ce.nii").unlink()
    result = check(cohort / "good")
    assert "warning there is none; expected a T1ce" in " ".join(result.stdout.split())
    assert result.exit_code == 0


def test_files_one_by_one(cohort):
    files = [f"--{name}={cohort / 'good' / f'good_{name}.nii'}" for name in ("flair", "t1", "t2")]
    seg = factories.save(cohort / "own.nii.gz", np.full(HEAD, 9, np.uint8))
    assert check(*files).exit_code == 0
    result = check(*files, f"--seg={seg}")
    assert "own.nii.gz error unknown labels 9" in " ".join(result.stdout.split())


def test_names_are_no_markup(cohort):
    folder = cohort / "bad" / "[red]x\x1b[0m"
    folder.mkdir()
    (folder / "[bold]_t1.nii.gz").touch()
    result = check(folder / "[bold]_t1.nii.gz")
    assert "[bold]_t1.nii.gz" in result.stdout
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give a folder of cases, a case folder, a file, or --flair, --t1 and --t2"),
        (["x", "--t1", "y"], "give either paths or --t1, not both"),
    ],
)
def test_wrong_usage_says_what_is_wrong(arguments, message):
    result = check(*arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_torch_is_not_loaded(cohort):
    code = (
        "import sys; from recoseg_hf.cli.app import app; "
        f"app(['check', {str(cohort / 'good')!r}], standalone_mode=False); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"
