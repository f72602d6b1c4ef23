"""One run to a folder: two that write to the same one would spoil each other's checkpoints."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from recoseg_hf.errors import CheckpointError

try:
    import fcntl
except ImportError:  # Windows: nothing keeps two runs apart there
    fcntl = None

LOCK = ".lock"

# The system drops such a lock when any descriptor of the file is closed, so a process opens it once.
_held: dict[Path, int] = {}


def lock_folder(folder: Path) -> None:
    """Keep other processes' runs out of a folder, until `release_folder` or the end of this process, however it ends.

    A file system without locks keeps nobody out.

    Raises:
        CheckpointError: another process' run has the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    key = folder.resolve()
    if key in _held:
        return
    descriptor = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR, 0o666)
    if fcntl:
        try:
            # Not flock, which a data loader's worker inherits and holds for a while after its run was killed.
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:  # which of the two depends on the system
            os.close(descriptor)
            raise CheckpointError(
                f"{folder}: another run is writing to it; expected a folder of this run's own. Wait for the other to "
                f"end, name another --output_dir, or, if its machine has died, remove {LOCK} from the folder."
            ) from error
        except OSError:
            pass
    _held[key] = descriptor


def release_folder(folder: Path) -> None:
    """Let others in. The empty file stays: one who had opened it might otherwise lock what is no longer there."""
    if (descriptor := _held.pop(folder.resolve(), None)) is not None:
        os.close(descriptor)


@contextmanager
def in_turn(file: Path) -> Iterator[None]:
    """Wait until no other process is inside with this file, and keep others waiting; not for threads of one process.

    A file system without locks lets all in at once.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(file, os.O_CREAT | os.O_RDWR, 0o666)
    try:
        if fcntl:
            with suppress(OSError):
                fcntl.lockf(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
