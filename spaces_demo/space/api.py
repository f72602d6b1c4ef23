"""The same Space for programs: named endpoints for `gradio_client`, without pictures."""

from __future__ import annotations

from typing import Any

import gradio as gr

from space import words
from space.device import usual_and_most_steps
from space.fields import checked, scan_field
from space.session import Result, run
from space.settings import MAX_SEED
from space.shelf import SHELF, Ticket
from space.uploads import example_case, uploaded_case

_NOWHERE = gr.Progress()


def add_api(result: gr.State, concurrency_id: str) -> None:
    """Add the endpoints to the page that is being built.

    A client's calls share one session: `/mask_at_threshold` works on the result of its last `/segment` or `/example`.

    Args:
        result: the session's.
        concurrency_id: under which no two predictions run at once.
    """
    with gr.Column(visible=False):
        files = [scan_field(label) for label in words.FIELDS.values()]
        usual_steps, most_steps = usual_and_most_steps()
        steps = checked(gr.Slider(1, most_steps, usual_steps, step=1, label="Denoising steps"))
        seed = checked(gr.Number(0, precision=0, minimum=0, maximum=MAX_SEED, label="Seed"))
        without_t1ce = checked(gr.Radio(["none", "ensemble"], value="none", label="Residual where no T1ce is given"))
        threshold = checked(gr.Slider(0.01, 0.99, 0.5, step=0.01, label="Threshold"))
        report = gr.JSON(label="Report")
        written = gr.File(file_count="multiple", interactive=False, label="Files")
    outputs = [result, report, written]
    for name, handler, inputs in (
        ("segment", segment, [*files, steps, seed, without_t1ce]),
        ("example", example, [steps, seed]),
        ("mask_at_threshold", mask_at_threshold, [result, threshold]),
    ):
        gr.Button(visible=False).click(handler, inputs, outputs, api_name=name, concurrency_id=concurrency_id)


@words.plainly
def segment(
    flair: str,
    t1: str,
    t2: str,
    t1ce: str | None,
    steps: int,
    seed: int,
    without_t1ce: str,
    progress: gr.Progress = _NOWHERE,
) -> list[Any]:
    """Segment a case: NIfTI files, skull-stripped and co-registered. Returns the report and the files."""
    uploads = {"flair": flair, "t1": t1, "t2": t2, "t1ce": t1ce}
    return _written(run(uploaded_case(uploads), steps, seed, without_t1ce, progress))


@words.plainly
def example(steps: int, seed: int, progress: gr.Progress = _NOWHERE) -> list[Any]:
    """Segment the simulated case. Returns the report and the files."""
    return _written(run(example_case(), steps, seed, "none", progress))


@words.plainly
def mask_at_threshold(ticket: Ticket | None, threshold: float) -> list[Any]:
    """Make the mask of this session's last result anew, without running the nets. Returns the report and the files."""
    result = SHELF.get(ticket)
    if result is None:
        raise words.told(words.GONE)
    return _written(result.at(threshold))


def _written(result: Result) -> list[Any]:
    files = [str(file) for file in result.write()]
    return [SHELF.put(result), result.prediction.report, files]
