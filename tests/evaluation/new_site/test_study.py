import pytest
from PIL import Image

from recoseg_hf.evaluation.new_site.figure import draw_site_study
from recoseg_hf.evaluation.new_site.points import at_threshold, chosen_threshold, points_without_training
from recoseg_hf.evaluation.new_site.study import study_caption, study_table, summarise_study
from recoseg_hf.evaluation.thresholds import THRESHOLDS

BEFORE = {"variant": "before", "mask_threshold": 0.5}


MEASURED = {"every": 1, "image_size": 120, "field_of_view": 192, "residual": "measured", "seen_allowed": False}
CONTEXT = {
    "subjects": {"source_train": 15, "source_test": 4, "target": 6},
    "pretraining_steps": 1200,
    "finetuning": {"steps": 100, "learning_rate": 3e-4},
    "measured": MEASURED | {"tested_drawn_by_trained": 0},
}


def point(variant: str, rotation: int, target: dict, source: dict | None = None, size: int = 1) -> dict:
    scores = {"target": {"wt": target}, "source": {"wt": source or {"0": 0.75}}}
    return {"variant": variant, "size": size, "rotation": rotation, "mask_threshold": 0.5} | scores


@pytest.fixture
def points() -> list[dict]:
    """Three subjects; fine-tuning on each in turn adds 0.2, 0.1 and -0.1 to the other two, and costs 0.25 at home."""
    before = {"0": 0.25, "1": 0.5, "2": 0.75}
    changes = (0.2, 0.1, -0.1)
    tuned = [
        point("none", k, {who: dice + changes[k] for who, dice in before.items() if who != str(k)}, {"0": 0.5})
        for k in range(3)
    ]
    return [BEFORE | {"target": {"wt": before}, "source": {"wt": {"0": 0.75}}}, *tuned]


@pytest.fixture
def result(points) -> dict:
    return {"target": "TCIA", "source": "CBICA", "points": points, "summary": summarise_study(points)} | CONTEXT


class TestSummary:
    def test_every_subject_counts_once_however_often_it_was_tested(self, points):
        target, source = summarise_study(points)
        assert (target["site"], target["region"], target["variant"], target["size"]) == ("target", "wt", "none", 1)
        assert (target["rotations"], target["after"]["n"]) == (3, 3)
        # Subject 0 was tested by rotations 1 and 2, subject 1 by 0 and 2, subject 2 by 0 and 1.
        after = [0.25 + (0.1 - 0.1) / 2, 0.5 + (0.2 - 0.1) / 2, 0.75 + (0.2 + 0.1) / 2]
        assert target["after"]["value"] == pytest.approx(sum(after) / 3)
        assert target["before"]["value"] == pytest.approx(0.5)
        assert target["difference"]["value"] == pytest.approx((0 + 0.05 + 0.15) / 3)
        assert target["difference_of_each_rotation"] == pytest.approx([0.2, 0.1, -0.1])
        assert source["difference"]["value"] == pytest.approx(-0.25)
        assert (source["difference"]["n"], source["difference"]["interval"]) == (1, None)

    def test_before_is_of_those_tested_alone(self, points):
        one = summarise_study([points[0], points[3]])[0]
        assert one["before"]["value"] == pytest.approx((0.25 + 0.5) / 2)
        assert one["after"]["n"] == 2

    def test_undefined_dice_is_left_out(self, points):
        points[0]["target"]["wt"]["0"] = None
        points[1]["target"]["wt"]["1"] = None
        target = summarise_study(points)[0]
        assert target["after"]["n"] == 2
        assert target["difference_of_each_rotation"] == pytest.approx([0.2, 0.1, -0.1])

    def test_without_any_score_nothing_is_made_up(self, points):
        points[0]["target"]["wt"] = dict.fromkeys("012")
        target = summarise_study(points)[0]
        assert target["after"] == {"value": None, "interval": None, "n": 0}
        assert target["difference_of_each_rotation"] == []

    @pytest.mark.parametrize("number", [0, 2])
    def test_one_model_before_is_needed(self, points, number):
        with pytest.raises(ValueError, match=f"{number} points of the model before adaptation; expected one"):
            summarise_study([points[0]] * number + points[1:])


