"""Claims against runs whose outcome is known, and against what a run may lack."""

import json
import shutil

import numpy as np
import pytest

from recoseg_hf.errors import InputError
from recoseg_hf.evaluation.paper.claims import CLAIMS, OURS, PAPER, PAPER_CLAIMS, Claim
from recoseg_hf.evaluation.paper.criteria import AtLeastAsGood, Better, Marks, OwnSetting
from recoseg_hf.evaluation.paper.folder import PaperFolder
from recoseg_hf.evaluation.paper.measurement import DID_NOT_HOLD, HELD, NOT_MEASURED, UNDECIDED, Measurement
from recoseg_hf.evaluation.paper.verdicts import chance_in_words, judge_claims, verdict_counts
from recoseg_hf.evaluation.systems.rows import ROWS
from recoseg_hf.files import write_json
from tests.evaluation.paper_runs import SUBJECTS, result, sweeps, with_regions, write_results, write_run, write_sweeps


def judged(folder):
    return judge_claims(PaperFolder.read(folder))


def verdicts(folder, test, protocol="volume"):
    found = [one for one in judged(folder) if one.claim.test == test and one.protocol == protocol]
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
    def test_an_interval_and_p_decide(self, interval, outcome):
        assert Measurement("Dice", 0.1, interval, 6, p=0.04).outcome == outcome
        assert Measurement("Dice", 0.1, interval, 6, p=0.04).doubt == ""
        assert Measurement("Dice", 0.1, interval, 6, p=0.05).outcome == UNDECIDED
        assert Measurement("Dice", 0.1, interval, 6, p=0.05).by_interval == outcome

    @pytest.mark.parametrize(
        ("n", "p", "why"),
        [
            (6, 0.0625, "p is not below 0.05"),
            (6, None, "p is not known"),
            (5, 0.0625, "fewer than 6 subjects decide nothing"),
        ],
    )
    def test_what_the_interval_alone_would_say_is_told(self, n, p, why):
        assert Measurement("Dice", 0.1, (0.01, 0.2), n, p=p).doubt == f"the interval alone says held, but {why}"

    def test_one_subject_decides_nothing(self):
        assert Measurement("Dice", 0.1, None, 1).outcome == UNDECIDED
        assert Measurement("Dice", why="no").outcome == NOT_MEASURED

    def test_an_interval_beside_0_is_not_enough_where_one_of_six_subjects_disagrees(self):
        bootstrap = {"seed": 0, "resamples": 2000, "level": 0.95}
        found = Measurement.of_values("Dice", [0.04, 0.05, 0.06, 0.05, 0.04, -0.001], bootstrap)
        assert found.interval[0] > 0
        assert (found.p, found.outcome, found.by_interval) == (0.0625, UNDECIDED, HELD)
        assert Measurement.of_values("Dice", [0.04, 0.05, 0.06, 0.05, 0.04, 0.001], bootstrap).outcome == HELD

    def test_fewer_than_six_subjects_decide_no_claim(self, tmp_path):
        folder = write_run(tmp_path, {"unet2d": 0.2, "unet2d_t1ce": 0.02}, subjects=SUBJECTS[:4])
        found = verdicts(folder, Better("unet2d_t1ce", "unet2d"))
        assert (found.outcome, found.by_interval, found.measurements[0].p) == (UNDECIDED, HELD, 0.125)
        assert found.as_json()["by_interval_alone"] == HELD
        assert found.as_json()["measurements"][0]["p"] == 0.125
        assert not {HELD, DID_NOT_HOLD} & {one.outcome for one in judged(folder)}


