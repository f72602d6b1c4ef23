import json

import numpy as np
import pytest

from recoseg_hf.evaluation.new_site.fingerprint import describe_case, fingerprint_cases, summarise_descriptions
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.volume import Volume
from tests import factories


def volume(data, **grid) -> Volume:
    return Volume(np.asarray(data), factories.affine(**grid))


def flat(value: float, shape=(4, 4, 4)) -> np.ndarray:
    """Half brain of one value (2 x 4 x 4 voxels), half background."""
    data = np.zeros(shape, np.float32)
    data[:2] = value
    return data


def case(subject: str = "sub-01", tumour: int = 4, t1ce: bool = True, seg: bool = True, **grid) -> Case:
    """Brain of 32 voxels at FLAIR 100, T1 200, T2 50 and T1ce 300; tumour in FLAIR twice as bright."""
    labels = np.zeros((4, 4, 4), np.uint8)
    labels.reshape(-1)[:tumour] = 2
    labels.reshape(-1)[: tumour // 2] = 4
    flair = flat(100)
    flair[labels > 0] = 200
    return Case(
        subject,
        *(volume(data, **grid) for data in (flair, flat(200), flat(50))),
        t1ce=volume(flat(300), **grid) if t1ce else None,
        seg=volume(labels, **grid) if seg else None,
    )


class TestDescribeCase:
    def test_numbers_of_one_subject(self):
        found = describe_case(case(tumour=8, spacing=(1.0, 2.0, 5.0), orientation="LPS"))
        assert found["shape"] == [4, 4, 4]
        assert found["voxel_spacing_mm"] == [1, 2, 5]
        assert found["orientation"] == "LPS"
        assert found["intensity"]["t1"] == [200] * 5
        assert found["tumour_ml"] == pytest.approx({"wt": 0.08, "tc": 0.04, "et": 0.04})
        assert found["contrast"]["t1ce_to_t1"] == 1.5
        assert found["contrast"]["flair_to_t2"] == 2
        assert found["contrast"]["flair_tumour_to_rest"] == 2
        assert found["contrast"]["t2_tumour_to_rest"] == 1

    def test_background_does_not_count(self):
        quarter = case(tumour=16)
        assert describe_case(quarter)["intensity"]["flair"] == pytest.approx([100, 100, 150, 200, 200])

    def test_what_is_absent_is_not_described(self):
        found = describe_case(case(t1ce=False, seg=False))
        assert "t1ce" not in found["intensity"]
        assert found["contrast"] == {"t1ce_to_t1": None, "flair_to_t2": 2}
        assert found["tumour_ml"] is None

    def test_a_subject_without_tumour_has_no_tumour_contrast(self):
        found = describe_case(case(tumour=0))
        assert found["tumour_ml"]["wt"] == 0
        assert found["contrast"]["flair_tumour_to_rest"] is None


class TestSummary:
    def test_distribution_over_five_subjects(self):
        found = fingerprint_cases(case(f"sub-{n}", tumour=n) for n in (2, 4, 6, 8, 20))
        assert (found["n"], found["n_labelled"], found["warnings"]) == (5, 5, [])
        expected = {"n": 5, "min": 0.002, "q1": 0.004, "median": 0.006, "q3": 0.008, "max": 0.02}
        assert found["tumour_ml"]["wt"] == pytest.approx(expected)
        assert found["intensity"]["t1ce"]["p50"]["median"] == 300
        assert found["contrast"]["flair_tumour_to_rest"]["n"] == 5

    def test_fewer_than_five_give_no_quartiles_and_a_warning(self):
        found = fingerprint_cases([case("sub-1", tumour=2), case("sub-2", tumour=4)])
        expected = {"n": 2, "min": 0.002, "q1": None, "median": 0.003, "q3": None, "max": 0.004}
        assert found["tumour_ml"]["wt"] == expected
        assert found["warnings"] == [
            "The fingerprint is of 2 subjects: too few to describe a site, and single ones can be read off it."
        ]

    def test_grids_are_counted_the_most_frequent_first(self):
        thick = {"spacing": (1.0, 1.0, 5.0)}
        found = fingerprint_cases([case(), case(**thick), case(**thick), case(orientation="LPS", **thick)])
        assert [(grid["orientation"], grid["voxel_spacing_mm"][2], grid["n"]) for grid in found["grids"]] == [
            ("RAS", 5, 2), ("RAS", 1, 1), ("LPS", 5, 1),
        ]  # fmt: skip
        assert "The subjects' voxel spacings differ." in found["warnings"]

    def test_unlabelled_subjects_and_absent_modalities_are_counted_apart(self):
        found = fingerprint_cases([case(), case(t1ce=False, seg=False)])
        assert (found["n"], found["n_labelled"]) == (2, 1)
        assert found["tumour_ml"]["wt"]["n"] == 1
        assert found["intensity"]["t1ce"]["p50"]["n"] == 1
        assert "1 of 2 subjects have no segmentation: tumour volumes are of the others." in found["warnings"]
        none = fingerprint_cases([case(t1ce=False, seg=False)])
        assert (none["intensity"]["t1ce"], none["tumour_ml"]["et"]) == (None, None)

    def test_it_names_nobody_and_is_json(self):
        found = json.dumps(fingerprint_cases([case("secret-subject")]), allow_nan=False)
        assert "secret" not in found

    def test_nobody_is_refused(self):
        with pytest.raises(ValueError, match="no subject was described; expected one or more"):
            summarise_descriptions([])
