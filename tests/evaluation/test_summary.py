"""The rows a user reads: every number with its interval and n, and what was left out."""

import numpy as np
import pytest

from recoseg_hf.evaluation.aggregation import aggregate
from recoseg_hf.evaluation.comparison import compare_case, compare_synthesis
from recoseg_hf.evaluation.summary import summary_rows
from recoseg_hf.imaging.volume import Volume


def record(predicted, referenced=4):
    """A column of four voxels, of which the first few are inside; two slices, the second empty."""
    data = np.zeros((2, 1, 4, 2), np.uint8)
    data[0, 0, :predicted, 0] = data[1, 0, :referenced, 0] = 1
    return compare_case(*(Volume(mask, np.diag([10.0, 10, 10, 1])) for mask in data))


@pytest.fixture
def rows():
    return dict(summary_rows(aggregate([record(4), record(1), record(0), record(0, 0)], resamples=200)))


def test_numbers_carry_interval_and_n(rows):
    assert rows["Dice per volume"].startswith("0.467 [0.")
    assert rows["Dice per volume"].endswith("], n = 3, 1 undefined left out")
    assert rows["Volume error"].startswith("-1.8 [-")
    assert rows["Volume error"].endswith("] mL, n = 4")


def test_what_the_numbers_stand_on_comes_first(rows):
    assert list(rows)[:4] == ["Region", "Protocol", "Subjects", "Intervals"]
    assert rows["Region"] == "whole tumour"
    assert rows["Protocol"] == "volume: every axial slice, native grid"
    assert rows["Subjects"] == "4 (1 both empty, 1 empty prediction, 2 overlap)"
    assert rows["Intervals"] == "95 %, bootstrap over subjects"


def test_slices_are_counted(rows):
    assert rows["Dice per slice"].endswith("n = 3 (3 slices; 5 empty in both left out), 1 undefined left out")


def test_undefined_numbers_say_so():
    rows = dict(summary_rows(aggregate([record(0, 0)])))
    assert rows["IoU pooled"] == "undefined, n = 0, 1 undefined left out"


def test_one_subject_has_no_interval():
    assert dict(summary_rows(aggregate([record(1)])))["Dice per volume"] == "0.400, n = 1"


def test_synthesis_rows_appear_with_synthesis(rows):
    real = np.random.default_rng(0).gamma(4, 50, size=(8, 8, 2)).astype(np.float32)
    synthesis = compare_synthesis(Volume(real, np.eye(4)), Volume(real + 10, np.eye(4)))
    shown = dict(summary_rows(aggregate([record(4) | {"synthesis": synthesis}])))
    assert shown["PSNR in the brain"] == f"{synthesis['psnr']:.2f} dB, n = 1"
    assert shown["SSIM in the brain"] == f"{synthesis['ssim']:.3f}, n = 1"
    assert not any("brain" in label for label in rows)


def test_what_was_left_out_is_named():
    result = aggregate([record(4)]) | {"missing": ["a", "b"], "unlabelled": [], "unmatched": ["c"]}
    assert summary_rows(result)[-2:] == [
        ("Missing predictions", "2, in no number above: a, b"),
        ("Predictions without a reference", "1, in no number above: c"),
    ]
