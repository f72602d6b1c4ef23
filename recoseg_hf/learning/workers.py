"""A data loader's worker that dies: which files it was reading, and what to do."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recoseg_hf.errors import RecosegError


class WorkerError(RecosegError):
    """A process that reads a training's data has died."""


@contextmanager
def naming_what_workers_read(files: Sequence[Path]) -> Iterator[None]:
    """Within, the death of a worker raises an error that names the files; its loader is made before.

    torch notices in a handler of SIGCHLD, so that the error may come up anywhere in the main thread.

    Args:
        files: that the workers read.

    Raises:
        WorkerError: a worker has died.
    """
    ended = getattr(signal, "SIGCHLD", None)  # Windows has none
    told = None if ended is None else signal.getsignal(ended)
    main = threading.current_thread() is threading.main_thread()

    def tell(number: int, frame: Any) -> None:
        try:
            told(number, frame)
        except RuntimeError as error:
            raise _named(error, files) from error

    wrap = main and callable(told)
    if wrap:
        signal.signal(ended, tell)
    try:
        yield
    except RuntimeError as error:
        if not str(error).startswith("DataLoader worker"):
            raise
        raise _named(error, files) from error
    finally:
        if wrap:
            signal.signal(ended, told)


def _named(error: RuntimeError, files: Sequence[Path]) -> WorkerError:
    what = ", ".join(map(str, files)) or "the training data"
    how = str(error).partition("\n")[0].strip().rstrip(".")
    return WorkerError(
        f"{what}: what read it has died ({how}); expected workers that live as long as the training. Usually memory "
        "ran out, or the file was changed meanwhile: look at both, and go on with --resume_from_checkpoint latest, "
        "with fewer --dataloader_num_workers if it was memory."
    )
