import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from recoseg_hf.errors import CheckpointError
from recoseg_hf.learning.folder_lock import lock_folder, release_folder
from recoseg_hf.learning.training_loop import TrainingRun
from tests.learning.test_training_loop import options
from tests.tiny import tiny_pipeline

HOLD = """
import sys, time
from pathlib import Path
from recoseg_hf.learning.folder_lock import lock_folder
lock_folder(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(600)
"""
REFUSED = r"run: another run is writing to it; .* name another --output_dir, or, .* remove \.lock"


@contextmanager
def held_by_another(folder) -> Iterator[None]:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True) as other:
        try:
            assert other.stdout.readline() == "held\n"
            yield
        finally:
            other.kill()


def test_another_process_is_kept_out_until_it_is_gone(tmp_path):
    folder = tmp_path / "run"
    with held_by_another(folder), pytest.raises(CheckpointError, match=REFUSED):
        lock_folder(folder)
    lock_folder(folder)
    lock_folder(folder)  # a run that goes on in the process that began it
    release_folder(folder)


def test_a_released_folder_is_free(tmp_path):
    folder = tmp_path / "run"
    lock_folder(folder)
    release_folder(folder)
    with held_by_another(folder):
        pass


def test_a_run_into_a_folder_in_use_is_refused_and_a_dry_run_is_not(tmp_path):
    folder = tmp_path / "run"
    net = tiny_pipeline(seed=1).synthesizer
    with held_by_another(folder):
        with pytest.raises(CheckpointError, match=REFUSED):
            TrainingRun(options(folder), net)
        TrainingRun(options(folder, dry_run=True), net)
