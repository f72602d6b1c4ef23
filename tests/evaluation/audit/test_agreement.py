"""A clean table passes; whatever is doctored in it is found where it stands."""

import copy
import json

import pytest

from recoseg_hf.evaluation.audit import audit_results


@pytest.fixture(scope="module")
def table(paper_run):
    return json.loads((paper_run / "results.json").read_text())


def doctored(table, path, value):
    changed = copy.deepcopy(table)
    *way, last = path.split(".")
    place = changed
    for key in way:
        place = place[key]
    place[last] = value
    return changed


def test_a_clean_table_passes(table):
    audit = audit_results(table)
    assert audit.errors == ()
    assert {finding.check for finding in audit.findings} == {"oracle_slices"}
    assert len(audit.pairs) == 6 * len(table["results"]["Simulated"])


@pytest.mark.parametrize(
    ("path", "value", "check", "where"),
    [
        ("results.Simulated.unet2d.volume.iou.value", 0.1, "impossible_pair", "results.Simulated.unet2d.volume"),
        ("results.Simulated.unet2d.pooled.dice.value", 0.9, "impossible_pair", "results.Simulated.unet2d.pooled"),
        (
            "results.Simulated.unet2d.volume.recall.interval", [0.01, 0.02], "bad_interval",
            "results.Simulated.unet2d.volume.recall",
        ),
        ("results.Simulated.unet2d.n", 40, "wrong_n", "results.Simulated.unet2d"),
        (
            "results.Simulated.unet2d.paper.oracle_slices", False, "unmarked_oracle",
            "results.Simulated.unet2d.paper",
        ),
        (
            "differences.Simulated.unet2d.volume.volume.dice",
            {"value": 0.1, "interval": [0.05, 0.15], "n": 6, "n_undefined": 0, "higher": 6, "lower": 0},
            "wrong_difference", "differences.Simulated.unet2d.volume.volume.dice",
        ),
        (
            "differences.Simulated.recoseg_plus_plus.paper.slice.iou.value", 0.04, "wrong_difference",
            "differences.Simulated.recoseg_plus_plus.paper.slice.iou",
        ),
    ],
)  # fmt: skip
def test_what_is_doctored_is_found(table, path, value, check, where):
    audit = audit_results(doctored(table, path, value))
    assert (check, where) in [(finding.check, finding.where) for finding in audit.errors]


def test_differences_of_regions_are_looked_at_too(regions_run):
    table = json.loads((regions_run / "results.json").read_text())
    assert audit_results(table).errors == ()
    place = "differences.Simulated.recoseg_small.regions.et.volume.dice"
    found = audit_results(doctored(table, f"{place}.value", 0.3)).errors
    assert ("wrong_difference", place) in [(finding.check, finding.where) for finding in found]


def test_rows_of_different_subjects_are_told_of(table):
    row = doctored(table["results"]["Simulated"]["unet2d"], "n", 5)
    audit = audit_results(doctored(table, "results.Simulated.unet2d", doctored(row, "outcomes", {"overlap": 5})))
    assert audit.errors == ()
    told = [finding.message for finding in audit.findings if finding.check == "different_n"]
    assert told == ["The rows stand on 5 and 6 subjects: not one set, so not to be compared."]


@pytest.mark.parametrize(
    "content", [{"results": 3, "differences": {}}, {"results": {"A": 3}, "differences": {"A": 4}}]
)
def test_other_files_of_such_names(content):
    assert audit_results(content).findings == ()


def test_a_difference_over_fewer_subjects_is_not_judged(table):
    changed = doctored(table, "differences.Simulated.unet2d.volume.volume.dice.n", 3)
    assert (
        audit_results(doctored(changed, "differences.Simulated.unet2d.volume.volume.dice.value", -0.19)).errors == ()
    )
