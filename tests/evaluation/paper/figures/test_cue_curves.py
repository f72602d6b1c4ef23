"""Precision-recall curves of cues, averaged over subjects."""

import numpy as np
import pytest

from recoseg_hf.evaluation.metrics.curves import compare_cues, precision_at_recalls, static_residual
from recoseg_hf.evaluation.paper.figures.cue_curves import RECALLS, brain_of, cues_of, mean_curves, subject_curves
from recoseg_hf.imaging.case import Case
from tests import factories

LABELS = np.array([4, 1, 2, 0, 0, 0, 0, 0])
INSIDE = np.ones(8, bool)


@pytest.fixture(scope="module")
def case(tmp_path_factory) -> Case:
    return Case.from_folder(factories.save_case(tmp_path_factory.mktemp("case")))


class TestOneSubject:
    def test_a_cue_that_ranks_the_tumour_first_is_perfect(self):
        curve = subject_curves({"cue": np.arange(8, 0, -1.0)}, LABELS, INSIDE)["cue", "wt"]
        assert curve.average_precision == pytest.approx(1)
        assert curve.precision == pytest.approx(np.ones(len(RECALLS)))
        assert curve.prevalence == 3 / 8

    def test_precision_by_hand(self):
        # Tumour comes first, third and fourth: at recall 1/3 precision is 1, at 2/3 2/3, at 1 3/4.
        cue = np.array([8, 6, 5, 7, 4, 3, 2, 1.0])
        curve = subject_curves({"cue": cue}, LABELS, INSIDE)["cue", "wt"]
        places = [np.flatnonzero(np.isclose(RECALLS, at))[0] for at in (0.33, 0.34, 0.66, 0.67, 1)]
        assert curve.precision[places] == pytest.approx([1, 2 / 3, 2 / 3, 3 / 4, 3 / 4])
        assert curve.average_precision == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)

    def test_numbers_are_those_of_the_table(self, case):
        cues = cues_of(case, None)
        table = compare_cues(cues, case.seg.data, brain_of(case))
        found = subject_curves(cues, case.seg.data, brain_of(case))
        assert set(cues) == {"flair", "static_residual"}
        for (cue, region), curve in found.items():
            assert curve.average_precision == pytest.approx(table[cue][region]["average_precision"])
            assert curve.prevalence == table[cue][region]["prevalence"]

    def test_the_static_residual_is_that_of_the_table(self, case):
        expected = static_residual(case.t1.data, case.t1ce.data, brain_of(case))
        assert np.array_equal(cues_of(case, expected)["static_residual"], expected)
        assert precision_at_recalls(expected, case.seg.data, brain_of(case), RECALLS) == pytest.approx(
            subject_curves({"cue": expected}, case.seg.data, brain_of(case))["cue", "wt"].precision
        )

    def test_a_region_that_is_not_there_has_no_curve(self):
        found = subject_curves({"cue": np.arange(8.0)}, np.array([2] + [0] * 7), INSIDE)
        assert found["cue", "et"] is None
        assert found["cue", "wt"] is not None


class TestMean:
    def test_subjects_count_alike_and_those_without_the_region_not_at_all(self):
        best = subject_curves({"cue": np.arange(8, 0, -1.0)}, LABELS, INSIDE)
        worst = subject_curves({"cue": np.zeros(8)}, np.array([2, 0, 0, 0, 0, 0, 0, 0]), INSIDE)
        found = mean_curves([best, worst])
        assert found["cue", "wt"].n == 2
        assert found["cue", "wt"].average_precision["value"] == pytest.approx((1 + 1 / 8) / 2)
        assert found["cue", "wt"].precision == pytest.approx(np.full(len(RECALLS), (1 + 1 / 8) / 2))
        assert found["cue", "wt"].prevalence == pytest.approx((3 / 8 + 1 / 8) / 2)
        assert (found["cue", "et"].n, found["cue", "et"].average_precision["interval"]) == (1, None)

    def test_what_nobody_has_is_left_out(self):
        nobody = subject_curves({"cue": np.arange(8.0)}, np.zeros(8, int), INSIDE)
        assert mean_curves([nobody]) == {}
