"""Claims against runs whose outcome is known, and against what a run may lack."""

import json

import numpy as np
import pytest

from recoseg_hf.errors import InputError
from recoseg_hf.evaluation.paper.claims import CLAIMS, OURS, PAPER, PAPER_CLAIMS, judge_claims, verdict_counts
from recoseg_hf.evaluation.paper.evidence import (
    DID_NOT_HOLD,
    HELD,
    NOT_MEASURED,
    UNDECIDED,
    Better,
    Marks,
    Measurement,
    OwnSetting,
)
from recoseg_hf.evaluation.systems.rows import ROWS
from recoseg_hf.files import write_json
from tests.evaluation.paper_runs import SUBJECTS, sweeps, write_run


def verdicts(folder, test, protocol="volume"):
    found = [one for one in judge_claims(folder) if one.claim.test == test and one.protocol == protocol]
    assert found, test
    return found[0]


def dice(folder, row):
    result = json.loads((folder / "Simulated" / "results" / f"{row}.json").read_text())
    return {record["subject"]: record["dice"] for record in result["subjects"]}


class TestDecisions:
    @pytest.mark.parametrize(
        ("interval", "outcome"),
        [((0.01, 0.2), HELD), ((-0.2, -0.01), DID_NOT_HOLD), ((-0.1, 0.2), UNDECIDED), ((0, 0.2), UNDECIDED)],
    )
    def test_an_interval_decides(self, interval, outcome):
        assert Measurement("Dice", 0.1, interval, 4).outcome == outcome

    def test_one_subject_decides_nothing(self):
        assert Measurement("Dice", 0.1, None, 1).outcome == UNDECIDED
        assert Measurement("Dice", why="no").outcome == NOT_MEASURED


class TestRows:
    def test_a_difference_that_results_json_does_not_hold(self, paper_run):
        found = verdicts(paper_run, Better("recoseg_plus_plus", "unet2d"))
        a, b = dice(paper_run, "recoseg_plus_plus"), dice(paper_run, "unet2d")
        measured = found.measurements[0]
        assert found.outcome == HELD
        assert measured.value == pytest.approx(np.mean([a[name] - b[name] for name in SUBJECTS]))
        assert measured.interval[0] < measured.value < measured.interval[1]
        assert (measured.n, measured.higher, measured.lower) == (4, 4, 0)

    def test_a_difference_to_the_baseline_needs_no_subjects(self, paper_run, tmp_path):
        test = Better("recoseg_plus_plus", "unet2d_t1ce")
        (tmp_path / "results.json").write_bytes((paper_run / "results.json").read_bytes())
        assert verdicts(tmp_path, test) == verdicts(paper_run, test)
        without = verdicts(tmp_path, Better("recoseg_plus_plus", "unet2d"))
        assert without.outcome == NOT_MEASURED
        assert without.measurements[0].why == "the rows' own results are not in the folder"

    def test_the_contrary_is_said(self, tmp_path):
        folder = write_run(tmp_path, {"unet2d": 0.01, "unet2d_t1ce": 0.2})
        assert verdicts(folder, Better("unet2d_t1ce", "unet2d")).outcome == DID_NOT_HOLD
        assert verdicts(folder, Better("unet2d_t1ce", "unet2d"), "paper").outcome == DID_NOT_HOLD

    def test_equal_rows_leave_it_open(self, tmp_path):
        folder = write_run(tmp_path, {"unet2d": 0.1, "unet2d_t1ce": 0.1})
        assert verdicts(folder, Better("unet2d_t1ce", "unet2d")).outcome == UNDECIDED

    def test_a_row_that_was_not_run(self, paper_run):
        found = verdicts(paper_run, Better("recoseg_plus_plus", "recoseg"))
        assert found.outcome == NOT_MEASURED
        assert found.measurements[0].why == "not in this run: ReCoSeg"

    def test_other_subjects_are_not_compared_nor_named(self, tmp_path):
        folder = write_run(tmp_path, {"unet2d": 0.1, "unet2d_t1ce": 0.1})
        file = folder / "Simulated" / "results" / "unet2d.json"
        file.write_text(file.read_text().replace("sub-one", "sub-other"))
        found = verdicts(folder, Better("unet2d_t1ce", "unet2d"))
        assert found.measurements[0].why == "the rows were judged on different subjects"
        assert "sub-" not in json.dumps([verdict.as_json() for verdict in judge_claims(folder)])

    def test_enhancing_tumour_where_rows_have_it(self, regions_run):
        found = verdicts(regions_run, Better("recoseg_small", "small_t1ce", ("dice",), region="et"))
        assert (found.outcome, found.measurements[0].score) == (HELD, "Dice (ET)")
        assert found.measurements[0].value == pytest.approx(0.2)
        without = verdicts(regions_run, Better("three_regions", "small_t1ce", ("dice",), region="et"))
        assert without.measurements[0].why == "without ET: ReCoSeg++, WT, TC and ET"


