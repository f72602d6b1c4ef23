"""What a run was made with, compared on resuming; `test_training_loop.py` has the rest."""

from pathlib import Path

import pytest

from recoseg_hf.errors import CheckpointError
from recoseg_hf.files import write_json
from recoseg_hf.learning.run_record import RECORD, check_unchanged, subjects_seen, write_record


def values(**options) -> dict:
    return {"options": options, "data": "d", "start": "s", "processes": 1}


def test_a_record_older_than_an_option_counts_as_what_its_run_did():
    check_unchanged(Path("run"), values(seed=0), values(seed=0, synthesis_domain="all"))
    with pytest.raises(CheckpointError, match=r"made with synthesis_domain all \(now tumour\); expected"):
        check_unchanged(Path("run"), values(seed=0), values(seed=0, synthesis_domain="tumour"))


def test_an_option_that_no_record_may_lack_is_a_difference():
    with pytest.raises(CheckpointError, match=r"made with seed None \(now 0\); expected"):
        check_unchanged(Path("run"), values(), values(seed=0))


def test_a_published_record_names_nobody_so_that_not_everyone_is_known(tmp_path):
    write_json(tmp_path / "published" / RECORD, {"subjects_complete": True})
    assert subjects_seen(tmp_path / "published") is None
    (tmp_path / "tuned").mkdir()
    write_record(tmp_path / "tuned", {}, ["Ann"], [str(tmp_path / "published")], 1, 0.0)
    assert len(subjects_seen(tmp_path / "tuned")) == 1
    assert '"subjects_complete": false' in (tmp_path / "tuned" / RECORD).read_text()
