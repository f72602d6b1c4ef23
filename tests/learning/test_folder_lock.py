import subprocess
import sys

import pytest

from recoseg_hf.errors import CheckpointError
from recoseg_hf.learning.folder_lock import lock_folder

HOLD = """
import sys, time
from pathlib import Path
from recoseg_hf.learning.folder_lock import lock_folder
lock = lock_folder(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(600)
"""


def test_another_process_run_is_kept_out_until_it_is_gone(tmp_path):
    folder = tmp_path / "run"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(CheckpointError, match=r"run: another run is writing to it; .* name another --output_dir"):
            lock_folder(folder)
        other.kill()
        other.wait()
        lock_folder(folder).close()
