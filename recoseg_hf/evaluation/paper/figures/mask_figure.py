"""The paper's Figures 3 and 4: slice, reference, prediction and overlay, for several systems side by side."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from recoseg_hf.evaluation.paper.figures.examples import Example, chosen_how, score
from recoseg_hf.evaluation.paper.figures.sheet import RESEARCH_ONLY, Panel, draw_sheet
from recoseg_hf.evaluation.paper.figures.slices import AGREED, INVENTED, MISSED, tinted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LEGEND = {"prediction and reference": AGREED, "reference alone (missed)": MISSED, "prediction alone": INVENTED}
_IN_ONE_LINE = 2  # systems; of more, the overlays stand under the predictions


def draw_masks(examples: Sequence[Example], system: str, titles: Mapping[str, str], n: int) -> Figure:
    """Draw slice, reference, and each system's prediction and overlay, a line or two for each subject.

    Args:
        examples: the subjects.
        system: the row whose Dice chose them.
        titles: of the rows to show.
        n: subjects that they were chosen from.
    """
    lines, sides = [], []
    names = [textwrap.fill(title, 26) for title in titles.values()]
    if len(titles) <= _IN_ONE_LINE:
        heads = ["slice (FLAIR)", "reference", *(f"{name}\n{part}" for name in names for part in _PARTS)]
    else:
        heads = ["slice (FLAIR);\nreference", *names]
    for example in examples:
        given, predicted = _panels(example, list(titles))
        if len(titles) <= _IN_ONE_LINE:
            lines.append([*given, *(panel for pair in predicted for panel in pair)])
            sides.append(example.label)
        else:
            lines += [[panel, *(pair[place] for pair in predicted)] for place, panel in enumerate(given)]
            sides += [example.label, ""]
    caption = (
        f"Whole-tumour masks. Dice is of the whole volume, not of the slice. {chosen_how(titles[system], n)} "
        f"{RESEARCH_ONLY}"
    )
    return draw_sheet(lines, heads, sides, caption, _LEGEND)


_PARTS = ("prediction", "overlay")


def _panels(example: Example, rows: Sequence[str]) -> tuple[list[Panel], list[tuple[Panel, Panel]]]:
    """Slice and reference, and each row's prediction and overlay."""
    case, view = example.case, example.view
    flair, reference = view.scan(case.flair), view.plane(case.seg) > 0
    given = [Panel(flair, f"z {view.height_mm:+.0f} mm", view, 50), Panel(view.mask(reference), "", view)]
    predicted = []
    for row in rows:
        mask = view.plane(example.rows[row].read("mask", case)) > 0
        overlay = Panel(tinted(flair, mask, reference), "", view)
        predicted.append((Panel(view.mask(mask), f"Dice {score(example.dice[row])}", view), overlay))
    return given, predicted
