"""The page: fields, buttons and pictures, and what happens when they are used."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import gradio as gr

from recoseg_hf import Case, InputError
from recoseg_hf.pipeline.pipeline_recoseg import ENSEMBLE_MIN_STEPS
from space import html, words
from space.api import add_api
from space.device import load_model, usual_and_most_steps
from space.fields import checked, scan_field
from space.gate import speak_plainly
from space.session import Result, run, run_in_rounds
from space.settings import MAX_SEED, MOST_SLICES, REFINING_SECONDS, STATIC, TIME_TO_LIVE
from space.shelf import SHELF, Ticket
from space.tidying import NEVER
from space.uploads import example_case, uploaded_case
from space.viewer import SCRIPT, TEMPLATE, viewer_mask, viewer_scene

TITLE = "ReCoSeg++"
INTRODUCTION = (
    "Brain tumour segmentation guided by what a diffusion model did not expect to see. From FLAIR, T1 and T2 it draws "
    "the contrast-enhanced image (T1ce) one would expect; where the given T1ce differs, a second net looks for tumour."
)
_STARTED = "() => { window.recosegNew = true; }"
_TO_RESULTS = """() => {
  if (!window.recosegNew) return;
  window.recosegNew = false;
  const go = () => document.getElementById('summary').scrollIntoView({ block: 'start' });
  setTimeout(go, 100);  // once there is enough below it
}"""
_NOWHERE = gr.Progress()


def build_page() -> gr.Blocks:
    """Lay out the page and wire it up."""
    gr.set_static_paths([STATIC])
    with gr.Blocks(
        title=f"{TITLE} demo", delete_cache=(NEVER, TIME_TO_LIVE), analytics_enabled=False, fill_width=True
    ) as page:
        result = gr.State(None, time_to_live=TIME_TO_LIVE)
        gr.HTML(f"<h1>{TITLE}</h1><p>{INTRODUCTION}</p>", elem_id="introduction")
        gr.HTML(words.NOTICE.format(minutes=TIME_TO_LIVE // 60), elem_id="notice")
        files = _file_fields()
        steps, seed, without_t1ce, refine = _settings()
        with gr.Row(elem_id="actions"):
            segment = gr.Button("Segment my files", variant="primary", elem_id="segment")
            example = gr.Button("Try the simulated example", elem_id="example")
        summary = gr.HTML(elem_id="summary")
        shown = _Results(load_model().config.mask_threshold)

    with page:
        given = [steps, seed, without_t1ce, refine]
        outputs = [result, summary, shown.group, shown.slice, shown.threshold, shown.panels, shown.files]
        model = {"concurrency_id": "model", "api_visibility": "private", "show_progress_on": summary}
        for button, handler, inputs in (
            (segment, segment_files, [*files, *given]),
            (example, segment_example, [steps, seed, refine]),
        ):
            button.click(None, js=_STARTED)
            done = button.click(handler, inputs, outputs, **model)
            done.success(None, js=_TO_RESULTS)  # where the words are those of the run before
            done.success(show_viewer, result, shown.viewer, api_visibility="private", show_progress="hidden")
        summary.change(None, js=_TO_RESULTS)  # with the first round already
        shown.wire(result, summary)
        add_api(result, model["concurrency_id"])
    speak_plainly(page)
    return page


def _file_fields() -> list[gr.File]:
    """Return fields for FLAIR, T1, T2 and T1ce; what a file is tells its content, so any name may be chosen."""
    gr.HTML(
        "<h2>Scans</h2><p>NIfTI files (.nii or .nii.gz) of one person: skull-stripped, co-registered, on one grid, as "
        "BraTS data are.</p>",
        elem_id="scans",
    )
    with gr.Row(elem_id="files"):
        return [
            scan_field(label, height=140, elem_id=f"file_{name}", min_width=150)
            for name, label in (
                ("flair", "FLAIR file"),
                ("t1", "T1 file"),
                ("t2", "T2 file"),
                ("t1ce", "T1ce file (optional)"),
            )
        ]


def _settings() -> tuple[gr.Component, ...]:
    usual_steps, most_steps = usual_and_most_steps()
    with gr.Accordion("Settings", open=False, elem_id="settings"), gr.Row():
        steps = gr.Slider(
            1, most_steps, usual_steps, step=1, label="Denoising steps", info="More take longer.", elem_id="steps"
        )
        seed = gr.Number(
            0, label="Seed", info="The same seed gives the same result.", precision=0, minimum=0, maximum=MAX_SEED
        )
        without_t1ce = gr.Radio(
            [
                ("None: leave it out", "none"),
                (f"Ensemble: spread over samples, slower, from {ENSEMBLE_MIN_STEPS} steps", "ensemble"),
            ],
            value="none",
            label="Residual where no T1ce is given",
        )
        refine = gr.Checkbox(
            False,
            label="Refine the first mask",
            info="Shows a mask after the fewest steps, then of more steps and samples until it is stable, for at most "
            f"{REFINING_SECONDS} seconds. The number of denoising steps is not used then.",
            elem_id="refine",
        )
    return (*(checked(field) for field in (steps, seed, without_t1ce)), refine)


class _Results:
    """The part of the page that appears with the first result."""

    def __init__(self, threshold: float) -> None:
        with gr.Column(visible=False, elem_id="results") as self.group:
            with gr.Row(elem_id="sliders"):
                self.slice = gr.Slider(
                    1, 155, 78, step=1, label="Axial slice", elem_id="slice", min_width=300,
                    info="Counted from below. Arrow keys move it too.",
                )  # fmt: skip
                self.threshold = gr.Slider(
                    0.01, 0.99, threshold, step=0.01, label="Threshold on the probability of tumour",
                    info=f"Lower marks more. The model's own is {threshold:g}.", elem_id="threshold", min_width=300,
                )  # fmt: skip
            self.panels = gr.HTML(elem_id="panels")
            gr.HTML("<h2>Slices and 3D</h2>")
            self.viewer = gr.HTML(html_template=TEMPLATE, js_on_load=SCRIPT, elem_id="viewer")
            gr.HTML("<h2>Download</h2>")
            self.prepare = gr.Button("Prepare the files for this threshold", elem_id="prepare")
            self.files = gr.File(
                label="NIfTI volumes on the grid of the scans, and a report (HTML)",
                file_count="multiple", interactive=False, visible=False, elem_id="downloads",
            )  # fmt: skip

    def wire(self, result: gr.State, summary: gr.HTML) -> None:
        """Connect sliders and downloads; `always_last` drops what a moving slider has passed already."""
        quick = {
            "queue": False,
            "trigger_mode": "always_last",
            "show_progress": "hidden",
            "api_visibility": "private",
        }
        self.slice.input(show_slice, [result, self.slice], self.panels, **quick)
        self.slice.input(None, self.slice, None, js="(number) => { window.recosegToSlice?.(number); }")
        self.threshold.input(
            move_threshold,
            [result, self.threshold, self.slice],
            [result, summary, self.panels, self.viewer, self.files],
            **quick,
        )
        self.prepare.click(prepare_files, result, self.files, api_visibility="private")


@words.plainly
def segment_files(
    flair: str | None,
    t1: str | None,
    t2: str | None,
    t1ce: str | None,
    steps: int,
    seed: int,
    without_t1ce: str,
    refine: bool,
    progress: gr.Progress = _NOWHERE,
) -> Iterator[list[Any]]:
    """Segment what was uploaded."""
    uploads = {"flair": flair, "t1": t1, "t2": t2, "t1ce": t1ce}
    yield from _segment(uploaded_case(uploads), steps, seed, without_t1ce, refine, progress)


@words.plainly
def segment_example(steps: int, seed: int, refine: bool, progress: gr.Progress = _NOWHERE) -> Iterator[list[Any]]:
    """Segment the simulated case."""
    yield from _segment(example_case(), steps, seed, "none", refine, progress)


def _segment(
    opened: AbstractContextManager[Case],
    steps: int,
    seed: int,
    without_t1ce: str,
    refine: bool,
    progress: gr.Progress,
) -> Iterator[list[Any]]:
    """Show the result, or that of each round as soon as it is there."""
    if not refine:
        yield _show(run(opened, steps, seed, without_t1ce, progress))
        return
    for number, result in enumerate(run_in_rounds(opened, seed, without_t1ce, progress)):
        yield _show(result) if number == 0 else _show_again(result)


def _show(result: Result) -> list[Any]:
    browser = result.browser
    return [
        _put(result),
        html.summary(result),
        gr.Column(visible=True),
        gr.Slider(
            minimum=browser.own_slices[0], maximum=browser.own_slices[-1], value=browser.own_slices[browser.start]
        ),
        gr.Slider(value=result.threshold),
        html.panels(result, browser.start),
        gr.File(value=None, visible=False),
    ]


def _show_again(result: Result) -> list[Any]:
    """Show a later round where the visitor is; files made of the one before are withdrawn."""
    position = result.browser.start if result.view.position is None else result.view.position
    stays = gr.skip()
    withdrawn = gr.File(value=None, visible=False)
    shown = html.summary(result), stays, stays, stays, html.panels(result, position)
    return [_put(result), *shown, withdrawn]


def _put(result: Result) -> Ticket:
    """Keep what is shown, and let its visitor's later wishes find it."""
    ticket = SHELF.put(result)
    result.view.newest = weakref.ref(ticket)
    return ticket


