"""Every metric against MONAI or arithmetic by hand, and the edge cases row by row."""

import math

import numpy as np
import pytest

from recoseg_hf.evaluation.metrics.overlap import EMPTY_MASK_TABLE, Counts, counts, dice, iou, precision, recall
from tests.evaluation.masks import edge_masks

SHAPE = (9, 8, 7)
METRICS = {"dice": dice, "iou": iou, "precision": precision, "recall": recall}


def random_masks(seed):
    """Two masks of a random density each, sometimes empty or full."""
    generator = np.random.default_rng(seed)
    densities = generator.choice([0.0, 0.02, 0.3, 0.7, 1.0], size=2)
    return [generator.random(SHAPE) < density for density in densities]


class TestCounts:
    def test_each_kind_of_voxel(self):
        assert counts([1, 1, 1, 0, 0, 0, 0], [1, 1, 0, 1, 0, 0, 0]) == Counts(2, 1, 1, 3)

    def test_any_non_zero_voxel_is_inside(self):
        assert counts(np.array([0, 255, 1]), np.array([0, 2, 4])) == Counts(2, 0, 0, 1)

    @pytest.mark.parametrize("seed", range(8))
    def test_slices_add_up_to_the_volume(self, seed):
        prediction, reference = random_masks(seed)
        slices = [counts(prediction[..., k], reference[..., k]) for k in range(SHAPE[2])]
        assert sum(slices, Counts()) == counts(prediction, reference)

    def test_differing_shapes_name_both(self):
        with pytest.raises(ValueError, match=r"prediction \(2, 3\), reference \(3, 2\)"):
            counts(np.zeros((2, 3)), np.zeros((3, 2)))


class TestOverlap:
    def test_values_by_hand(self):
        count = Counts(true_positive=3, false_positive=1, false_negative=2, true_negative=10)
        assert dice(count) == 6 / 9
        assert iou(count) == 3 / 6
        assert precision(count) == 3 / 4
        assert recall(count) == 3 / 5

    @pytest.mark.parametrize(
        ("outcome", "count", "expected"),
        [
            ("both_empty", Counts(0, 0, 0, 5), (None, None, None, None)),
            ("empty_reference", Counts(0, 3, 0, 2), (0, 0, 0, None)),
            ("empty_prediction", Counts(0, 0, 3, 2), (0, 0, None, 0)),
            ("disjoint", Counts(0, 2, 3, 0), (0, 0, 0, 0)),
            ("overlap", Counts(4, 0, 0, 1), (1, 1, 1, 1)),
        ],
    )
    def test_edge_cases(self, outcome, count, expected):
        assert count.outcome == outcome
        assert tuple(metric(count) for metric in METRICS.values()) == expected

    def test_the_table_has_every_metric(self):
        assert list(EMPTY_MASK_TABLE) == ["both_empty", "empty_reference", "empty_prediction"]
        assert all(set(row) == {*METRICS, "hd95_mm", "nsd"} for row in EMPTY_MASK_TABLE.values())

    def test_no_empty_mask_has_a_distance(self):
        assert {row["hd95_mm"] for row in EMPTY_MASK_TABLE.values()} == {None}

    @pytest.mark.parametrize("seed", range(20))
    def test_dice_and_iou_agree_with_monai(self, seed):
        torch = pytest.importorskip("torch")
        monai = pytest.importorskip("monai.metrics")
        prediction, reference = random_masks(seed)
        as_batch = [torch.as_tensor(mask[None, None]) for mask in (prediction, reference)]
        count = counts(prediction, reference)
        for ours, theirs in ((dice(count), monai.DiceMetric), (iou(count), monai.MeanIoU)):
            # With ignore_empty=False MONAI scores agreement on "nothing" as 1, which our table declines to score.
            expected = float(theirs(include_background=True, ignore_empty=False)(*as_batch))
            assert (expected, ours) == (1, None) if ours is None else ours == pytest.approx(expected, abs=1e-6)

    @pytest.mark.parametrize("name", list(edge_masks()))
    def test_edge_case_masks_agree_with_scikit_learn(self, name):
        sklearn = pytest.importorskip("sklearn.metrics")
        prediction, reference = edge_masks()[name]
        theirs = {
            "dice": sklearn.f1_score, "iou": sklearn.jaccard_score,
            "precision": sklearn.precision_score, "recall": sklearn.recall_score,
        }  # fmt: skip
        for metric, function in theirs.items():
            expected = function(reference.ravel(), prediction.ravel(), zero_division=0)
            ours = METRICS[metric](counts(prediction, reference))
            # Where scikit-learn would divide 0 by 0 it is told to give 0, and our table may say "not defined".
            assert expected == 0 if ours is None else ours == pytest.approx(expected, abs=1e-12)

    @pytest.mark.parametrize("seed", range(20))
    def test_precision_and_recall_agree_with_monai(self, seed):
        torch = pytest.importorskip("torch")
        monai = pytest.importorskip("monai.metrics")
        prediction, reference = random_masks(seed)
        # Not bool: MONAI adds the masks and looks for 2, which bool tensors never reach.
        as_batch = [torch.as_tensor(mask[None, None], dtype=torch.float32) for mask in (prediction, reference)]
        matrix = monai.get_confusion_matrix(*as_batch)
        for metric in ("precision", "recall"):
            expected = float(monai.compute_confusion_matrix_metric(metric, matrix))
            ours = METRICS[metric](counts(prediction, reference))
            assert math.isnan(expected) if ours is None else ours == pytest.approx(expected, abs=1e-6)
