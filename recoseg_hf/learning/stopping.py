"""Plateau and early stopping in one small object that a checkpoint can hold as JSON.

torch's ReduceLROnPlateau knows nothing of early stopping and, through Accelerate, is stepped once per process.
"""

import math
from dataclasses import asdict, dataclass


@dataclass
class ScoreWatch:
    """Follows one validation score.

    Args:
        higher_is_better: direction of the score.
        plateau_patience: validations without improvement before the learning rate falls.
        plateau_factor: by which it falls.
        stopping_patience: validations without improvement before the run stops; 0 never.
    """

    higher_is_better: bool
    plateau_patience: int
    plateau_factor: float
    stopping_patience: int
    best: float | None = None
    since_best: int = 0
    since_drop: int = 0
    learning_rate_factor: float = 1.0

    def observe(self, score: float) -> bool:
        """Take one validation's score; True if it is the best so far, which one that is not finite never is."""
        if self._improves(score):
            self.best, self.since_best, self.since_drop = float(score), 0, 0
            return True
        self.since_best += 1
        self.since_drop += 1
        if self.since_drop > self.plateau_patience:
            self.learning_rate_factor *= self.plateau_factor
            self.since_drop = 0
        return False

    @property
    def stopped(self) -> bool:
        """Whether patience is over."""
        return 0 < self.stopping_patience <= self.since_best

    def state(self) -> dict:
        """Everything, as JSON types."""
        return asdict(self)

    def restore(self, state: dict) -> None:
        """Take back what has happened out of what `state` gave; the settings stay those of this run."""
        for name in ("best", "since_best", "since_drop", "learning_rate_factor"):
            setattr(self, name, state[name])

    def _improves(self, score: float) -> bool:
        if not math.isfinite(score):
            return False
        if self.best is None:
            return True
        return score > self.best if self.higher_is_better else score < self.best
