"""From a case to results on its own grid: load a model, predict, write, and draw what was found.

Light to import: torch and diffusers come in with the first model.
"""

from recoseg_hf.inference.cohort import CaseOutcome, find_cohort, predict_cohort
from recoseg_hf.inference.loading import load_pipeline
from recoseg_hf.inference.overview import draw_overview
from recoseg_hf.inference.page import write_page
from recoseg_hf.inference.prediction import Prediction, predict_case, with_threshold
from recoseg_hf.inference.refining import Refinement, refine_case
from recoseg_hf.inference.results import check_outputs, write_prediction

__all__ = [
    "CaseOutcome",
    "Prediction",
    "Refinement",
    "check_outputs",
    "draw_overview",
    "find_cohort",
    "load_pipeline",
    "predict_case",
    "predict_cohort",
    "refine_case",
    "with_threshold",
    "write_page",
    "write_prediction",
]
