"""A command that its scheduler or launcher tells to end does so as with Ctrl-C: what is half done is cleared away."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class Terminated(KeyboardInterrupt):
    """SIGTERM came."""


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Within, SIGTERM raises `Terminated`."""
    if threading.current_thread() is not threading.main_thread():  # Python gives signals to no other
        yield
        return

    def end(number: int, frame: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # said again, it must not break off the clearing
        raise Terminated

    earlier = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL if earlier is None else earlier)  # None: not set by Python
