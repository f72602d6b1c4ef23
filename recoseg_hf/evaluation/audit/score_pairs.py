"""Whether a mean Dice and a mean IoU can be of one and the same set of cases.

For one pair of masks IoU = Dice / (2 - Dice), a convex function of Dice that runs from (0, 0) to (1, 1). So for the
means over any set of cases, by Jensen's inequality and since the function lies below the diagonal,

    Dice / (2 - Dice) <= IoU <= Dice,

and for scores of all voxels pooled, or of one case, the left side is an equality.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

# Of results with all their digits: a mean is rounded too, by the computer.
_COMPUTED = 1e-9
_MOST_DIGITS = 30  # before or after the point: beyond any score or count


@dataclass(frozen=True)
class Score:
    """A number as it was printed, as a share: it stands for everything that is rounded to it.

    Attributes:
        low, high: half a unit of its last digit below and above.
        printed: the number as it stands.
        percent: whether it stands in percent.
    """

    low: float
    high: float
    printed: str
    percent: bool

    @classmethod
    def read(cls, value: Decimal, percent: bool) -> Score:
        """Read a number with the digits that it was printed with."""
        half = Decimal(1).scaleb(int(value.as_tuple().exponent)) / 2
        scale = 100 if percent else 1
        return cls(float((value - half) / scale), float((value + half) / scale), str(value), percent)


@dataclass(frozen=True)
class ScorePair:
    """The Dice and the IoU of one system on one set of cases.

    Attributes:
        where: the place in the file.
        dice, iou: as printed.
        n: how many cases; None where nothing says so.
        pooled: whether both are of pooled voxels, or of a single case; means over cases otherwise.
        oracle_slices: whether the reference chose the slices.
    """

    where: str
    dice: Score
    iou: Score
    n: int | None
    pooled: bool = False
    oracle_slices: bool = False

    @property
    def possible_iou(self) -> tuple[float, float]:
        """The lowest and the highest IoU, as shares, that go with a Dice that is rounded to this one."""
        low, high = (max(0.0, min(1.0, bound)) for bound in (self.dice.low, self.dice.high))
        return low / (2 - low), high / (2 - high) if self.pooled else high

    @property
    def possible(self) -> bool:
        """Whether there is a set of cases with these two scores."""
        low, high = self.possible_iou
        shares = all(score.high >= 0 and score.low <= 1 for score in (self.dice, self.iou))
        return shares and self.iou.high >= low - _COMPUTED and self.iou.low <= high + _COMPUTED


def as_decimal(value: Any) -> Decimal | None:
    """Return a number, or one written as text, with its digits; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        number = Decimal(str(value).strip().removesuffix("%").strip())
    except ArithmeticError:
        return None
    # 1e999999999 is a legal number, and as a whole one it would fill the memory.
    return number if number.is_finite() and abs(number.adjusted()) <= _MOST_DIGITS else None
