"""Results within a limit of bytes: a session holds a ticket, and what it stands for goes when room is needed."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from space.session import Result
from space.settings import MOST_BYTES


class Ticket:
    """What a session holds; its result goes with it."""


class Shelf:
    """Keeps results; where they take more than `most_bytes`, those go that were asked for longest ago.

    Args:
        most_bytes: of all results together; one alone may take more.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most = most_bytes
        self._kept: OrderedDict[int, tuple[Result, int]] = OrderedDict()
        # Entered again by the thread that holds it: a ticket may be collected as garbage at any moment.
        self._lock = threading.RLock()

    def put(self, result: Result) -> Ticket:
        """Keep a result for as long as its ticket is held, or until others need the room."""
        ticket, size = Ticket(), bytes_of(result)
        with self._lock:
            self._kept[id(ticket)] = (result, size)
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
            return self._kept[id(ticket)][0]

    @property
    def bytes_kept(self) -> int:
        """What the results take; arrays that several share count for each."""
        with self._lock:
            return sum(size for _, size in self._kept.values())

    def _drop(self, key: int) -> None:
        with self._lock:
            self._kept.pop(key, None)


def bytes_of(value: Any) -> int:
    """Return what the arrays in a value take, each counted once."""
    arrays: dict[int, int] = {}
    _gather(value, arrays)
    return sum(arrays.values())


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
