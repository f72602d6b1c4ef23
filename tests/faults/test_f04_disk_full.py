"""F4: no room, for real: a file system of a few hundred kB, where there may be one, and a limit on what is written."""

import ctypes
import os
import re
import sys

import pytest
import torch

from recoseg_hf.inference import predict_case, write_prediction
from recoseg_hf.learning.checkpoints import TrainingState, complete_checkpoints, load_checkpoint, save_checkpoint
from tests.faults.forks import limit_file_size, outcome
from tests.inference.cases import make_case
from tests.tiny import tiny_pipeline

NEW_USER, NEW_MOUNTS = 0x10000000, 0x00020000


def mount_small(folder, size: int) -> bool:
    """Give this process, and no other, a file system of a few bytes; False where the system does not let it."""
    system = ctypes.CDLL(None, use_errno=True)
    flags = NEW_MOUNTS if os.geteuid() == 0 else NEW_USER | NEW_MOUNTS
    folder.mkdir()
    if system.unshare(flags):
        return False
    system.mount(b"none", b"/", None, 0x44000, None)  # private, recursively: nobody else sees what follows
    return not system.mount(b"none", str(folder).encode(), b"tmpfs", 0, f"size={size}".encode())


def on_small_disk(folder, size: int, work) -> object:
    def there() -> object:
        return work() if mount_small(folder, size) else "no mount"

    said = outcome(there)
    if said == "no mount":
        pytest.skip("this system lets nobody mount a file system of their own")
    return said


@pytest.fixture(scope="module")
def predicted():
    case = make_case()
    return predict_case(tiny_pipeline(), case), case


def content(folder) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def state(step: int, count: int) -> TrainingState:
    weights = {part: {"weight": torch.ones(count)} for part in ("net", "ema")}
    return TrainingState(step, weights, {"state": {}, "param_groups": []})


@pytest.mark.skipif(sys.platform != "linux", reason="mounts as Linux does")
def test_f04_a_full_disk_leaves_the_checkpoint_before(tmp_path):
    folder = tmp_path / "disk"

    def save() -> tuple[str, list[str], bool]:
        save_checkpoint(folder, state(1, 10), keep=1)
        before = content(folder)
        try:
            save_checkpoint(folder, state(2, 60_000), keep=1)  # one of the two files fits, both do not
        except Exception as error:
            load_checkpoint(complete_checkpoints(folder)[-1])
            return f"{type(error).__name__}: {error}", sorted(before), content(folder) == before

    said, files, same = on_small_disk(folder, 400_000, save)
    assert re.match(
        r"CheckpointError: .*: no room for checkpoint-2, which needs 0\.5 MB \(0\.4 MB are free or allowed\); the "
        r"last complete one is checkpoint-1\. Make room, and go on with --resume_from_checkpoint latest\.$",
        said,
    )
    assert "checkpoint-1/net.safetensors" in files
    assert same


@pytest.mark.skipif(sys.platform != "linux", reason="mounts as Linux does")
def test_f04_a_full_disk_leaves_the_earlier_results(predicted, tmp_path):
    folder = tmp_path / "disk"

    def write() -> tuple[str, bool]:
        write_prediction(*predicted, folder)
        before = content(folder)
        (folder / "of others").write_bytes(b"1" * (os.statvfs(folder).f_bavail * os.statvfs(folder).f_bsize - 30_000))
        before = content(folder)
        try:
            write_prediction(*predicted, folder, overwrite=True)
        except Exception as error:
            return f"{type(error).__name__}: {error}", content(folder) == before

    said, same = on_small_disk(folder, 2_000_000, write)
    assert re.match(
        r"InputError: .*: results cannot be written \(No space left on device\): up to 0\.\d MB are needed, and "
        r"0\.0 MB are free or allowed; expected a writable folder\. Free space",
        said,
    )
    assert same


@pytest.mark.skipif(os.name != "posix", reason="limits as POSIX does")
def test_f04_a_limit_on_files_is_told_alike(predicted, tmp_path):
    def write() -> None:
        limit_file_size(2000)
        write_prediction(*predicted, tmp_path)

    said = outcome(write)
    assert re.search(
        r"cannot be written \(File too large\): up to 0\.\d MB are needed, and 0\.0 MB are free or allowed", said
    )
    assert not any(tmp_path.iterdir())
