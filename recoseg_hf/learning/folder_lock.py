"""One run to a folder: two that write to the same one would spoil each other's checkpoints."""

from pathlib import Path
from typing import IO

from recoseg_hf.errors import CheckpointError

try:
    import fcntl
except ImportError:  # Windows: nothing keeps two runs apart there
    fcntl = None

LOCK = ".lock"

# The system drops such a lock when any descriptor of the file is closed, so a process opens it once.
_held: dict[Path, IO[str]] = {}


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
    file = (folder / LOCK).open("w")
    if fcntl:
        try:
            # Not flock, which a data loader's worker inherits and holds for a while after its run was killed.
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:  # which of the two depends on the system
            file.close()
            raise CheckpointError(
                f"{folder}: another run is writing to it; expected a folder of this run's own. Wait for the other to "
                f"end, name another --output_dir, or, if its machine has died, remove {LOCK} from the folder."
            ) from error
        except OSError:
            pass
    _held[key] = file


def release_folder(folder: Path) -> None:
    """Let others in."""
    if file := _held.pop(folder.resolve(), None):
        file.close()
