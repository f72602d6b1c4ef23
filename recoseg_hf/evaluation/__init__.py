"""How good a prediction is: metrics with their edge cases stated, and whole cohorts with n and intervals.

One subject in memory: `compare_case`, `compare_synthesis`; many of them: `aggregate`; folders: `evaluate_masks`. Below
these, `metrics` has the numbers of one pair of arrays, and `intervals` says how sure a mean is.
"""

from recoseg_hf.evaluation.aggregation import aggregate, aggregate_synthesis
from recoseg_hf.evaluation.cohort import evaluate_masks
from recoseg_hf.evaluation.comparison import compare_case, compare_synthesis
from recoseg_hf.evaluation.summary import summary_rows

__all__ = [
    "aggregate",
    "aggregate_synthesis",
    "compare_case",
    "compare_synthesis",
    "evaluate_masks",
    "summary_rows",
]