@words.plainly
def show_viewer(ticket: Ticket | None) -> str:
    """Fill the 3D viewer."""
    return viewer_scene(_there(ticket).browser)


@words.plainly
def show_slice(ticket: Ticket | None, number: int) -> str:
    """Show another of the scan's own slices."""
    result = _there(ticket)
    result.view.position = result.browser.position_of(_slice_number(number))
    return html.panels(result, result.view.position)


@words.plainly
def move_threshold(ticket: Ticket | None, threshold: float, number: int) -> list[Any]:
    """Make the mask anew at another threshold; files made for the one before are withdrawn."""
    view = _there(ticket).view
    view.threshold = threshold  # at once: a round that is finished meanwhile is shown at it
    newest = view.newest() or ticket
    result = _there(newest).at(threshold)
    if view.newest() not in (None, newest):
        return [gr.skip()] * 5
    panels = html.panels(result, result.browser.position_of(_slice_number(number)))
    return [
        _put(result),
        html.summary(result),
        panels,
        viewer_mask(result.browser),
        gr.File(value=None, visible=False),
    ]


@words.plainly
def prepare_files(ticket: Ticket | None) -> Any:
    """Write the result's files."""
    return gr.File(value=[str(file) for file in _there(ticket).write()], visible=True)


def _slice_number(number: Any) -> int:
    """Check what the slider gave: Gradio replaces the field, and a check of ours with it, when its limits change."""
    if not isinstance(number, int | float) or not 0 <= number <= MOST_SLICES:
        raise InputError("Axial slice", f"it is {number!r:.40}", "one of the scan's slices", "Move the slider.")
    return int(number)


def _there(ticket: Ticket | None) -> Result:
    result = SHELF.get(ticket)
    if result is None:
        raise words.told(words.GONE)
    return result
