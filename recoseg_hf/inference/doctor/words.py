"""A suspicion, and the words that it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from recoseg_hf.inference.doctor.groups import Apart

Cause = Literal["spacing", "skull", "flipped", "misplaced", "swapped", "unlike"]

NAMES = {"flair": "FLAIR", "t1": "T1", "t2": "T2", "t1ce": "T1ce"}


@dataclass(frozen=True)
class Suspicion:
    """A likely cause for a case that can be read and yet is wrong.

    Attributes:
        cause: `spacing`, `skull`, `flipped`, `misplaced`, `swapped` or `unlike`.
        scans: the modalities that seem to be at fault; empty where it is all of them.
        message: what was seen, what was expected there, and what to ask, in a sentence or two.
        measured: the value that gave rise to it.
        limit: which it passed.
        unit: of both; "" for a number without one.
    """

    cause: Cause
    scans: tuple[str, ...]
    message: str
    measured: float
    limit: float
    unit: str = ""

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        rounded = {"measured": round(self.measured, 3), "limit": round(self.limit, 3)}
        return {**vars(self), "scans": list(self.scans), **rounded}


def who(apart: Apart) -> str:
    """The scans at fault as the subject of a sentence."""
    if not apart.undecided:
        return listed(apart.names)
    return f"Either {listed(apart.names)} or {listed(apart.others)} is at fault: {listed(apart.names)}"


def listed(names: tuple[str, ...]) -> str:
    """Modalities as in "FLAIR, T1 and T2"."""
    *most, last = (NAMES[name] for name in names)
    return f"{', '.join(most)} and {last}" if most else last


def verb(names: tuple[str, ...], one: str, many: str) -> str:
    """The form of a verb or pronoun for one scan or for many."""
    return one if len(names) == 1 else many


def times(scale: float) -> str:
    """A factor, as in "10 times" or "1/10 of"."""
    if scale >= 1:
        return f"{scale:.2g} times"
    return f"1/{1 / scale:.2g} of" if scale > 0.001 else "less than 1/1000 of"


def volume(millilitres: float) -> str:
    """A volume with its unit."""
    return f"{millilitres:,.0f} mL" if millilitres >= 10 else f"{millilitres:.2g} mL"
