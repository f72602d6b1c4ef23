"""Which scans stand apart from the others, when only pairs were compared."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Apart:
    """Scans that stand apart from the rest.

    Attributes:
        names: of the smaller group; of two equal ones, that without the first scan.
        others: the rest.
        smallest: value of the pair across the groups that differs least.
        typical: median over those pairs.
    """

    names: tuple[str, ...]
    others: tuple[str, ...]
    smallest: float
    typical: float

    @property
    def undecided(self) -> bool:
        """Whether both groups are of one size, so that either may be the one at fault."""
        return len(self.names) == len(self.others)


def most_apart(names: Sequence[str], between: Callable[[str, str], float]) -> Apart:
    """Split scans in two groups so that even the pair across that differs least differs as much as can be.

    Args:
        names: two or more.
        between: how much two of them differ.
    """
    found = []
    for size in range(1, len(names) // 2 + 1):
        for group in itertools.combinations(names, size):
            others = tuple(name for name in names if name not in group)
            if len(others) == size and names[0] in group:
                continue  # the same two groups come the other way round
            values = [between(one, other) for one in group for other in others]
            found.append(Apart(group, others, min(values), float(np.median(values))))
    return max(found, key=lambda apart: apart.smallest)