class TestTable:
    def test_numbers_with_n_intervals_and_rotations(self, result):
        table = study_table(result)
        assert "### Dice, WT: from CBICA to TCIA" in table
        row = next(line for line in table.splitlines() if line.startswith("| fine-tuned, every weight"))
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        assert cells[1] == "1"
        assert cells[2].startswith("0.500 [0.250, 0.750]")
        assert cells[4].startswith("+0.067 [")
        assert cells[4].endswith("n = 3")
        assert cells[5:] == ["-0.100 to +0.200, 1 of 3 worse", "-0.250, n = 1"]
        assert table.rstrip().endswith(study_caption(result))

    def test_regions_come_in_their_order_and_recalibration_is_the_whole_tumours(self, points):
        for one in points:
            one["variant"] = one["variant"].replace("none", "threshold")
            for site in ("target", "source"):
                one[site] = {"et": one[site]["wt"], **one[site]}
        result = {"target": "TCIA", "source": "CBICA", "summary": summarise_study(points)} | CONTEXT
        whole, enhancing = study_table(result | {"points": points}).split("### Dice, ET")
        assert "| threshold recalibrated" in whole
        assert "| threshold recalibrated" not in enhancing

    def test_caption_says_what_the_numbers_stand_on(self, result):
        caption = study_caption(result)
        assert caption.startswith(
            "Before: trained on 15 CBICA subjects, 1200 steps. After: 100 steps more on some of 6"
        )
        assert "(120 x 120 pixels of 1.6 mm), all slices with brain; residual: measured, of a" in caption
        assert "of a synthesizer known to be trained on none of those tested. Nothing was chosen by" in caption
        assert "TRAINED ON" not in caption
        result["measured"] = result["measured"] | {"seen_allowed": True, "every": 3, "tested_drawn_by_trained": 2}
        assert "known to be trained on 2 of those tested" in study_caption(result)
        assert study_caption(result).endswith("TESTED SUBJECTS MAY HAVE BEEN TRAINED ON.")
        assert "one in 3 slices with brain" in study_caption(result)
        result["measured"] = result["measured"] | {"residual": None}
        assert "slices with brain; no residual. Nothing was chosen" in study_caption(result)


def curve(best: float) -> list[float]:
    """A Dice for each threshold, highest at `best`."""
    return [1 - abs(threshold - best) for threshold in THRESHOLDS]


class TestPointsWithoutTraining:
    def test_thresholds_come_from_those_who_are_not_tested(self):
        trained, source = {"wt": {"0": curve(0.6), "1": curve(0.6)}}, {"wt": {"0": curve(0.6)}}
        target = {"wt": {"0": curve(0.2), "1": curve(0.3), "2": curve(0.9)}}
        before, first, second = points_without_training(trained, source, target, {1: [["0"]], 2: [["0", "1"]]})
        assert (before["variant"], before["mask_threshold"]) == ("before", 0.6)
        assert before["target"]["wt"]["0"] == pytest.approx(0.6)
        assert (first["variant"], first["size"], first["rotation"], first["group"]) == ("threshold", 1, 0, ["0"])
        assert (first["mask_threshold"], list(first["target"]["wt"])) == (0.2, ["1", "2"])
        assert first["target"]["wt"]["1"] == pytest.approx(0.9)
        assert first["source"]["wt"]["0"] == pytest.approx(0.6)
        assert (second["mask_threshold"], list(second["target"]["wt"])) == (0.3, ["2"])

    def test_one_threshold_of_many(self):
        dice = {"wt": {"0": curve(0.3)}, "tc": {"0": curve(0.5), "1": [None] * len(THRESHOLDS)}}
        assert at_threshold(dice, 0.3) == {"wt": {"0": 1}, "tc": {"0": 1, "1": None}}
        assert at_threshold(dice, 0.3, without=["0"]) == {"wt": {}, "tc": {"1": None}}
        assert at_threshold({"wt": {"0": [0.9, 0.8]}}, 0.3, thresholds=(0.3, 0.5)) == {"wt": {"0": 0.9}}
        assert chosen_threshold(dice, ["0"]) == 0.3


def test_picture_shows_both_sites(result, tmp_path):
    draw_site_study(result, tmp_path / "study.png")
    with Image.open(tmp_path / "study.png") as picture:
        assert picture.size[0] > picture.size[1] > 600
        assert len(picture.convert("RGB").getcolors(2**20)) > 50
