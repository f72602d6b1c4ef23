"""The paper's Figures 3 and 4: slice, reference, prediction and overlay, for several systems side by side."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from recoseg_hf.evaluation.figures.examples import Example, chosen_how, score
from recoseg_hf.evaluation.figures.sheet import RESEARCH_ONLY, Panel, draw_sheet
from recoseg_hf.evaluation.figures.slices import AGREED, INVENTED, MISSED, tinted
from recoseg_hf.imaging.volume import to_canonical

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LEGEND = {"prediction and reference": AGREED, "reference alone (missed)": MISSED, "prediction alone": INVENTED}


def draw_masks(examples: Sequence[Example], system: str, titles: Mapping[str, str], n: int) -> Figure:
    """Draw two lines for each subject: slice and predictions, under them the reference and the overlays.

    Args:
        examples: the subjects.
        system: the row whose Dice chose them.
        titles: of the rows to show.
        n: subjects that they were chosen from.
    """
    lines, sides = [], []
    for example in examples:
        view = example.view
        flair, reference = view.scan(example.case.flair), view.plane(example.case.seg) > 0
        masks = {row: view.cut(to_canonical(example.rows[row].read("mask", example.case)).data) > 0 for row in titles}
        first = Panel(flair, f"FLAIR, z {view.height_mm:+.0f} mm", view, scale_mm=50)
        predictions = [
            Panel(view.mask(mask), f"prediction, Dice {score(example.dice[row])}", view) for row, mask in masks.items()
        ]
        overlays = [Panel(tinted(flair, mask, reference), "overlay", view) for mask in masks.values()]
        lines += [[first, *predictions], [Panel(view.mask(reference), "reference", view), *overlays]]
        sides += [example.label, ""]
    caption = (
        f"Whole-tumour masks. Dice is of the whole volume, not of the slice. {chosen_how(titles[system], n)} "
        f"{RESEARCH_ONLY}"
    )
    heads = ["slice and reference", *(textwrap.fill(title, 26) for title in titles.values())]
    return draw_sheet(lines, heads, sides, caption, _LEGEND)
