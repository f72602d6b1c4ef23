"""Work in a fork of the test's process, which may be limited, or die, without the tests."""

import multiprocessing
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

_PATIENCE = 60  # seconds


def outcome(work: Callable[[], object]) -> object:
    """What `work` returned in a process of its own, or `Kind: message` of its error."""
    receiving, sending = multiprocessing.Pipe(duplex=False)

    def told() -> None:
        try:
            said = work()
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        sending.send(said)

    process = multiprocessing.get_context("fork").Process(target=told)
    process.start()
    sending.close()
    try:
        assert receiving.poll(_PATIENCE), "the process hangs"
        return receiving.recv()
    finally:
        process.kill()
        process.join()


def killed_at(moment: int, work: Callable[[], object], folder: Path) -> bool:
    """Do some work in a process that gets SIGKILL before it touches files under `folder` for the n-th time.

    Files are touched where Python tells its auditors so: opened, renamed, removed, folders made and removed.

    Returns:
        False if the work was done before that moment came.
    """
    child = os.fork()
    if not child:
        _kill_at(moment, str(folder))
        try:
            work()
        finally:
            os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL)
    return status == signal.SIGKILL


def _kill_at(moment: int, folder: str) -> None:
    import sys

    seen = 0

    def audit(event: str, given: tuple) -> None:
        nonlocal seen
        if event in ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate") and any(
            str(value).startswith(folder) for value in given
        ):
            if seen == moment:
                os.kill(os.getpid(), signal.SIGKILL)
            seen += 1

    sys.addaudithook(audit)


def limit_file_size(size: int) -> None:
    """Let this process write no file of more bytes, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def limit_memory(more: int) -> None:
    """Let this process have so many bytes of memory beside what it has now."""
    held = next(
        int(line.split()[1]) for line in Path("/proc/self/status").read_text().splitlines() if "VmData" in line
    )
    resource.setrlimit(resource.RLIMIT_DATA, (1024 * held + more, resource.RLIM_INFINITY))


def lift_memory_limit() -> None:
    """Undo `limit_memory`."""
    resource.setrlimit(resource.RLIMIT_DATA, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def use_up(piece: int = 2**18, left: int = 2**22) -> list[bytearray]:
    """Take what this process has free within its limit, but for some bytes."""
    taken = []
    try:
        while True:
            taken.append(bytearray(piece))
    except MemoryError:
        del taken[len(taken) - left // piece :]
    return taken
