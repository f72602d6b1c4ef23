"""A subject beside other programs: they are at work while it is measured, and gone afterwards."""

import os
import time

from benchmarks import measure_busy
from recoseg_hf.imaging.phantom import simulate_case, write_case


def test_other_programs_run_for_as_long_as_asked():
    before = os.times().children_user
    with measure_busy.busy(2) as running:
        time.sleep(1)
        assert [one.poll() for one in running] == [None, None]
    assert None not in [one.poll() for one in running]
    assert os.times().children_user - before > 0.1


def test_each_setting_is_measured_in_a_process_of_its_own(tmp_path, monkeypatch):
    case = write_case(simulate_case(seed=0, shape=(48, 48, 24)), tmp_path)
    seen = []
    run = measure_busy.subprocess.run
    monkeypatch.setattr(
        measure_busy.subprocess, "run", lambda *a, **k: seen.append(k["env"].get("GOMP_SPINCOUNT")) or run(*a, **k)
    )
    ours, gnu = (measure_busy.seconds_of(case, 1, spins) for spins in (None, "300000"))
    assert len(ours) == len(gnu) == 1
    assert min(ours + gnu) > 0
    assert seen == [None, "300000"]


def test_the_table_says_medians_and_how_many():
    result = {"cores": 2, "rows": [{"programs": 1, "ours": [4.0, 2.0, 3.0], "gnu": [20.0]}]}
    assert "| 1 | 3.00 (n = 3) | 20.00 (n = 1) |" in measure_busy.busy_table(result)
