"""The rows a user reads: every number with its interval and n, and what was left out."""

import numpy as np
import pytest

from recoseg_hf.evaluation.aggregation import aggregate
from recoseg_hf.evaluation.comparison import compare_case
from recoseg_hf.evaluation.summary import summary_rows
from recoseg_hf.evaluation.synthesis_comparison import compare_synthesis
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


def test_what_takes_more_time_has_rows_where_it_was_measured(rows):
    one = record(4) | {
        "surface": {"hd95_mm": None, "hd95_penalized_mm": 81.2, "nsd": 0.5, "tolerance_mm": 1.0},
        "lesions": {"dice": 0.25, "n_found": 1, "n_reference": 4, "n_invented": 2},
        "cues": {"static_residual": {"et": {"average_precision": 0.4, "prevalence": 0.01}}},
    }
    shown = dict(summary_rows(aggregate([one]) | {"paper": aggregate([record(1)], protocol="paper")}))
    assert shown["HD95"] == "undefined, n = 0, 1 undefined left out"
    assert shown["HD95, a miss counts as the grid's diagonal"] == "81.2 mm, n = 1"
    assert shown["Share of lesions found"] == "0.250, n = 1"
    assert shown["AUPRC of |T1ce - T1| for ET"] == "0.400, n = 1; guessing scores 0.010"
    assert shown["Protocol beside it"].startswith(
        "paper: only axial slices with tumour in the reference (oracle_slices)"
    )
    assert shown["Dice per volume, paper"] == "0.400, n = 1"
    assert not {"HD95", "Protocol beside it", "AUPRC of |T1ce - T1| for ET"} & rows.keys()


def test_a_result_from_before_a_section_existed_still_has_its_rows():
    result = aggregate([record(4), record(1)])
    older = {name: result[name] for name in result if name not in ("surface", "lesions", "cues", "oracle_slices")}
    assert summary_rows(older) == summary_rows(result)


def test_synthesis_in_the_tumour_has_rows():
    real = np.random.default_rng(0).gamma(4, 50, size=(8, 8, 2)).astype(np.float32)
    volumes = (Volume(one, np.eye(4)) for one in (real, real + 10))
    synthesis = compare_synthesis(*volumes, labels=Volume(np.full((8, 8, 2), 4, np.uint8), np.eye(4)))
    shown = dict(summary_rows(aggregate([record(4) | {"synthesis": synthesis}])))
    assert shown["PSNR in the enhancing tumour"] == shown["PSNR in the whole tumour"] == shown["PSNR in the brain"]
    assert shown["Roughness through-plane, 1 is the real T1ce's"] == "1.00, n = 1"
