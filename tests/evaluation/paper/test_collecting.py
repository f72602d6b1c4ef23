"""Tests of the table's rows, which several commands bring together."""

import json

import pytest

from recoseg_hf.evaluation.paper.collecting import compared, finished_rows, former_table, write_tables
from tests.evaluation import paper_runs


@pytest.fixture
def run(tmp_path):
    return paper_runs.write_run(tmp_path, sets=("First", "Second"))


def test_a_former_table_counts_if_its_options_are_the_same(run):
    assert set(former_table(run, paper_runs.OPTIONS)["results"]) == {"First", "Second"}
    assert former_table(run, paper_runs.OPTIONS | {"budget": 31}) == {}
    assert former_table(run / "First", paper_runs.OPTIONS) == {}


def test_new_rows_stand_beside_former_ones_in_the_order_of_the_table(run):
    former = former_table(run, paper_runs.OPTIONS)
    former["results"]["First"] = {"recoseg_plus_plus": {}, "a_row_of_long_ago": {}}
    found = finished_rows(run, former, {"First": ["unet2d"], "Third": ["unet2d"]})
    assert list(found) == ["First", "Second", "Third"]
    assert list(found["First"]) == ["unet2d", "recoseg_plus_plus"]
    assert list(found["Second"]) == list(paper_runs.ERRORS)
    assert found["Third"] == {}  # not finished
    assert found["First"]["unet2d"]["subjects"][0]["subject"] == "sub-one"


def test_what_is_written_names_nobody_and_keeps_what_came_with_it(run, tmp_path):
    rows = finished_rows(run, former_table(run, paper_runs.OPTIONS), {})
    write_tables(tmp_path, rows, paper_runs.OPTIONS, thresholds={"First": {"unet2d": {"mask_threshold": 0.3}}})
    whole = json.loads((tmp_path / "results.json").read_text())
    assert whole["thresholds"]["First"]["unet2d"]["mask_threshold"] == 0.3
    assert whole["results"]["First"]["unet2d"]["n"] == len(paper_runs.SUBJECTS)
    for file in ("results.json", "table.csv", "table.md", "table_as_paper.csv"):
        assert "sub-one" not in (tmp_path / file).read_text()


def test_rows_are_compared_with_the_one_that_sees_t1ce(run):
    rows = finished_rows(run, former_table(run, paper_runs.OPTIONS), {})["First"]
    found = compared(rows)
    assert set(found) == set(rows) - {"unet2d_t1ce"}
    better = found["recoseg_plus_plus"]["volume"]["volume"]["dice"]["value"]
    dice = {name: row["volume"]["dice"]["value"] for name, row in rows.items()}
    assert better == pytest.approx(dice["recoseg_plus_plus"] - dice["unet2d_t1ce"])
    assert better > 0
