"""What one example may take: processor seconds, memory, and time on the clock."""

from __future__ import annotations

import contextlib
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

SECONDS = 2.0
"""Of the processor, for one example."""

BYTES = 2**30
"""That one example may take beyond what the process holds already."""

_SECONDS_TO_HANG = 60  # on the clock: something waits that does not compute
_STATUS = Path("/proc/self/statm")


class TookTooLongError(BaseException):
    """An example used up its time; no Exception, so that nothing on the way takes it for a fault it knows."""


@contextlib.contextmanager
def limits(seconds: float = SECONDS, memory: int = BYTES) -> Iterator[None]:
    """Hold what runs within to its time and memory: `TookTooLongError` and `MemoryError` where it wants more."""
    earlier = {number: signal.signal(number, _stop) for number in (signal.SIGPROF, signal.SIGALRM)}
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    if _STATUS.exists():
        mapped = int(_STATUS.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (mapped + memory, hard))
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, _SECONDS_TO_HANG)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _stop(number: int, frame: object) -> None:
    raise TookTooLongError("processor time" if number == signal.SIGPROF else "it hangs")
