"""The rows of the matrix by number and name, each a function of a `Bench`."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests.inputs.bench import Bench
from tests.inputs.damages import DAMAGES
from tests.inputs.refusals import REFUSALS


class Row(NamedTuple):
    """One row, or one part of a row that has several."""

    number: int
    name: str
    holds: Callable[[Bench], None]


ROWS: list[Row] = []


def row(number: int) -> Callable[[Callable[[Bench], None]], Callable[[Bench], None]]:
    """Enter a function into `ROWS` under its name."""

    def enter(holds: Callable[[Bench], None]) -> Callable[[Bench], None]:
        ROWS.append(Row(number, holds.__name__, holds))
        return holds

    return enter


def _refusal(name: str) -> Callable[[Bench], None]:
    return lambda bench: bench.damaged(name).refused(*REFUSALS[name])


ROWS += [Row(DAMAGES[name].number, name, _refusal(name)) for name in REFUSALS]