class TestRows:
    def test_a_difference_that_results_json_does_not_hold(self, paper_run):
        found = verdicts(paper_run, Better("recoseg_plus_plus", "unet2d"))
        a, b = dice(paper_run, "recoseg_plus_plus"), dice(paper_run, "unet2d")
        measured = found.measurements[0]
        assert found.outcome == HELD
        assert measured.value == pytest.approx(np.mean([a[name] - b[name] for name in SUBJECTS]))
        assert measured.interval[0] < measured.value < measured.interval[1]
        assert (measured.n, measured.higher, measured.lower, measured.p) == (6, 6, 0, 2 / 2**6)

    def test_a_difference_to_the_baseline_needs_no_subjects(self, paper_run, tmp_path):
        test = Better("recoseg_plus_plus", "unet2d_t1ce")
        (tmp_path / "results.json").write_bytes((paper_run / "results.json").read_bytes())
        assert verdicts(tmp_path, test) == verdicts(paper_run, test)
        without = verdicts(tmp_path, Better("recoseg_plus_plus", "unet2d"))
        assert without.outcome == NOT_MEASURED
        assert without.measurements[0].why == "the rows' own results are not in the folder"

    def test_a_difference_of_an_earlier_version_is_tested_by_its_subjects(self, paper_run, tmp_path):
        test = Better("recoseg_plus_plus", "unet2d_t1ce")
        whole = json.loads((paper_run / "results.json").read_text())
        for section in whole["differences"]["Simulated"]["recoseg_plus_plus"]["volume"].values():
            for one in section.values() if isinstance(section, dict) else ():
                if isinstance(one, dict):
                    del one["p"]
        write_json(tmp_path / "results.json", whole)
        found = verdicts(tmp_path, test)
        assert (found.outcome, found.by_interval, found.measurements[0].p) == (UNDECIDED, HELD, None)
        shutil.copytree(paper_run / "Simulated" / "results", tmp_path / "Simulated" / "results")
        assert verdicts(tmp_path, test).measurements[0].p == 2 / 2**6

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
        assert "sub-" not in json.dumps([verdict.as_json() for verdict in judged(folder)])

    def test_enhancing_tumour_where_rows_have_it(self, regions_run):
        found = verdicts(regions_run, Better("recoseg_small", "small_t1ce", ("dice",), region="et"))
        assert (found.outcome, found.measurements[0].score) == (HELD, "Dice (ET)")
        assert found.measurements[0].value == pytest.approx(0.2)
        without = verdicts(regions_run, Better("three_regions", "small_t1ce", ("dice",), region="et"))
        assert without.measurements[0].why == "without ET: ReCoSeg++, WT, TC and ET"


class TestMargin:
    """A row that may lose a little to another."""

    TEST = AtLeastAsGood("unet2d_t1ce", "unet2d")

    def judged(self, folder):
        found = judge_claims(PaperFolder.read(folder), [Claim("No worse.", self.TEST, "here")])
        assert [one.protocol for one in found] == ["volume", "paper"]
        return found

    @pytest.mark.parametrize(("error", "outcome"), [(0.05, HELD), (0.3, DID_NOT_HOLD)])
    def test_it_holds_where_less_is_lost(self, tmp_path, error, outcome):
        folder = write_run(tmp_path, {"unet2d": 0.05, "unet2d_t1ce": error})
        found = self.judged(folder)
        assert [one.outcome for one in found] == [outcome] * 2
        lost = np.mean(list(dice(folder, "unet2d").values())) - np.mean(list(dice(folder, "unet2d_t1ce").values()))
        measured = found[0].measurements[0]
        assert (measured.score, measured.n, measured.p) == ("Dice + 0.02", 6, 2 / 2**6)
        assert measured.value == pytest.approx(0.02 - lost)

    def test_each_subject_is_needed(self, paper_run, tmp_path):
        (tmp_path / "results.json").write_bytes((paper_run / "results.json").read_bytes())
        whole = json.loads((tmp_path / "results.json").read_text())["differences"]["Simulated"]
        found = judge_claims(
            PaperFolder.read(tmp_path), [Claim("No worse.", AtLeastAsGood("recoseg_plus_plus", "unet2d_t1ce"), "here")]
        )
        assert whole["recoseg_plus_plus"]["volume"]["volume"]["dice"]["value"] > 0
        assert found[0].measurements[0].why == "the rows' own results are not in the folder"

    def test_one_threshold_has_the_margin_too(self, paper_run, tmp_path):
        scores = {"unet2d_t1ce": [0.79] * 6, "unet2d": [0.8] * 6}
        own = {"unet2d_t1ce": 0.3, "unet2d": 0.5}
        run = TestOneThreshold.with_thresholds(paper_run, tmp_path, own, scores)
        common = self.judged(run)[0].at_common
        assert [(one.score, one.outcome) for one in common] == [("Dice + 0.02", HELD)]
        assert common[0].value == pytest.approx(0.01)


def test_parts_of_the_method_are_asked_for_in_the_masks_too():
    asked = {claim.test for claim in CLAIMS}
    for row in ("no_attention", "simple_loss", "synthesis_tumour", "synthesis_healthy", "linear_schedule"):
        assert Better("recoseg_plus_plus", row, ("dice",)) in asked
    for base, region in (("small_t1ce", "et"), ("small_t1ce", "tc"), ("small_both", "et"), ("small_both", "tc")):
        assert Better("recoseg_small", base, ("dice",), region=region) in asked
    assert AtLeastAsGood("recoseg_small", "small_wt") in asked


def test_regions_of_rows_that_results_json_does_not_compare(tmp_path):
    rows = {
        "small_both": with_regions(result("small_both", 0.1), 0.6),
        "recoseg_small": with_regions(result("recoseg_small", 0.1), 0.8),
    }
    run = write_results(tmp_path, {"Simulated": rows})
    found = verdicts(run, Better("recoseg_small", "small_both", ("dice",), region="tc"))
    assert (found.outcome, found.measurements[0].score, found.measurements[0].p) == (HELD, "Dice (TC)", 2 / 2**6)


