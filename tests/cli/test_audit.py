"""`recoseg audit`: a table to read, and an exit code for a script."""

import json

import pytest
from typer.testing import CliRunner

from recoseg_hf.cli import app
from recoseg_hf.learning.subjects import subject_hash


def audit(*arguments):
    return CliRunner().invoke(app, ["audit", *map(str, arguments)], env={"COLUMNS": "100"})


def write(path, content):
    path.write_text(json.dumps(content))
    return path


def test_the_paper_s_table():
    result = audit("--paper-table")
    assert result.exit_code == 3
    lines = [line for line in result.stdout.splitlines() if line.strip().startswith("rows[")]
    assert len(lines) == 10
    verdicts = {line.split("]")[0].strip(): line.split()[-1] for line in lines}
    assert {name for name, verdict in verdicts.items() if verdict == "impossible"} == {
        "rows[ReCoSeg, BraTS2021",
        "rows[ReCoSeg++, BraTS2021",
    }
    assert set(verdicts.values()) == {"possible", "impossible"}
    assert "10 pairs of scores, 2 errors, 1 warning\n" in result.stdout


def test_good_results(tmp_path):
    result = audit(write(tmp_path / "fine.json", {"dice": 0.8, "iou": 0.7, "n": 5}))
    assert (result.exit_code, result.stderr) == (0, "")
    assert "possible" in result.stdout
    assert "1 pair of scores, 0 errors, 0 warnings" in result.stdout


def test_warnings_do_not_fail(tmp_path):
    content = {"oracle_slices": True, "volume": {"dice": 0.8, "iou": 0.7}}
    result = audit(write(tmp_path / "paper.json", content))
    assert result.exit_code == 0
    assert "possible, oracle slices" in result.stdout
    assert "warning: the file: The reference chose the slices" in result.stdout
    assert "0 errors, 2 warnings" in result.stdout


def test_one_bad_file_of_several(tmp_path):
    fine = write(tmp_path / "fine.json", {"dice": 0.8, "iou": 0.7, "n": 5})
    shared = write(tmp_path / "split[1].json", {"train": ["a"], "test": ["a"]})
    result = audit(fine, shared)
    assert result.exit_code == 3
    assert "error: the file: 1 subject is in both train and test: a." in result.stdout
    assert str(shared) in result.stdout


def test_subjects_that_the_model_has_seen(tmp_path):
    results = write(tmp_path / "metrics.json", {"subjects": [{"subject": "a"}, {"subject": "b"}]})
    write(tmp_path / "training_record.json", {"subjects_seen": [subject_hash("b")]})
    result = audit(results, "--model", tmp_path)
    assert result.exit_code == 3
    assert "1 subject is evaluated, and the model was trained on them: b." in result.stdout
    (tmp_path / "training_record.json").unlink()
    missing = audit(results, "--model", tmp_path)
    assert missing.exit_code == 3
    assert "no training_record.json in it; expected a model with a record of whom it saw" in missing.stderr


@pytest.mark.parametrize(("arguments", "code"), [([], 2), (["nothing.json"], 3)])
def test_wrong_usage_and_missing_files(arguments, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert audit(*arguments).exit_code == code
