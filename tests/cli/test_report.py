"""`recoseg report`: of a case, and of the paper's table."""

import shutil

import pytest
from typer.testing import CliRunner

from recoseg_hf.cli import app
from recoseg_hf.imaging.case import Case
from recoseg_hf.inference import predict_case, write_prediction
from tests.evaluation.paper_runs import write_run
from tests.inference.cases import save_cohort


def report(*arguments):
    return CliRunner().invoke(app, ["report", *map(str, arguments)])


@pytest.fixture(scope="module")
def result(tiny_pipeline, tmp_path_factory):
    root = tmp_path_factory.mktemp("case")
    case = Case.from_folder(save_cohort(root / "cases", ("sub-01",)) / "sub-01")
    write_prediction(predict_case(tiny_pipeline, case), case, root / "out")
    return root


def test_it_writes_the_table_and_says_where(tmp_path):
    folder = write_run(tmp_path / "run", {"unet2d_t1ce": 0.1})
    assert report(folder).stdout == f"Report: {folder / 'report.html'}\n"
    assert report(folder, "--output", tmp_path / "there" / "page.html").exit_code == 0
    assert (tmp_path / "there" / "page.html").read_bytes() == (folder / "report.html").read_bytes()


def test_it_writes_the_page_of_a_case(result, tmp_path):
    page = tmp_path / "page.html"
    told = report(result / "out", "--case", result / "cases" / "sub-01", "--output", page)
    assert (told.stdout, told.stderr) == (f"Report: {page}\n", "")
    assert page.read_bytes() == (result / "out" / "sub-01_report.html").read_bytes()


def test_without_scans_it_says_what_is_missing(result, tmp_path):
    told = report(result / "out", "--output", tmp_path / "page.html")
    assert told.exit_code == 0
    assert told.stderr.startswith("Warning: Without the scans the outlines are drawn on the synthetic T1ce.")
    shutil.copytree(result / "out", tmp_path / "out")
    refused = report(tmp_path / "out")
    assert refused.exit_code == 3
    assert "the scans are not at hand to draw it again" in refused.stderr


def test_a_folder_of_something_else(tmp_path):
    result = report(tmp_path)
    assert result.exit_code == 3
    assert "no results.json and no <subject>_report.json" in result.stderr
    assert "the --output of `recoseg predict`, or the --output_dir of training/reproduce_paper.py" in result.stderr
    assert "no such folder" in report(tmp_path / "missing").stderr