class TestOneThreshold:
    """Two rows with thresholds of their own, and what their masks are worth at one for both."""

    TEST = Better("recoseg_plus_plus", "unet2d")

    @staticmethod
    def with_thresholds(source, target, own, dice):
        values = json.loads((source / "results.json").read_text())
        cuts = {row: {"mask_threshold": tau, "seed_threshold": 0.0} for row, tau in own.items()}
        scores = {row: {"0.5": {"by_subject": found}} for row, found in dice.items()}
        write_json(
            target / "results.json",
            values | {"thresholds": {"Simulated": cuts}, "equal_thresholds": {"Simulated": scores}},
        )
        shutil.copytree(source / "Simulated", target / "Simulated")
        return target

    def test_a_verdict_that_hangs_on_it(self, paper_run, tmp_path):
        dice = {"recoseg_plus_plus": [0.5, 0.6, 0.7] * 2, "unet2d": [0.6, 0.8, 0.8] * 2}
        run = self.with_thresholds(paper_run, tmp_path, {"recoseg_plus_plus": 0.3, "unet2d": 0.5}, dice)
        found = verdicts(run, self.TEST)
        assert (found.outcome, found.common_outcome, found.hangs_on_threshold) == (HELD, DID_NOT_HOLD, True)
        assert [one.score for one in found.at_common] == ["Dice", "IoU"]
        assert found.at_common[0].value == pytest.approx(-0.4 / 3)
        iou = [a / (2 - a) - b / (2 - b) for a, b in ((0.5, 0.6), (0.6, 0.8), (0.7, 0.8))]
        assert found.at_common[1].value == pytest.approx(np.mean(iou))
        assert found.at_common[0].n == 6
        assert found.as_json()["common_outcome"] == DID_NOT_HOLD
        as_paper = verdicts(run, self.TEST, "paper")
        assert (as_paper.common_outcome, as_paper.hangs_on_threshold) == (None, False)

    def test_a_subject_without_the_score_is_left_out(self, paper_run, tmp_path):
        dice = {"recoseg_plus_plus": [0.5, 0.6, 0.7, 0.5, 0.6, None], "unet2d": [0.6, 0.8, 0.8, 0.6, 0.8, 0.9]}
        run = self.with_thresholds(paper_run, tmp_path, {"recoseg_plus_plus": 0.3, "unet2d": 0.5}, dice)
        found = verdicts(run, self.TEST).at_common[0]
        assert (found.n, found.outcome, found.by_interval) == (5, UNDECIDED, DID_NOT_HOLD)

    @pytest.mark.parametrize("own", [{"recoseg_plus_plus": 0.3, "unet2d": 0.3}, {"unet2d": 0.5}])
    def test_rows_cut_alike_or_nobody_knows_how(self, paper_run, tmp_path, own):
        dice = {"recoseg_plus_plus": [0.5] * 6, "unet2d": [0.6] * 6}
        found = verdicts(self.with_thresholds(paper_run, tmp_path, own, dice), self.TEST)
        assert (found.at_common, found.common_outcome, found.hangs_on_threshold) == ((), None, False)

    def test_other_subjects_than_the_tables_say_nothing(self, paper_run, tmp_path):
        dice = {"recoseg_plus_plus": [0.5] * 3, "unet2d": [0.6] * 3}
        run = self.with_thresholds(paper_run, tmp_path, {"recoseg_plus_plus": 0.3, "unet2d": 0.5}, dice)
        assert verdicts(run, self.TEST).at_common == ()


class TestResidual:
    def test_it_marks_what_it_was_made_to_mark(self, paper_run):
        assert verdicts(paper_run, Marks("recoseg_plus_plus", "et", "static_residual")).outcome == HELD
        against_flair = verdicts(paper_run, Marks("recoseg_plus_plus", "wt", "flair"))
        assert (against_flair.outcome, against_flair.measurements[0].lower) == (DID_NOT_HOLD, 6)


