"""The mask of any region of a prediction, as all measurements of TC and ET take it."""

from __future__ import annotations

import numpy as np

from recoseg_hf.imaging.volume import Volume
from recoseg_hf.inference.prediction import Prediction
from recoseg_hf.pipeline.conventions import INNER_THRESHOLD, region_masks

REGION_THRESHOLD = INNER_THRESHOLD
"""On the probability of TC and ET where no labels are made: of a model with one of them alone, and in a site study."""


def region_mask(prediction: Prediction, region: str) -> Volume:
    """The mask of one region as the prediction's files have it, or, of a model with fewer, at `REGION_THRESHOLD`."""
    if region == "wt":
        return prediction.mask
    if prediction.labels is not None:
        return Volume(region_masks(prediction.labels.data)[region].astype(np.uint8), prediction.labels.affine)
    probability = prediction.region_probabilities[region]
    return Volume((probability.data > REGION_THRESHOLD).astype(np.uint8), probability.affine)
