"""The processes of one command, as `accelerate launch` and torchrun start them: which this is, and what they share.

They exchange a count and, at the end, their results, through the small store that the launcher sets up. No process
group is formed: nothing waits for anything but the end.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from recoseg_hf.errors import InputError, first_line

if TYPE_CHECKING:
    from torch.distributed import Store

_NEEDED = ("RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
# How others say that they started several processes; each of these would take itself for the only one.
_FOREIGN = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS")
_EXPECTED = "RANK, LOCAL_RANK, MASTER_ADDR and MASTER_PORT, as `accelerate launch` and torchrun set them"
_REMEDY = "Start the processes with one of these."
_START_TIMEOUT = timedelta(minutes=10)
_POLL_SECONDS = 0.2
_BEAT_SECONDS = 5.0
_BEAT_TRIES = 5  # a store that is busy may refuse one, and be well at the next
_ENDING_SECONDS = 5.0  # for a beat under way at the end of the process
_PATIENCE_SECONDS = 120.0  # without a beat: the process is lost, or its machine


@dataclass(frozen=True)
class Place:
    """Which process this is: number `rank` of `size`, number `local_rank` on its machine."""

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @classmethod
    def from_environment(cls) -> Place:
        """Read what the launcher says.

        Raises:
            InputError: several processes were started, and this one cannot know which it is.
        """
        size = _number("WORLD_SIZE", 1)
        if size == 1:
            _check_alone()
            return cls()
        missing = [name for name in _NEEDED if not os.environ.get(name)]
        if missing:
            found = f"it says that {size} processes were started, and {', '.join(missing)} is not set"
            raise InputError("WORLD_SIZE", found, _EXPECTED, _REMEDY)
        rank = _number("RANK", 0)
        if not 0 <= rank < size:
            raise InputError("RANK", f"it is {rank}", f"a number from 0 to {size - 1}", _REMEDY)
        return cls(rank, size, _number("LOCAL_RANK", 0))

    def device(self) -> str | None:
        """Return the GPU of this process, or None for the usual choice: a single process, or no GPU."""
        import torch

        gpus = torch.cuda.device_count()
        return f"cuda:{self.local_rank % gpus}" if self.size > 1 and gpus else None


def _number(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdecimal():
        raise InputError(name, f"it is {text!r}", "a number", _REMEDY)
    return int(text)


def _check_alone() -> None:
    for name in _FOREIGN:
        if os.environ.get("RANK") is None and os.environ.get(name, "1") not in ("", "1"):
            found = f"it says that {os.environ[name]} processes were started, and none knows which cases are its own"
            raise InputError(name, found, _EXPECTED, _REMEDY)


class Exchange:
    """What the processes of a command tell one another.

    Args:
        place: of this process; every one of them makes an exchange, at about the same time.

    Raises:
        InputError: they do not reach one another.
    """

    def __init__(self, place: Place) -> None:
        self._place = place
        self._store: Store | None = None
        self._counted = 0
        if place.size > 1:
            self._store = _join(place)
            self._ended = threading.Event()
            self._beating = threading.Thread(target=self._beat, daemon=True)
            self._beating.start()

    def __enter__(self) -> Exchange:
        return self

    def __exit__(self, *error: object) -> None:
        """End the beat: a thread that is inside torch while Python ends would abort the process."""
        if self._store is not None:
            self._ended.set()
            self._beating.join(_ENDING_SECONDS)

    def count(self) -> int:
        """Count one more case; return how many all the processes have counted."""
        self._counted += 1
        if self._store is not None:
            with contextlib.suppress(RuntimeError):  # without the store the work goes on, and `collect` tells of it
                return self._store.add("cases", 1)
        return self._counted

    def collect(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Hand in this process's rows of JSON values; the first process waits for the others' and returns them all.

        Raises:
            LostProcessesError: the connection to the other processes is lost, or one of them shows no life any more;
                it has the rows of the others.
        """
        if self._store is None:
            return rows
        known = [] if self._place.rank == 0 else rows
        lost = []
        try:
            self._store.set(f"rows/{self._place.rank}", json.dumps(rows))
            for rank in range(self._place.size if self._place.rank == 0 else 0):
                part = self._part(rank)
                known += part or []
                lost += [rank] if part is None else []
        except RuntimeError as error:
            raise LostProcessesError(f"the connection to them is lost ({first_line(error)})", known or rows) from error
        if lost:
            which = f"process {lost[0]} has" if len(lost) == 1 else f"processes {', '.join(map(str, lost))} have"
            raise LostProcessesError(f"{which} shown no life for {_PATIENCE_SECONDS:g} s", known)
        return known

    def _part(self, rank: int) -> list[dict[str, Any]] | None:
        """Return the rows of a process as soon as they are handed in; None where it shows no life any more."""
        beats, heard = -1, time.monotonic()
        while not self._store.check([f"rows/{rank}"]):
            time.sleep(_POLL_SECONDS)  # and not the store's own wait, which hears no signal
            if (now := self._store.add(f"beats/{rank}", 0)) != beats:
                beats, heard = now, time.monotonic()
            elif time.monotonic() - heard > _PATIENCE_SECONDS:
                return None
        return json.loads(self._store.get(f"rows/{rank}"))

    def _beat(self) -> None:
        """Show life until the process ends, by a thread of its own: a net may take minutes over a batch."""
        failed = 0
        while failed < _BEAT_TRIES:  # the store ends with the first process
            try:
                self._store.add(f"beats/{self._place.rank}", 1)
                failed = 0
            except RuntimeError:
                failed += 1
            if self._ended.wait(_BEAT_SECONDS):
                return


class LostProcessesError(InputError):
    """Other processes were not there at the end.

    Attributes:
        rows: of this process and of those that were.
    """

    def __init__(self, found: str, rows: list[dict[str, Any]]) -> None:
        remedy = "The results are on the disk: the same command goes on from there."
        super().__init__("the other processes", found, "all of them until the end", remedy)
        self.args = (found, rows)  # what pickling calls the class with
        self.rows = rows


def _join(place: Place) -> Store:
    from torch.distributed import PrefixStore, rendezvous

    try:
        store, _, _ = next(rendezvous("env://", place.rank, place.size, timeout=_START_TIMEOUT))
    except (RuntimeError, ValueError) as error:
        where = f"{os.environ['MASTER_ADDR']}:{os.environ['MASTER_PORT']}"
        found = f"process {place.rank} of {place.size} does not reach the others ({first_line(error)})"
        remedy = "Check the address, the port and the launcher."
        raise InputError(where, found, "all processes started", remedy) from error
    return PrefixStore("recoseg-cohort", store)
