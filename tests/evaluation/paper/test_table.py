"""The table as Markdown and CSV."""

import csv
import json

import pytest

from recoseg_hf.evaluation.paper.folder import PaperFolder
from recoseg_hf.evaluation.paper.score_tables import title
from recoseg_hf.evaluation.paper.summary_table import shown_cells, summary_csv, summary_table
from recoseg_hf.evaluation.paper.table import claims_markdown, published, table_csv, table_markdown
from recoseg_hf.evaluation.paper.verdicts import judge_claims
from recoseg_hf.evaluation.systems.rows import ROWS
from tests.evaluation.paper_runs import SUBJECTS, write_run


@pytest.fixture(scope="module")
def whole(paper_run):
    return json.loads((paper_run / "results.json").read_text())


def cells(line):
    return [cell.strip() for cell in line.strip("|").replace("\\|", "/").split("|")]


def lines(text):
    return [line for line in text.splitlines() if line.startswith("|")]


def test_both_tables_have_a_line_for_each_row(whole):
    found = lines(table_markdown(whole, further=False))
    size = 2 + len(whole["results"]["Simulated"])
    assert len(found) == 3 * size
    assert [len(cells(line)) for line in found] == [7] * size + [8] * size + [7] * size
    dice = whole["results"]["Simulated"]["unet2d"]["volume"]["dice"]
    expected = f"{dice['value']:.3f} [{dice['interval'][0]:.3f}, {dice['interval'][1]:.3f}]"
    assert next(cells(line) for line in found[size:] if cells(line)[0] == "UNet2D")[1] == expected


def test_a_bar_in_a_title_ends_no_cell(tmp_path):
    folder = write_run(tmp_path, {"unet2d_static": 0.1})
    found = lines(table_markdown(json.loads((folder / "results.json").read_text())))
    assert [len(cells(found[place])) for place in (2, 5)] == [7, 8]
    assert found[2].startswith("| static residual \\|T1ce - T1\\| |")


def test_the_papers_shape_has_a_pair_for_each_data_set(whole):
    results = whole["results"]["Simulated"]
    found = summary_table({"BraTS2021": results, "Simulated": results})
    assert [(pair["data"], pair["published"], pair["n"]) for pair in found["pairs"]] == [
        ("BraTS2021", False, 6), ("BraTS2021", True, None), ("Simulated", False, 6), ("BraTS2020", True, None),
    ]  # fmt: skip
    lines_of = {line["row"]: line["cells"] for line in found["rows"]}
    assert list(lines_of) == ["unet2d", "unet2d_t1ce", "ddmm_synth", "recoseg_plus_plus"]
    ours, theirs, again, _ = lines_of["recoseg_plus_plus"]
    assert ours == again
    assert ours["dice_percent"] == pytest.approx(
        100 * results["recoseg_plus_plus"]["volume"]["dice"]["value"], abs=0.005
    )
    assert theirs == {"dice_percent": 93.02, "iou_percent": 86.7}
    assert lines_of["unet2d_t1ce"][1] == {"dice_percent": None, "iou_percent": None}
    assert shown_cells(found, found["rows"][3])[2:4] == ["93.02", "86.7"]
    assert shown_cells(found, found["rows"][1])[2:4] == ["", ""]
    assert shown_cells(found, found["rows"][0])[0] == f"{lines_of['unet2d'][0]['dice_percent']:.1f}"
    table = {line["row"]: line for line in csv.DictReader(summary_csv(found).splitlines())}
    assert float(table["recoseg_plus_plus"]["BraTS2021_published_iou_percent"]) == 86.7
    assert table["unet2d_t1ce"]["BraTS2020_published_dice_percent"] == ""


def test_an_audit_does_not_take_the_papers_pairs_for_ours(whole):
    from recoseg_hf.evaluation.audit import audit_results

    with_table = whole | {"table": summary_table({"BraTS2021": whole["results"]["Simulated"]})}
    assert audit_results(with_table) == audit_results(whole)


def test_csv_has_surfaces_and_lesions(whole):
    found = {line["row"]: line for line in csv.DictReader(table_csv(whole).splitlines())}
    assert float(found["unet2d"]["surface_nsd"]) == pytest.approx(0.8)
    assert float(found["unet2d"]["lesions_dice_low"]) == pytest.approx(0.8)


def test_claims_are_listed_with_their_verdict(paper_run):
    text = claims_markdown(judge_claims(PaperFolder.read(paper_run)))
    beats = next(line for line in lines(text) if "ReCoSeg++ segments better than UNet2D." in line)
    assert cells(beats)[1:4] == ["the paper", "whole volumes", "held"]
    assert cells(beats)[4].count(", p = 0.031") == 2  # Dice and IoU
    assert cells(beats)[-2:] == ["", "6"]
    assert "further claims" in text
    assert "would be decided by chance, at 5 % each" in text
    assert "sub-" not in text


def test_an_undecided_claim_says_what_the_interval_alone_would(tmp_path):
    run = write_run(tmp_path, {"unet2d": 0.2, "unet2d_t1ce": 0.02}, subjects=SUBJECTS[:4])
    text = claims_markdown(judge_claims(PaperFolder.read(run)))
    beats = next(line for line in lines(text) if "UNet2D + T1ce segments better than UNet2D." in line)
    assert cells(beats)[3] == "undecided (the interval alone: held)"
    assert cells(beats)[4].count(", p = 0.12") == 2
    assert "With fewer than 6 subjects p cannot get there" in text
    assert "With n = 4 subjects the intervals are too narrow" in text
    assert "another seed may change a mean" in text


