"""Set before anything is imported: no network, no telemetry, one thread per process."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tiny arrays: threads only get in each other's way


@pytest.fixture(scope="session")
def brats_dir() -> Path:
    """A folder of real BraTS cases, named by `RECOSEG_BRATS_DIR`; tests that want one are skipped without it."""
    folder = os.environ.get("RECOSEG_BRATS_DIR")
    if not folder:
        pytest.skip("set RECOSEG_BRATS_DIR to a folder of BraTS cases to run this")
    return Path(folder)
