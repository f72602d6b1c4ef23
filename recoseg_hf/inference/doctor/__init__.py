"""Cases that are legal but wrong: what in the images themselves gives reason to suspect it.

`scans` makes a case small; `motion`, `contrast` and `texture` measure it, `measuring` all together; `judging` holds
the measures against `limits` and says in words what they mean.
"""

from recoseg_hf.inference.doctor.examination import CANNOT_SEE, Examination, examine_case
from recoseg_hf.inference.doctor.words import Suspicion

__all__ = ["CANNOT_SEE", "Examination", "Suspicion", "examine_case"]
