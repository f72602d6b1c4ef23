"""Whether results can be: ours, or anybody's that stand in a JSON file. `audit_results` is the door.

`score_pairs` is the arithmetic of a Dice and an IoU, `shared_subjects` finds leaks, `agreement` tells whether the
numbers of a table agree with one another.
"""

from recoseg_hf.evaluation.audit.results import Audit, Finding, audit_results, read_results

__all__ = ["Audit", "Finding", "audit_results", "read_results"]
