"""Rows whose probabilities differ only in scale are told apart by their own thresholds, and by nothing else."""

import json

import numpy as np
import pytest

from recoseg_hf.evaluation.paper.equal_thresholds import at_equal_thresholds
from tests.factories import labels, save, save_case


@pytest.fixture
def folder(tmp_path):
    """Two rows on two subjects: the same probability, and half of it in the second row."""
    for subject in ("sub-01", "sub-02"):
        save_case(tmp_path / "cases", subject)
        tumour = (labels() > 0).astype(np.float32)
        for row, level in (("unet2d_t1ce", 0.8), ("recoseg_plus_plus", 0.4)):
            place = tmp_path / "run" / "predictions" / row / subject
            save(place / f"{subject}_probability.nii.gz", tumour * level)
            (place / f"{subject}_report.json").write_text(json.dumps({"settings": {"mask_threshold": 0.3}}))
            system = tmp_path / "run" / "systems" / row
            system.mkdir(parents=True, exist_ok=True)
            (system / "model_index.json").write_text(json.dumps({"seed_threshold": 0.0}))
    return tmp_path


def test_each_threshold_is_the_same_for_all(folder):
    found = at_equal_thresholds(folder / "run", folder / "cases", ["unet2d_t1ce", "recoseg_plus_plus"])
    assert {one: scores["dice"]["value"] for one, scores in found["unet2d_t1ce"].items()} == {
        "0.15": 1, "0.3": 1, "0.5": 1,
    }  # fmt: skip
    low = found["recoseg_plus_plus"]
    assert [low[one]["dice"]["value"] for one in ("0.15", "0.3", "0.5")] == [1, 1, 0]
    assert [low[one]["minus_baseline"]["value"] for one in ("0.15", "0.3", "0.5")] == [0, 0, -1]
    assert low["0.5"]["minus_baseline"]["n"] == low["0.5"]["dice"]["n"] == 2
    assert found["unet2d_t1ce"]["0.5"]["minus_baseline"] is None


def test_without_the_baseline_or_a_subject_there_is_no_difference(folder):
    alone = at_equal_thresholds(folder / "run", folder / "cases", ["recoseg_plus_plus"])
    assert alone["recoseg_plus_plus"]["0.3"]["minus_baseline"] is None
    assert at_equal_thresholds(folder / "run", folder / "cases", ["recoseg_plus_plus", "unet2d"]) == {}
