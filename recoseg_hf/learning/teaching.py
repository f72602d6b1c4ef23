"""Distillation: what a trained model says of a case becomes part of what another one learns of it.

A teacher's probabilities tell more than a reference's edges do, and a slower teacher (several denoising steps, an
average over mirror images, another grid) can so be put into a net that is called once (Hinton et al. 2015, arXiv
1503.02531).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.volume import Volume, to_canonical
from recoseg_hf.pipeline.conventions import REGIONS
from recoseg_hf.pipeline.preprocessing import ModelGrid


@dataclass(frozen=True)
class Teacher:
    """Takes part in the targets of training subjects.

    Attributes:
        predict: returns a case's probabilities by region, float32 in [0, 1] on the case's own grid, as
            `Prediction.region_probabilities` holds them.
        share: of the teacher in a target, in (0, 1]; the rest is the reference's.
        origin: what is put down of the teacher, JSON values.

    Raises:
        ValueError: the share is out of range.
    """

    predict: Callable[[Case], Mapping[str, Volume]]
    share: float
    origin: Mapping[str, Any]

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"teacher share={self.share}; expected more than 0, at most 1.")

    def targets(self, case: Case, grid: ModelGrid, references: torch.Tensor) -> torch.Tensor:
        """Mix references with what the teacher says.

        Args:
            case: as it was read.
            grid: of its slices.
            references: float32 (N, 3, S, S), see `prepare_case`; NaN where there is none, and stays so.

        Returns:
            float32 of that shape in [0, 1]; regions that the teacher does not know are the reference's.
        """
        said, mixed = self.predict(case), references.clone()
        for place, name in enumerate(REGIONS):
            if name in said:
                canonical = to_canonical(said[name], order="linear").data
                slices = torch.from_numpy(canonical.transpose(2, 0, 1).copy()).float()
                opinion = grid.to_model(slices)[:, 0].clamp(0, 1)
                mixed[:, place] = (1 - self.share) * references[:, place] + self.share * opinion
        return mixed

    def manifest(self) -> dict[str, Any]:
        """The entry of a data set's manifest."""
        return {"teacher": {**self.origin, "share": self.share}}
