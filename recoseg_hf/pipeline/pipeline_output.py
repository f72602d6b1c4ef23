"""What the pipeline returns (a leaf)."""

from dataclasses import dataclass, field

import numpy as np
from diffusers.utils import BaseOutput


@dataclass
class ReCoSegPipelineOutput(BaseOutput):
    """Results on the grid of the slices that were given, as numpy arrays (N, H, W).

    Attributes:
        mask: uint8, 1 where the whole tumour's probability exceeds the threshold.
        probability: float32 in [0, 1], of the first region the model knows (whole tumour).
        t1ce: float32, synthetic T1ce in the source's intensity units (those of T1 where no T1ce was given), zero
            outside the brain; None for a model without a synthesizer.
        residual: float32 in [0, 1], the calibrated map, which the segmenter sees where its inputs name it; None where
            `residual_source` is `none` or there is no synthesizer.
        uncertainty: float32, standard deviation over the samples in source units; None for a single sample.
        residual_source: `measured`, `ensemble` or `none`.
        region_probabilities: float32 in [0, 1] for each of the model's regions (`wt`, and `tc`, `et` if it has them).
    """

    mask: np.ndarray
    probability: np.ndarray
    t1ce: np.ndarray | None = None
    residual: np.ndarray | None = None
    uncertainty: np.ndarray | None = None
    residual_source: str = "measured"
    region_probabilities: dict[str, np.ndarray] = field(default_factory=dict)