class TestResidual:
    def test_it_marks_what_it_was_made_to_mark(self, paper_run):
        assert verdicts(paper_run, Marks("recoseg_plus_plus", "et", "static_residual")).outcome == HELD
        against_flair = verdicts(paper_run, Marks("recoseg_plus_plus", "wt", "flair"))
        assert (against_flair.outcome, against_flair.measurements[0].lower) == (DID_NOT_HOLD, 4)


class TestSettings:
    TEST = OwnSetting("recoseg_plus_plus", "mask_threshold", "0.3", ("0.4", "0.5"))

    @pytest.fixture
    def run(self, tmp_path):
        return write_run(tmp_path, {"recoseg_plus_plus": 0.05})

    def test_its_own_threshold_against_others(self, run):
        assert verdicts(run, self.TEST).measurements[0].why == "no sweep of settings: ReCoSeg++"
        write_json(run / "Simulated" / "sweeps" / "recoseg_plus_plus.json", sweeps(gain=0.01))
        found = verdicts(run, self.TEST)
        assert found.outcome == HELD
        assert [one.score for one in found.measurements] == ["Dice against 0.4", "Dice against 0.5"]
        assert found.measurements[0].value == pytest.approx(0.01)
        assert found.measurements[0].interval == pytest.approx((0.005, 0.015))
        assert found.measurements[0].higher == 4

    def test_another_own_threshold_says_nothing(self, run):
        write_json(run / "Simulated" / "sweeps" / "recoseg_plus_plus.json", sweeps(own=0.5))
        assert verdicts(run, self.TEST).measurements[0].why == "the model's own setting is 0.5"

    @pytest.mark.parametrize(("loss", "outcome"), [(0.005, HELD), (0.02, UNDECIDED), (0.1, DID_NOT_HOLD)])
    def test_a_margin_may_be_lost(self, run, loss, outcome):
        write_json(run / "Simulated" / "sweeps" / "recoseg_plus_plus.json", sweeps(gain=loss))
        found = [one for one in judge_claims(run) if "with no residual" in one.claim.text]
        assert [one.outcome for one in found] == [outcome]
        assert found[0].measurements[0].value == pytest.approx(0.02 - loss)


def test_every_claim_is_of_rows_that_there_are():
    named = {getattr(claim.test, side, None) for claim in CLAIMS for side in ("row", "base")} - {None}
    assert named <= set(ROWS)
    assert {claim.by for claim in CLAIMS} == {PAPER, OURS}
    assert len({claim.text for claim in CLAIMS}) == len(CLAIMS)


def test_the_paper_s_own_numbers_stand_beside_its_claims():
    beats = next(claim for claim in PAPER_CLAIMS if claim.test == Better("recoseg_plus_plus", "recoseg"))
    assert beats.published() == {
        "BraTS2020": {"dice": -1.9, "iou": 1.1},
        "BraTS2021": {"dice": 1.82, "iou": 3.1},
    }


def test_each_data_set_has_every_claim(tmp_path):
    folder = write_run(tmp_path, {"unet2d_t1ce": 0.1}, sets=("A", "B"))
    found = judge_claims(folder)
    for data in ("A", "B"):
        assert {one.claim for one in found if one.data == data} == set(CLAIMS)
    assert verdict_counts(found) == {HELD: 0, DID_NOT_HOLD: 0, UNDECIDED: 0, NOT_MEASURED: len(found)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file or directory; expected a file to read"),
        ("{}", "no options, results and differences"),
        ('{"options": {}, "results": {"A": {"unet2d": {"n": 3}}}, "differences": {}}', "row unet2d is no result"),
        ("text", "it is no JSON"),
    ],
)
def test_a_folder_of_something_else(tmp_path, content, message):
    if content:
        (tmp_path / "results.json").write_text(content)
    with pytest.raises(InputError, match=message):
        judge_claims(tmp_path)
