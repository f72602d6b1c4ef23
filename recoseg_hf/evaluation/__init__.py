"""How good a prediction is: metrics with their edge cases stated, and whole cohorts with n and intervals.

One subject in memory: `compare_case`, `compare_shape`, `compare_synthesis`, `compare_cues`, and, for the paper's
protocol, `compare_case_as_paper`; many of them: `aggregate`; two systems: `paired_differences`; folders:
`evaluate_masks`. `intervals` says how sure a mean is.

`metrics` has the numbers of one pair of arrays; `systems` what is compared; `audit` whether results, ours or
anybody's, can be; `paper` the paper's table with its claims, figures and page; `new_site` what a fine-tuning brought.
"""

from recoseg_hf.evaluation.aggregation import aggregate, aggregate_synthesis
from recoseg_hf.evaluation.cohort import evaluate_masks
from recoseg_hf.evaluation.comparison import compare_case, compare_shape
from recoseg_hf.evaluation.differences import paired_differences
from recoseg_hf.evaluation.metrics.curves import compare_cues
from recoseg_hf.evaluation.protocols import compare_case_as_paper
from recoseg_hf.evaluation.summary import summary_rows
from recoseg_hf.evaluation.synthesis_comparison import compare_synthesis

__all__ = [
    "aggregate",
    "aggregate_synthesis",
    "compare_case",
    "compare_case_as_paper",
    "compare_cues",
    "compare_shape",
    "compare_synthesis",
    "evaluate_masks",
    "paired_differences",
    "summary_rows",
]