def test_results_of_an_earlier_version_have_no_p(whole):
    earlier = json.loads(json.dumps(whole), object_hook=lambda one: {k: v for k, v in one.items() if k != "p"})
    assert ", p = 0.031" in table_markdown(whole)
    assert "p = " not in table_markdown(earlier)


def test_published_numbers_by_data_set():
    assert [float(score) for score in published("BraTS2021")["ReCoSeg++"]] == [93.02, 86.7]
    assert published("Simulated") == {}


class TestFurtherTables:
    def test_each_has_a_heading_and_its_scores(self, whole):
        text = table_markdown(whole)
        sections = {part.splitlines()[0]: part for part in text.split("\n### ")[1:]}
        results = whole["results"]["Simulated"]
        for heading, side in (
            ("Slices and pooled voxels, whole volumes", results["unet2d"]),
            ("Slices and pooled voxels, as the paper (oracle slices)", results["unet2d"]["paper"]),
        ):
            line = next(cells(one) for one in lines(sections[heading]) if cells(one)[0] == "UNet2D")
            assert line[1].startswith(f"{side['slice']['dice']['value']:.3f} [")
            assert line[2].startswith(f"{side['slice']['iou']['value']:.3f} [")
            assert line[3] == str(side["slice"]["n_slices"])
            assert line[5].startswith(f"{side['pooled']['iou']['value']:.3f} [")
        drawn = lines(sections["The synthetic T1ce against the measured one"])
        assert {"MAE, whole tumour", "SSIM, enhancing tumour"} < set(cells(drawn[0]))
        assert [cells(line)[0] for line in drawn[2:]] == ["ReCoSeg++"]
        cues = next(part for heading, part in sections.items() if "AUPRC" in heading)
        assert [cells(line)[0] for line in lines(cues)] == [
            "cue", "---", "Residual of ReCoSeg++", "FLAIR intensity", "/T1ce - T1/",
            "Guessing (the region's share of the brain)",
        ]  # fmt: skip
        assert not any("Tumour core" in heading for heading in sections)
        assert "### " not in table_markdown(whole, further=False)

    def test_inner_regions_with_their_paired_difference(self, regions_run):
        text = table_markdown(json.loads((regions_run / "results.json").read_text()))
        part = text[text.index("### Enhancing tumour (ET)") :]
        small = next(cells(line) for line in lines(part) if cells(line)[0] == "ReCoSeg small")
        assert small[1:3] == ["0.800 [0.800, 0.800]", "+0.200 [+0.200, +0.200], p = 0.031"]

    def test_the_csv_has_them_too(self, whole, regions_run):
        found = {line["row"]: line for line in csv.DictReader(table_csv(whole).splitlines())}
        line, result = found["recoseg_plus_plus"], whole["results"]["Simulated"]["recoseg_plus_plus"]
        difference = whole["differences"]["Simulated"]["recoseg_plus_plus"]["paper"]["volume"]["iou"]
        for name, expected in {
            "paper_pooled_dice_low": result["paper"]["pooled"]["dice"]["interval"][0],
            "slice_iou": result["slice"]["iou"]["value"],
            "n_slices": result["slice"]["n_slices"],
            "synthesis_et_ssim": result["synthesis"]["tumour"]["et"]["ssim"]["value"],
            "flicker_through_plane": result["synthesis"]["flicker"]["through_plane"]["value"],
            "auprc_residual_et": result["cues"]["residual"]["et"]["average_precision"]["value"],
            "difference_paper_iou": difference["value"],
            "difference_paper_iou_p": 2 / 2**6,
        }.items():
            assert float(line[name]) == pytest.approx(expected), name
        assert found["unet2d"]["synthesis_psnr"] == found["unet2d_t1ce"]["difference_volume_dice"] == ""
        regions = json.loads((regions_run / "results.json").read_text())
        found = {line["row"]: line for line in csv.DictReader(table_csv(regions).splitlines())}
        assert float(found["recoseg_small"]["difference_et_dice"]) == pytest.approx(0.2)
        assert float(found["small_t1ce"]["tc_dice"]) == pytest.approx(0.6)


def test_rows_come_in_the_tables_order_whatever_that_of_the_file(whole):
    equal = {row: {"0.5": {"dice": one["volume"]["dice"], "minus_baseline": None}} for row, one in results_of(whole)}
    shuffled = {name: dict(sorted(rows.items())) for name, rows in whole["results"].items()}
    assert list(shuffled["Simulated"]) != [row for row, _ in results_of(whole)]
    given = whole | {"results": shuffled, "equal_thresholds": {"Simulated": dict(sorted(equal.items()))}}
    text = table_markdown(given)
    expected = [title(row) for row, _ in results_of(whole)]
    order = [cells(line)[0] for line in lines(text)]
    for start, name in enumerate(order):
        if name == expected[0]:
            assert order[start : start + 4] == expected
    assert order.count(expected[0]) == 6
    rows = [line["row"] for line in csv.DictReader(table_csv(given).splitlines())]
    assert rows == [row for row, _ in results_of(whole)]


def results_of(whole):
    found = whole["results"]["Simulated"]
    return [(row, found[row]) for row in ROWS if row in found]
