"""A value of a dataclass that is worked out when it is first asked for."""

from __future__ import annotations

import threading
from typing import Any


class Deferred:
    """A dataclass's field, None by default, that takes a value or a function of no arguments that returns it.

    The function is called once, whichever thread asks first, and let go.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return None  # the default
        with self._lock:
            value = instance.__dict__[self._name]
            if callable(value):
                value = instance.__dict__[self._name] = value()
        return value

    def __set__(self, instance: Any, value: Any) -> None:
        instance.__dict__[self._name] = value
