"""`recoseg report`."""

from typer.testing import CliRunner

from recoseg_hf.cli import app
from tests.evaluation.paper_runs import write_run


def report(*arguments):
    return CliRunner().invoke(app, ["report", *map(str, arguments)])


def test_it_writes_the_page_and_says_where(tmp_path):
    folder = write_run(tmp_path / "run", {"unet2d_t1ce": 0.1})
    assert report(folder).stdout == f"Report: {folder / 'report.html'}\n"
    assert report(folder, "--output", tmp_path / "there" / "page.html").exit_code == 0
    assert (tmp_path / "there" / "page.html").read_bytes() == (folder / "report.html").read_bytes()


def test_a_folder_of_something_else(tmp_path):
    result = report(tmp_path)
    assert result.exit_code == 3
    assert "results.json: No such file or directory" in result.stderr
    assert "Give the --output_dir of training/reproduce_paper.py" in result.stderr
