"""A hidden folder in which a result is made ready; one left by a killed run tells of it, and is cleared away."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: what a killed run leaves stays there, hidden
    fcntl = None

_log = logging.getLogger(__name__)
_PREFIX = ".recoseg-"
_LOCK = ".lock"


@contextlib.contextmanager
def staging_folder(parent: Path) -> Iterator[Path]:
    """Yield a new hidden folder in `parent`, removed at the end; those that killed runs left there go too.

    A process that is killed cannot remove its folder, but the system takes back its lock on it. A folder with a free
    lock therefore belongs to nobody, while that of another process at work is locked and stays.
    """
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=parent) as name:
        lock = _take_lock(Path(name))
        try:
            for folder in list(parent.glob(f"{_PREFIX}*")):
                if _is_free(folder / _LOCK):
                    shutil.rmtree(folder, ignore_errors=True)
            yield Path(name)
        finally:
            os.close(lock)


@contextlib.contextmanager
def moving_alone(folder: Path) -> Iterator[None]:
    """Wait until no other process moves results into `folder`, and keep others waiting; they may have the same names.

    The lock is the folder's own, so that no file is left; a file system without such locks lets all in at once.
    """
    descriptor = os.open(folder, os.O_RDONLY) if fcntl else None
    try:
        if descriptor is not None:
            with contextlib.suppress(OSError):
                _wait_for(descriptor, folder)
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _wait_for(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _log.warning("%s: another process moves results into it; waiting until it is done.", folder)
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def is_being_made(parent: Path) -> bool:
    """Say whether a result is being made in `parent`, or was when its process was killed."""
    return any(parent.glob(f"{_PREFIX}*"))


def _take_lock(folder: Path) -> int:
    """Lock a folder until the descriptor is closed; the lock gets its name once it is held."""
    unnamed = folder / f"{_LOCK}-new"
    descriptor = os.open(unnamed, os.O_CREAT | os.O_RDWR, 0o600)
    if fcntl:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.rename(unnamed, folder / _LOCK)
    return descriptor


def _is_free(lock: Path) -> bool:
    if not fcntl:
        return False
    try:
        descriptor = os.open(lock, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # held, or the file system has no locks
        return False
    finally:
        os.close(descriptor)
    return True
