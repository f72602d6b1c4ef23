"""Numbers and picture of a label ladder, from invented Dice."""

import pytest
from PIL import Image

from recoseg_hf.evaluation.intervals import bootstrap_interval, paired_difference_interval
from recoseg_hf.evaluation.paper.label_curve import draw_label_curve, label_curve, label_differences


def point(labelled: int, seed: int, unlabelled: str, *dice) -> dict:
    lower = [None if value is None else value / 2 for value in dice]
    return {
        "labelled_subjects": labelled, "label_seed": seed, "unlabelled": unlabelled,
        "dice": {"0.5": list(dice), "0.15": lower},
    }  # fmt: skip


POINTS = [
    point(10, 0, "none", 0.8, 0.9, 0.7),
    point(1, 0, "none", 0.2, 0.4, 0.6),
    point(1, 1, "none", 0.4, 0.8, 0.6),
    point(1, 0, "mean_teacher", 0.3, 0.5, 0.9),
]


class TestCurve:
    def test_rows_go_from_few_labels_to_many(self):
        rows = [(row["labelled_subjects"], row["unlabelled"], row["threshold"]) for row in label_curve(POINTS)]
        uses = [(1, "mean_teacher"), (1, "none"), (10, "none")]
        assert rows == [(*use, threshold) for use in uses for threshold in (0.5, 0.15)]

    def test_choices_are_averaged_before_subjects_are_drawn(self):
        row = label_curve(POINTS)[2]
        assert (row["n"], row["choices"], row["n_undefined"]) == (3, 2, 0)
        assert row["mean"] == pytest.approx(0.5)
        assert row["mean_of_each_choice"] == pytest.approx([0.4, 0.6])
        assert row["interval"] == pytest.approx(bootstrap_interval([0.3, 0.6, 0.6]), abs=1e-4)

    def test_each_threshold_has_its_own_numbers(self):
        assert [row["mean"] for row in label_curve(POINTS) if row["labelled_subjects"] == 10] == [0.8, 0.4]

    def test_one_subject_has_no_interval(self):
        assert label_curve([point(1, 0, "none", 0.5)])[0]["interval"] is None

    def test_a_subject_without_a_score_is_left_out_and_counted(self):
        row = label_curve([point(1, 0, "none", 0.2, None, 0.4), point(1, 1, "none", 0.4, 0.9, 0.6)])[0]
        assert (row["n"], row["n_undefined"], row["mean"]) == (2, 1, 0.4)

    def test_nobody_with_a_score_is_no_mean(self):
        row = label_curve([point(1, 0, "none", None)])[0]
        assert (row["n"], row["mean"], row["interval"]) == (0, None, None)


class TestDifferences:
    def test_are_paired_by_subject_at_the_choices_run_both_ways(self):
        half, low = label_differences(POINTS)
        assert (half["labelled_subjects"], half["unlabelled"], half["choices"], half["n"]) == (1, "mean_teacher", 1, 3)
        assert half["mean"] == pytest.approx(0.1667, abs=1e-4)  # 0.1, 0.1 and 0.3 more
        expected = paired_difference_interval([0.3, 0.5, 0.9], [0.2, 0.4, 0.6])
        assert half["interval"] == pytest.approx(expected, abs=1e-4)
        assert low["mean"] == pytest.approx(0.0833, abs=1e-4)

    def test_without_another_use_there_are_none(self):
        assert label_differences(POINTS[:3]) == []


class TestPicture:
    def draw(self, points, path):
        draw_label_curve({"curve": label_curve(points), "train_subjects": 10, "caption": "Invented numbers."}, path)
        with Image.open(path) as picture:
            return picture.size, {colour for _, colour in picture.convert("RGB").getcolors(2**20)}

    def test_both_uses_are_drawn_in_colours_told_apart(self, tmp_path):
        _, colours = self.draw(POINTS, tmp_path / "both.png")
        assert {(0, 114, 178), (213, 94, 0)} <= colours

    def test_what_was_not_run_is_not_drawn(self, tmp_path):
        _, colours = self.draw(POINTS[:3], tmp_path / "one.png")
        assert (213, 94, 0) not in colours

    def test_one_threshold_makes_one_panel(self, tmp_path):
        single = [entry | {"dice": {"0.5": entry["dice"]["0.5"]}} for entry in POINTS]
        (one, _), _ = self.draw(single, tmp_path / "one.png")
        (two, _), _ = self.draw(POINTS, tmp_path / "two.png")
        assert one < two

    def test_a_point_without_interval_or_score_is_no_obstacle(self, tmp_path):
        size, _ = self.draw([point(1, 0, "none", 0.5), point(5, 0, "none", None)], tmp_path / "few.png")
        assert min(size) > 500
