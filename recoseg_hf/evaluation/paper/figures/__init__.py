"""The paper's figures, and ours, from what `training/reproduce_paper.py` left of one data set.

A picture of a patient's scan is as private as the scan: the files belong where the scans are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from recoseg_hf.evaluation.canvas import require_drawing, save
from recoseg_hf.evaluation.paper.figures.subjects import find_subjects, rows_with_predictions, title_of
from recoseg_hf.evaluation.systems.rows import BASELINE

if TYPE_CHECKING:
    from recoseg_hf.evaluation.paper.figures.examples import Example
    from recoseg_hf.evaluation.paper.figures.measuring import Measured

__all__ = ["compared_rows", "draw_figures", "draw_measured", "draw_steps_figure", "require_drawing"]

AT_MOST_ROWS = 4


def draw_figures(
    folder: Path,
    cases: Path,
    rows: Sequence[str],
    output: Path,
    *,
    system: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Draw what one data set's folder has data for.

    Args:
        folder: with `predictions/ROW/SUBJECT/` and `models/ROW/`, as `training/reproduce_paper.py` writes it.
        cases: the data set, with segmentations.
        rows: to draw from; those without predictions are left out, and of many only `compared_rows` are compared.
        output: made where it is missing; pictures of the same name in it are replaced.
        system: the row whose T1ce, residual and thresholds are shown; by default `measuring.chosen_system`.
        progress: called after each subject with how many are done and how many there are.

    Returns:
        The pictures: `synthesis.png` (the paper's Figure 2), `masks.png` (3 and 4), `thresholds.png` (5), `cues.png`,
        `calibration.png` and `dice_by_threshold.png`. Those without data are left out; none where no row has finished
        a labelled subject.

    Raises:
        RecosegError: matplotlib is missing.
        InputError: `cases` holds no case, or a file of a subject is unusable or on another grid.
    """
    require_drawing()
    from recoseg_hf.evaluation.paper.figures.measuring import chosen_system, measure

    available = rows_with_predictions(Path(folder), rows)
    if not available:
        return []
    system = chosen_system(available) if system is None else system
    if system not in available:
        return []
    shown = compared_rows(available, system)
    subjects = find_subjects(Path(folder), Path(cases), shown)
    return draw_measured(measure(subjects, shown, system, progress), output) if subjects else []


def draw_measured(measured: Measured, output: Path) -> list[Path]:
    """As `draw_figures`, of what has been measured already, so that no probability is read twice.

    Args:
        measured: of `measure_rows`; of many rows only `compared_rows` are shown.
        output: as for `draw_figures`.
    """
    require_drawing()
    if not measured.subjects:
        return []
    from recoseg_hf.evaluation.paper.figures.examples import read_examples

    system, subjects = measured.system, measured.subjects
    shown = compared_rows(list(measured.dice), system)
    examples = read_examples(subjects, {row: measured.dice[row] for row in shown}, system)
    return _sheets(examples, shown, system, len(subjects), output) + _charts(measured, shown, system, output)


def draw_steps_figure(file: Path, output: Path) -> Path:
    """Draw Dice against denoising steps and seconds, `steps.png`.

    Args:
        file: what `python -m benchmarks.steps` wrote.
        output: folder of the picture.

    Raises:
        RecosegError: matplotlib is missing.
        InputError: `file` is missing or another one.
    """
    from recoseg_hf.evaluation.paper.figures.steps_figure import draw_steps, read_steps

    return save(draw_steps(*read_steps(file)), Path(output) / "steps.png")


def compared_rows(rows: Sequence[str], system: str) -> list[str]:
    """Choose rows that fit side by side, in the order given: the system, the baseline, the paper's, then the others.

    Args:
        rows: that there are.
        system: always among them.
    """
    wanted = dict.fromkeys((system, BASELINE, "recoseg_plus_plus", "unet2d", *rows))
    chosen = [row for row in wanted if row in rows][:AT_MOST_ROWS]
    return [row for row in rows if row in chosen]


def _sheets(examples: Sequence[Example], shown: Sequence[str], system: str, n: int, output: Path) -> list[Path]:
    """The pictures of slices."""
    from recoseg_hf.evaluation.paper.figures.mask_figure import draw_masks
    from recoseg_hf.evaluation.paper.figures.synthesis_figure import can_show_synthesis, draw_synthesis
    from recoseg_hf.evaluation.paper.figures.threshold_figure import draw_thresholds

    output, title, found = Path(output), title_of(system), []
    if drawn := [example for example in examples if can_show_synthesis(example, system)]:
        found.append(save(draw_synthesis(drawn, system, title, n), output / "synthesis.png"))
    if examples:
        titles = {row: title_of(row) for row in shown}
        found.append(save(draw_masks(examples, system, titles, n), output / "masks.png"))
    if likely := [example for example in examples if "probability" in example.rows[system].files]:
        found.append(save(draw_thresholds(likely, system, title, n), output / "thresholds.png"))
    return found


def _charts(measured: Measured, shown: Sequence[str], system: str, output: Path) -> list[Path]:
    """The pictures of numbers."""
    from recoseg_hf.evaluation.paper.figures.cue_curves import mean_curves
    from recoseg_hf.evaluation.paper.figures.curve_figures import draw_cues, draw_reliability, draw_threshold_curve
    from recoseg_hf.evaluation.paper.figures.reliability import reliability
    from recoseg_hf.evaluation.paper.figures.threshold_scores import mean_dice

    output, found = Path(output), []
    curves = mean_curves(measured.curves)
    if any(cue == "residual" for cue, _ in curves):
        found.append(save(draw_cues(curves, title_of(system)), output / "cues.png"))
    if charted := [row for row in shown if row in measured.bins]:
        rows = measured.subjects[0].rows
        bins = {title_of(row): reliability(measured.bins[row]) for row in charted}
        found.append(save(draw_reliability(bins), output / "calibration.png"))
        scores = {title_of(row): mean_dice(measured.threshold_dice[row]) for row in charted}
        own = {title_of(row): rows[row].threshold for row in charted}
        seeds = {title_of(row): rows[row].seed_threshold for row in charted}
        found.append(save(draw_threshold_curve(scores, own, seeds), output / "dice_by_threshold.png"))
    return found
