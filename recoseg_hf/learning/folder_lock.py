"""One run to a folder: two that write to the same one would spoil each other's checkpoints."""

from pathlib import Path
from typing import IO

from recoseg_hf.errors import CheckpointError

try:
    import fcntl
except ImportError:  # Windows: nothing keeps two runs apart there
    fcntl = None

LOCK = ".lock"


def lock_folder(folder: Path) -> IO[str]:
    """Keep runs of other processes out of a folder until the file returned is closed or this process ends.

    The system takes the lock back from a killed process. A file system without locks keeps nobody out.

    Raises:
        CheckpointError: another process' run has the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file = (folder / LOCK).open("w")
    if fcntl:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError) as error:  # which of the two depends on the system
            file.close()
            raise CheckpointError(
                f"{folder}: another run is writing to it; expected a folder of this run's own. Wait for the other to "
                "end, or name another --output_dir."
            ) from error
        except OSError:
            pass
    return file
