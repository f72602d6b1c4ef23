"""Results within a limit of bytes: a session holds a ticket, and what it stands for goes when room is needed."""

from __future__ import annotations

import threading
import time
import weakref
from collections import OrderedDict
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from space.session import Result
from space.settings import MOST_BYTES


class Ticket:
    """What a session holds; its result goes with it."""


@dataclass
class _Kept:
    result: Result
    arrays: dict[int, int]
    asked: float


class Shelf:
    """Keeps results; where they take more than `most_bytes`, those go that were asked for longest ago.

    Args:
        most_bytes: of all results together; one alone may take more.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._kept: OrderedDict[int, _Kept] = OrderedDict()  # asked for longest ago first
        # Entered again by the thread that holds it: a ticket may be collected as garbage at any moment.
        self._lock = threading.RLock()

    def put(self, result: Result) -> Ticket:
        """Keep a result for as long as its ticket is held, or until others need the room."""
        ticket, arrays = Ticket(), arrays_of(result)
        with self._lock:
            self._kept[id(ticket)] = _Kept(result, arrays, time.monotonic())
            weakref.finalize(ticket, self._drop, id(ticket))
            while len(self._kept) > 1 and self.bytes_kept > self._most:
                self._kept.popitem(last=False)
        return ticket

    def get(self, ticket: Ticket | None) -> Result | None:
        """Return a ticket's result; None where it is gone, or there is no ticket."""
        with self._lock:
            if id(ticket) not in self._kept:
                return None
            self._kept.move_to_end(id(ticket))
            kept = self._kept[id(ticket)]
            kept.asked = time.monotonic()
            return kept.result

    def forget(self, age: float) -> None:
        """Let results go that nobody asked for in so many seconds: Gradio keeps a closed page's state for longer."""
        with self._lock:
            for key, kept in list(self._kept.items()):
                if time.monotonic() - kept.asked > age:
                    self._drop(key)

    @property
    def bytes_kept(self) -> int:
        """What the results take; arrays that several share, as those of one case at two thresholds, count once."""
        arrays: dict[int, int] = {}
        with self._lock:
            for kept in self._kept.values():
                arrays |= kept.arrays
        return sum(arrays.values())

    def _drop(self, key: int) -> None:
        with self._lock:
            self._kept.pop(key, None)


def arrays_of(value: Any) -> dict[int, int]:
    """Return the bytes of each array in a value, by its identity."""
    arrays: dict[int, int] = {}
    _gather(value, arrays)
    return arrays


def _gather(value: Any, arrays: dict[int, int]) -> None:
    if isinstance(value, np.ndarray):
        arrays[id(value)] = value.nbytes
    elif is_dataclass(value):
        for field in fields(value):
            _gather(getattr(value, field.name), arrays)
    elif isinstance(value, dict):
        for part in value.values():
            _gather(part, arrays)


SHELF = Shelf()
"""Of this process."""
