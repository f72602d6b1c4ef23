"""The table as Markdown and CSV."""

import csv
import json

import pytest

from recoseg_hf.evaluation.paper.claims import judge_claims
from recoseg_hf.evaluation.paper.table import claims_markdown, published, table_csv, table_markdown
from tests.evaluation.paper_runs import write_run


@pytest.fixture(scope="module")
def whole(paper_run):
    return json.loads((paper_run / "results.json").read_text())


def cells(line):
    return [cell.strip() for cell in line.strip("|").replace("\\|", "/").split("|")]


def lines(text):
    return [line for line in text.splitlines() if line.startswith("|")]


def test_both_tables_have_a_line_for_each_row(whole):
    found = lines(table_markdown(whole))
    assert len(found) == 2 * (2 + len(whole["results"]["Simulated"]))
    widths = [len(cells(line)) for line in found]
    assert set(widths) == {8, 7}
    dice = whole["results"]["Simulated"]["unet2d"]["volume"]["dice"]
    expected = f"{dice['value']:.3f} [{dice['interval'][0]:.3f}, {dice['interval'][1]:.3f}]"
    assert next(cells(line) for line in found if cells(line)[0] == "UNet2D")[1] == expected


def test_a_bar_in_a_title_ends_no_cell(tmp_path):
    folder = write_run(tmp_path, {"unet2d_static": 0.1})
    found = lines(table_markdown(json.loads((folder / "results.json").read_text())))
    assert len(cells(found[2])) == 8
    assert found[2].startswith("| static residual \\|T1ce - T1\\| |")


def test_csv_has_surfaces_and_lesions(whole):
    found = {line["row"]: line for line in csv.DictReader(table_csv(whole).splitlines())}
    assert float(found["unet2d"]["surface_nsd"]) == pytest.approx(0.8)
    assert float(found["unet2d"]["lesions_dice_low"]) == pytest.approx(0.8)


def test_claims_are_listed_with_their_verdict(paper_run):
    text = claims_markdown(judge_claims(paper_run))
    beats = next(line for line in lines(text) if "ReCoSeg++ segments better than UNet2D." in line)
    assert cells(beats)[1:4] == ["the paper", "whole volumes", "held"]
    assert cells(beats)[-1] == "4"
    assert "further claims" in text
    assert "sub-" not in text


def test_published_numbers_by_data_set():
    assert [float(score) for score in published("BraTS2021")["ReCoSeg++"]] == [93.02, 86.7]
    assert published("Simulated") == {}
