"""Where the nets run: the same functions on a CPU, on a GPU of one's own, and on ZeroGPU."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

try:
    from spaces import GPU  # installed on every Space; it lends a GPU for as long as a function runs
except ImportError:
    GPU = None

from space.settings import MAX_STEPS, REFINING_SECONDS

if TYPE_CHECKING:
    from recoseg_hf import Case, ReCoSegPipeline
    from recoseg_hf.inference import Prediction, Refinement

Function = TypeVar("Function", bound=Callable)

GPU_SECONDS = 60


def lent_gpu(function: Function) -> Function:
    """Run a function with a GPU where one is lent; its arguments and its result then go from process to process."""
    return GPU(duration=GPU_SECONDS)(function) if GPU else function


@functools.cache
def load_model() -> ReCoSegPipeline:
    """Load the model, once."""
    from recoseg_hf.process import tune_process

    tune_process()
    from diffusers.utils import logging

    from recoseg_hf import load_pipeline

    logging.disable_progress_bar()
    pipeline = load_pipeline(os.environ.get("RECOSEG_MODEL"), revision=os.environ.get("RECOSEG_REVISION"))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def usual_and_most_steps() -> tuple[int, int]:
    """Return the model's own number of denoising steps, and how many may be asked for."""
    usual = load_model().config.num_inference_steps
    return usual, max(usual, MAX_STEPS)


@lent_gpu
def predict(
    case: Case, steps: int, seed: int, source: str | None, progress: Callable[[int, int], None] | None = None
) -> Prediction:
    """Take a case through the model, as `recoseg predict` does."""
    from recoseg_hf import predict_case

    return predict_case(
        load_model(), case, num_inference_steps=steps, seed=seed, residual_source=source, progress=progress
    )


@lent_gpu
def refine(
    case: Case, seed: int, source: str | None, progress: Callable[[int, int], None] | None = None
) -> Iterator[Refinement]:
    """Take a case through the model in rounds, as `recoseg predict --max-seconds` does."""
    from recoseg_hf.inference import refine_case

    yield from refine_case(
        load_model(), case, max_seconds=REFINING_SECONDS, seed=seed, residual_source=source, progress=progress
    )
