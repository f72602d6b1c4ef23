"""The paper's Figure 2: what was measured, the T1ce that was drawn from it, and where the two differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from recoseg_hf.evaluation.paper.figures.examples import Example, chosen_how
from recoseg_hf.evaluation.paper.figures.sheet import RESEARCH_ONLY, Panel, draw_sheet
from recoseg_hf.evaluation.paper.figures.slices import REFERENCE, outlined

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TITLES = ("FLAIR", "T1", "T2", "T1ce, measured", "T1ce, synthetic", "Residual")
_HEAT_PERCENTILE = 99.5
_T1CE_WINDOW = (0.5, 98.5)  # in-brain percentiles; above, vessels alone would leave the tissue dark


def can_show_synthesis(example: Example, system: str) -> bool:
    """Whether there is a measured and a synthetic T1ce, and their residual."""
    return example.case.t1ce is not None and {"t1ce", "residual"} <= example.rows[system].files.keys()


def draw_synthesis(examples: Sequence[Example], system: str, title: str, n: int) -> Figure:
    """Draw FLAIR, T1, T2, measured T1ce, synthetic T1ce and residual, a line for each subject.

    Both T1ce share one grey scale, and all residuals one colour scale; the reference is outlined on the residual.

    Args:
        examples: for which `can_show_synthesis`.
        system: the row that drew the T1ce.
        title: its name.
        n: subjects that they were chosen from.
    """
    residuals = [example.rows[system].read("residual", example.case) for example in examples]
    in_brain = [
        residual.data[example.case.flair.data != 0] for example, residual in zip(examples, residuals, strict=True)
    ]
    limit = max(float(np.percentile(values, _HEAT_PERCENTILE)) for values in in_brain) or 1.0
    lines = []
    for example, residual in zip(examples, residuals, strict=True):
        case, view = example.case, example.view
        shared = view.limits(case.t1ce, _T1CE_WINDOW)
        heat = outlined(view.map(residual, limit), {REFERENCE: view.plane(case.seg) > 0}, 2.5)
        panels = [view.scan(scan) for scan in (case.flair, case.t1, case.t2)]
        panels += [view.scan(case.t1ce, shared), view.scan(example.rows[system].read("t1ce", case), shared), heat]
        notes = (f"z {view.height_mm:+.0f} mm", "", "", "", "synthetic", "")
        lines.append(
            [
                Panel(panel, note, view, scale_mm=50 if place == 0 else 0)
                for place, (panel, note) in enumerate(zip(panels, notes, strict=True))
            ]
        )
    caption = (
        f"{title}: T1ce drawn from FLAIR, T1 and T2, and the residual |synthetic - measured| as the segmenter sees "
        f"it, 0 to 1, one colour scale. Measured and synthetic T1ce share one grey scale, which "
        f"ends at percentile {_T1CE_WINDOW[1]:g} of the measured one. {chosen_how(title, n)} "
        f"{RESEARCH_ONLY}"
    )
    sides = [example.label for example in examples]
    return draw_sheet(lines, _TITLES, sides, caption, {"reference, whole tumour": REFERENCE}, heat_limit=limit)
