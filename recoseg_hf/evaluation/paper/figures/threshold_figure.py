"""The paper's Figure 5: what the threshold changes at the tumour's edge."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from recoseg_hf.evaluation.comparison import compare_case
from recoseg_hf.evaluation.paper.figures.examples import Example, chosen_how, score
from recoseg_hf.evaluation.paper.figures.sheet import RESEARCH_ONLY, Panel, draw_sheet
from recoseg_hf.evaluation.paper.figures.slices import PREDICTED, REFERENCE, outlined
from recoseg_hf.imaging.volume import Volume, to_canonical
from recoseg_hf.pipeline.masks import seeded_mask

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from recoseg_hf.evaluation.paper.figures.slices import View

PAPER_THRESHOLDS = (0.3, 0.4, 0.5)


def draw_thresholds(examples: Sequence[Example], system: str, title: str, n: int) -> Figure:
    """Draw the slice, the reference on it, and the zoomed masks at the paper's thresholds and the model's own.

    Args:
        examples: with a probability of the row `system`.
        system: the row.
        title: its name.
        n: subjects that they were chosen from.
    """
    own = examples[0].rows[system].threshold
    thresholds = sorted({*PAPER_THRESHOLDS, own})
    lines = [_line(example, system, thresholds) for example in examples]
    heads = [f"tau = {one:g}" + (" (the model's)" if one == own else "") for one in thresholds]
    seeds = examples[0].rows[system].seed_threshold
    hysteresis = f", of which only what hangs together with a probability above {seeds:g} is kept" if seeds else ""
    caption = (
        f"{title}: voxels with a whole-tumour probability above tau{hysteresis}. Dice, precision (P) and recall (R) "
        f"are of the whole volume. {chosen_how(title, n)} {RESEARCH_ONLY}"
    )
    legend = {"reference": REFERENCE, "prediction": PREDICTED}
    sides = [example.label for example in examples]
    return draw_sheet(lines, ["FLAIR", "reference, zoomed field", *heads], sides, caption, legend)


def _line(example: Example, system: str, thresholds: Sequence[float]) -> list[Panel]:
    case, view, files = example.case, example.view, example.rows[system]
    probability = files.read("probability", case)
    masks = {
        one: Volume(seeded_mask(probability.data, one, files.seed_threshold), case.flair.affine) for one in thresholds
    }
    reference = to_canonical(case.seg).data > 0
    widest = to_canonical(masks[min(thresholds)]).data > 0
    zoom = view.zoomed(reference if reference[:, :, view.position].any() else widest)
    whole, limits = view.scan(case.flair), view.limits(case.flair)
    truth = outlined(whole, {REFERENCE: view.cut(reference)})
    panels = [Panel(whole, f"z {view.height_mm:+.0f} mm", view, 50), Panel(_framed(truth, view, zoom), "", view)]
    ground = zoom.scan(case.flair, limits)
    for place, mask in enumerate(masks.values()):
        lines = {REFERENCE: zoom.cut(reference), PREDICTED: zoom.plane(mask) > 0}
        panels.append(Panel(outlined(ground, lines, 2.5), _scores(mask, case.seg), zoom, 10 if place == 0 else 0))
    return panels


def _scores(mask: Volume, seg: Volume) -> str:
    found = compare_case(mask, seg)
    return f"P {score(found['precision'])}  R {score(found['recall'])}\nDice {score(found['dice'])}"


def _framed(panel, view: View, zoom: View):
    from PIL import ImageDraw

    (_, right, _, front), (first, last, rear, fore) = view.window, zoom.window
    box = np.array([right - last, front - fore, right - first, front - rear]) * view.pixels
    box = np.clip(box, 1, [panel.width - 2, panel.height - 2] * 2).round().astype(int)
    ImageDraw.Draw(panel).rectangle(tuple(box.tolist()), outline=(242, 242, 242), width=2)
    return panel
