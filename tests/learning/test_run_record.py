"""What a run was made with, compared on resuming; `test_training_loop.py` has the rest."""

from pathlib import Path

import pytest

from recoseg_hf.errors import CheckpointError
from recoseg_hf.learning.run_record import check_unchanged


def values(**options) -> dict:
    return {"options": options, "data": "d", "start": "s", "processes": 1}


def test_a_record_older_than_an_option_counts_as_what_its_run_did():
    check_unchanged(Path("run"), values(seed=0), values(seed=0, synthesis_domain="all"))
    with pytest.raises(CheckpointError, match=r"made with synthesis_domain all \(now tumour\); expected"):
        check_unchanged(Path("run"), values(seed=0), values(seed=0, synthesis_domain="tumour"))


def test_an_option_that_no_record_may_lack_is_a_difference():
    with pytest.raises(CheckpointError, match=r"made with seed None \(now 0\); expected"):
        check_unchanged(Path("run"), values(), values(seed=0))
