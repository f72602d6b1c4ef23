"""Make the pictures of README and the documentation, all of simulated cases: `python docs/make_pictures.py`.

Needs the `dev` extra and, for the pictures of the page, a Chromium (`--chromium`). Takes some minutes.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw

from recoseg_hf import Case, load_pipeline, predict_case, simulate_case, write_prediction
from recoseg_hf.evaluation.comparison import compare_case
from recoseg_hf.evaluation.paper.figures.examples import Example
from recoseg_hf.evaluation.paper.figures.sheet import RESEARCH_ONLY
from recoseg_hf.evaluation.paper.figures.slices import PREDICTED, REFERENCE, View, outlined
from recoseg_hf.evaluation.paper.figures.subjects import PredictedFiles
from recoseg_hf.evaluation.paper.figures.synthesis_figure import draw_synthesis
from recoseg_hf.inference import Prediction, draw_overview
from recoseg_hf.inference.drawing import heat_bar, text
from recoseg_hf.inference.views import heat_limit

IMAGES = Path(__file__).resolve().parent / "images"
GALLERY = ((0, "a"), (1, "b"), (2, "c"))
"""Seed and scanner of the gallery's cases: one of each scanner, none picked for its result."""

_GROUND, _INK, _FAINT, _SYNTHETIC = (16, 18, 22), (236, 238, 242), (156, 162, 172), (255, 170, 90)
_TITLES = ("FLAIR", "T1ce", "Synthetic T1ce", "Residual", "Mask and truth")
_SIDE, _HEAD, _FOOT, _GAP = 190, 54, 66, 6


def main() -> None:
    """Simulate, predict, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chromium", default="/usr/bin/chromium", help="the browser that the page is shown in")
    chromium = parser.parse_args().chromium
    pipeline = load_pipeline()
    made = []
    for seed, site in GALLERY:
        case = simulate_case(seed, site=site)
        made.append((case, predict_case(pipeline, case, seed=seed)))
    draw_all(made, chromium)


def draw_all(made: list[tuple[Case, Prediction]], chromium: str) -> None:
    """Draw every picture; those of a single case show the first."""
    case, prediction = made[0]
    save(draw_overview(case, prediction), "overview.png")
    save(draw_gallery(made), "gallery.webp")
    with tempfile.TemporaryDirectory() as folder:
        files = write_prediction(prediction, case, folder)
        save(draw_drawn(case, files), "synthesis.png")
        show_page(files["page"], chromium)


def draw_gallery(made: list[tuple[Case, Prediction]]) -> Image.Image:
    """Draw a line for each case: the slice with the largest true tumour, and how well the whole mask fits."""
    lines = [_line(case, prediction) for case, prediction in made]
    width = _SIDE + sum(panel.width + _GAP for panel in lines[0])
    heights = [line[0].height + _GAP for line in lines]
    canvas = Image.new("RGB", (width, _HEAD + sum(heights) + _FOOT), _GROUND)
    draw = ImageDraw.Draw(canvas)
    top = _HEAD
    for (case, prediction), line, (_, site), height in zip(made, lines, GALLERY, heights, strict=True):
        scores = compare_case(prediction.mask, case.seg)
        text(draw, (16, top + 14), case.subject, 20, _INK)
        text(draw, (16, top + 42), f"scanner {site}", 17, _FAINT)
        text(draw, (16, top + 76), f"Dice {scores['dice']:.2f}", 20, _INK)
        text(draw, (16, top + 104), f"{scores['prediction_ml']:.0f} mL found", 17, PREDICTED)
        text(draw, (16, top + 128), f"{scores['reference_ml']:.0f} mL true", 17, REFERENCE)
        for place, panel in enumerate(line):
            left = _SIDE + place * (panel.width + _GAP)
            canvas.paste(panel, (left, top))
            text(draw, (left + 6, top + 5), "R", 15, _FAINT)
            text(draw, (left + panel.width - 6, top + 5), "L", 15, _FAINT, "ra")
            if "Synthetic" in _TITLES[place]:
                text(draw, (left + 6, top + panel.height - 6), "SYNTHETIC", 13, _SYNTHETIC, "ls")
            if top == _HEAD:
                text(draw, (left, 16), _TITLES[place], 20, _SYNTHETIC if "Synthetic" in _TITLES[place] else _INK)
        top += height
    _draw_foot(canvas, draw, line[0].width)
    return canvas


def _line(case: Case, prediction: Prediction) -> list[Image.Image]:
    whole = View.of(case)
    view = View(whole.brain, whole.position, whole.window, whole.height_mm, pixels=1.6)
    grey = view.limits(case.t1ce)
    flair = view.scan(case.flair)
    masks = {REFERENCE: view.plane(case.seg) > 0, PREDICTED: view.plane(prediction.mask) > 0}
    residual = view.map(prediction.residual, heat_limit(prediction.residual.data, prediction.probability.data > 0))
    panels = [flair, view.scan(case.t1ce, grey), view.scan(prediction.t1ce, grey), residual, outlined(flair, masks)]
    return [_padded(panel, (250, 300)) for panel in panels]


def _padded(panel: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Put a panel in the middle of a black one of another size: heads differ in theirs."""
    canvas = Image.new("RGB", size)
    canvas.paste(panel, ((size[0] - panel.width) // 2, (size[1] - panel.height) // 2))
    return canvas


def _draw_foot(canvas: Image.Image, draw: ImageDraw.ImageDraw, column: int) -> None:
    top = canvas.height - _FOOT + 14
    canvas.paste(heat_bar((10, column)).rotate(-90, expand=True), (_SIDE + 3 * (column + _GAP), top))
    notice = f"Simulated: no patient. Yellow: computed, blue: true. {RESEARCH_ONLY}"
    text(draw, (16, top + 20), notice, 17, _FAINT)
    text(draw, (_SIDE + 3 * (column + _GAP), top + 14), "0", 15, _FAINT)
    text(draw, (_SIDE + 3 * (column + _GAP) + column, top + 14), "percentile 99.5 of the brain", 15, _FAINT, "ra")


def draw_drawn(case: Case, files: dict[str, Path]) -> Image.Image:
    """Draw the paper's Figure 2 of a case."""
    row = PredictedFiles(
        {name: files[name] for name in ("mask", "t1ce", "residual")}, threshold=0.5, seed_threshold=0.0
    )
    example = Example(case, {"small": row}, View.of(case), "simulated", {"small": None})
    figure = draw_synthesis([example], "small", "ReCoSeg small, simulated case", 1)
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        figure.savefig(file.name, dpi=100)
        return Image.open(file.name).convert("RGB")


def show_page(page: Path, chromium: str) -> None:
    """Take pictures of a page as a desktop and a phone show it."""
    from playwright.sync_api import sync_playwright

    shown = {"report.webp": ((1280, 1620), "light"), "report_phone.webp": ((390, 1620), "dark")}
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-dev-shm-usage"])
        for name, ((width, height), scheme) in shown.items():
            tab = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
            tab.goto(page.as_uri())
            with tempfile.NamedTemporaryFile(suffix=".png") as file:
                tab.screenshot(path=file.name)
                save(Image.open(file.name).convert("RGB"), name)
        browser.close()


def save(picture: Image.Image, name: str) -> None:
    """Save a picture without anything beside its pixels."""
    options = {"quality": 90, "method": 6} if name.endswith(".webp") else {"optimize": True}
    picture.save(IMAGES / name, **options)


if __name__ == "__main__":
    main()