class TestSettings:
    TEST = OwnSetting("recoseg_plus_plus", "mask_threshold", "0.3", ("0.4", "0.5"))

    @pytest.fixture
    def run(self, tmp_path):
        return write_run(tmp_path, {"recoseg_plus_plus": 0.05})

    def test_its_own_threshold_against_others(self, run):
        assert verdicts(run, self.TEST).measurements[0].why == "no sweep of settings: ReCoSeg++"
        write_sweeps(run / "Simulated", "recoseg_plus_plus", sweeps(gain=0.01))
        found = verdicts(run, self.TEST)
        assert found.outcome == HELD
        assert [one.score for one in found.measurements] == ["Dice against 0.4", "Dice against 0.5"]
        assert found.measurements[0].value == pytest.approx(0.01)
        assert found.measurements[0].interval == pytest.approx((0.005, 0.015))
        assert found.measurements[0].higher == 6
        assert found.measurements[0].p == 2 / 2**6

    def test_a_sweep_without_its_subjects_decides_nothing(self, run):
        values = sweeps(gain=0.01)
        for point in values["sweeps"]["mask_threshold"].values():
            point["difference"]["dice_wt"].pop("by_subject", None)
        write_sweeps(run / "Simulated", "recoseg_plus_plus", values)
        found = verdicts(run, self.TEST)
        assert (found.outcome, found.by_interval) == (UNDECIDED, HELD)

    def test_another_own_threshold_says_nothing(self, run):
        write_sweeps(run / "Simulated", "recoseg_plus_plus", sweeps(own=0.5))
        assert verdicts(run, self.TEST).measurements[0].why == "the model's own setting is 0.5"

    @pytest.mark.parametrize(
        ("predicted", "why"),
        [
            ({"weights_sha256": "c"}, "measured with other weights than the row's"),
            ({"weights_sha256": "c", "dtype": "bfloat16"}, "measured in float32, predicted in bfloat16"),
            ({"configuration_sha256": "c"}, "measured with another configuration than the row's"),
        ],
    )  # fmt: skip
    def test_a_sweep_of_another_model_is_left_out(self, run, predicted, why):
        write_sweeps(run / "Simulated", "recoseg_plus_plus", sweeps(), **predicted)
        found = verdicts(run, self.TEST)
        assert (found.outcome, found.measurements[0].why) == (NOT_MEASURED, f"{why}: ReCoSeg++")
        assert PaperFolder.read(run).sweeps("Simulated", "recoseg_plus_plus") is None

    def test_a_sweep_must_name_its_weights_and_have_some_to_compare(self, run):
        write_json(run / "Simulated" / "sweeps" / "recoseg_plus_plus.json", sweeps())
        assert "cannot be compared" in verdicts(run, self.TEST).measurements[0].why
        write_sweeps(run / "Simulated", "recoseg_plus_plus", sweeps() | {"measurement": {}})
        assert "that it does not name" in verdicts(run, self.TEST).measurements[0].why

    @pytest.mark.parametrize(("loss", "outcome"), [(0.005, HELD), (0.02, UNDECIDED), (0.1, DID_NOT_HOLD)])
    def test_a_margin_may_be_lost(self, run, loss, outcome):
        write_sweeps(run / "Simulated", "recoseg_plus_plus", sweeps(gain=loss))
        found = [one for one in judged(run) if "with no residual" in one.claim.text]
        assert [one.outcome for one in found] == [outcome]
        assert found[0].measurements[0].value == pytest.approx(0.02 - loss)


def test_every_claim_is_of_rows_that_there_are():
    named = {getattr(claim.test, side, None) for claim in CLAIMS for side in ("row", "base")} - {None}
    assert named <= set(ROWS)
    assert {claim.by for claim in CLAIMS} == {PAPER, OURS}
    assert len({claim.text for claim in CLAIMS}) == len(CLAIMS)


def test_how_many_claims_chance_would_decide_is_counted(paper_run, tmp_path):
    measured = {one.claim for one in judged(paper_run) if one.outcome != NOT_MEASURED}
    assert len(measured) > 3
    told = chance_in_words(judged(paper_run))
    assert told.startswith(f"{len(measured)} claims were measured")
    assert f"about {0.05 * len(measured):.1f} would be decided by chance, at 5 % each" in told
    assert chance_in_words(judged(write_run(tmp_path, {"unet2d_t1ce": 0.1}))) == "No claim was measured."


def test_the_paper_s_own_numbers_stand_beside_its_claims():
    beats = next(claim for claim in PAPER_CLAIMS if claim.test == Better("recoseg_plus_plus", "recoseg"))
    assert beats.published() == {
        "BraTS2020": {"dice": -1.9, "iou": 1.1},
        "BraTS2021": {"dice": 1.82, "iou": 3.1},
    }


def test_each_data_set_has_every_claim(tmp_path):
    folder = write_run(tmp_path, {"unet2d_t1ce": 0.1}, sets=("A", "B"))
    found = judged(folder)
    for data in ("A", "B"):
        assert {one.claim for one in found if one.data == data} == set(CLAIMS)
    assert verdict_counts(found) == {HELD: 0, DID_NOT_HOLD: 0, UNDECIDED: 0, NOT_MEASURED: len(found)}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file or directory; expected a file of that script"),
        ("{}", "no options, results and differences"),
        ('{"options": {}, "results": {"A": {"unet2d": {"n": 3}}}, "differences": {}}', "row unet2d is no result"),
        ("text", "it is no JSON"),
    ],
)
def test_a_folder_of_something_else(tmp_path, content, message):
    if content:
        (tmp_path / "results.json").write_text(content)
    with pytest.raises(InputError, match=message):
        judged(tmp_path)
