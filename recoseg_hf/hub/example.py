"""A picture of what a model does, on a simulated case: nobody's scans."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from recoseg_hf.files import atomic_write
from recoseg_hf.hub.names import EXAMPLE

if TYPE_CHECKING:
    from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline

MOST_STEPS = 20
"""Denoising steps up to which a picture is drawn unasked: with the paper's 1000 a CPU takes hours."""


def draw_example(pipeline: ReCoSegPipeline, folder: Path, shape: tuple[int, int, int] = (240, 240, 155)) -> Path:
    """Simulate a case, predict it, and write the overview picture as `example.png`.

    Args:
        pipeline: the model.
        folder: where the picture goes.
        shape: voxels of the simulated case; its first axis spans 240 mm.

    Raises:
        RecosegError: nilearn, which the simulation needs, is not installed (extra `phantom`).
    """
    from recoseg_hf.imaging.phantom import simulate_case
    from recoseg_hf.inference import draw_overview, predict_case

    pipeline.set_progress_bar_config(disable=True)
    case = simulate_case(0, shape)
    picture = draw_overview(case, predict_case(pipeline, case))
    with atomic_write(folder / EXAMPLE) as path:
        picture.save(path)
    return folder / EXAMPLE
