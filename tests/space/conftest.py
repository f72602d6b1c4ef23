"""The Space, assembled as it is published and started once, with a tiny real model and tiny simulated cases."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.factories import intensities, labels, save
from tests.inference.cases import SHAPE
from tests.tiny import tiny_pipeline

ROOT = Path(__file__).parents[2]
PARTS = ROOT / "spaces_demo"
THRESHOLD = 0.48
"""Of the tiny model: its probabilities lie around it."""

_SECONDS_TO_START = 240  # with the machine busy; 10 when it is not


@dataclass(frozen=True)
class Space:
    """The running Space.

    Attributes:
        url: without a slash at the end.
        folder: it was assembled in.
        model: folder of the model that it runs.
        case: files of a case by modality, under names that tell of a patient.
        example: folder of the case it shows in one click.
        process: that serves it.
        log: what it printed.
    """

    url: str
    folder: Path
    model: Path
    case: dict[str, Path]
    example: Path
    process: int
    log: Path


@pytest.fixture(scope="session")
def parts() -> Iterator[Path]:
    """The modules of the Space, importable as they are for its `app.py`."""
    sys.path.insert(0, str(PARTS))
    yield PARTS
    sys.path.remove(str(PARTS))


@pytest.fixture(scope="session")
def space(tmp_path_factory, parts) -> Iterator[Space]:
    """The Space, running."""
    pytest.importorskip("gradio")
    from assemble import assemble

    home = tmp_path_factory.mktemp("space")
    folder, model, example = home / "space", home / "model", home / "example"
    assemble(folder)
    tiny_pipeline(regions="wt,tc,et", mask_threshold=THRESHOLD).save_pretrained(model)
    case = write_scans(home / "uploads", "DOE^JOHN")
    write_scans(example, "example", first_seed=10)
    save(example / "example_seg.nii.gz", labels(SHAPE))
    port = _free_port()
    with open(home / "log", "w") as log:
        process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=folder, env=_environment(port, model, example), stdout=log, stderr=log
        )
    try:
        _wait(f"http://127.0.0.1:{port}/", process, home / "log")
        yield Space(f"http://127.0.0.1:{port}", folder, model, case, example, process.pid, home / "log")
    finally:
        process.terminate()
        process.wait(timeout=60)


def write_scans(folder: Path, subject: str, first_seed: int = 0) -> dict[str, Path]:
    """Write four scans that all differ."""
    return {
        name: save(folder / f"{subject}_{name}.nii.gz", intensities(SHAPE, first_seed + number))
        for number, name in enumerate(("flair", "t1", "t2", "t1ce"))
    }


def _environment(port: int, model: Path, example: Path) -> dict[str, str]:
    """What the process finds: nothing of ours on its path but what lies in the folder."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return environment | {
        "GRADIO_SERVER_PORT": str(port),
        "RECOSEG_MODEL": str(model),
        "RECOSEG_EXAMPLE": str(example),
        "RECOSEG_REFINING_SECONDS": "3600",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def _wait(url: str, process: subprocess.Popen, log: Path) -> None:
    ends = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < ends:
        if process.poll() is not None:
            break
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.3)
    raise RuntimeError(f"the Space did not start:\n{log.read_text()}")
