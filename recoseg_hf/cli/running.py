"""What `predict` and `demo` share: a case through a model, into files, under one bar."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from recoseg_hf.cli.cold_start import beside_imports, import_model_classes
from recoseg_hf.cli.console import Stages, silence_libraries, stages
from recoseg_hf.process import tune_process

if TYPE_CHECKING:
    from recoseg_hf.imaging.case import Case
    from recoseg_hf.inference import Prediction
    from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline

_SHOWN = {"Picture": "overview", "Page": "page"}
_ENDED = {"stable": "the mask is stable", "time": "no time for more", "rounds": "the most that are tried"}


@dataclass(frozen=True)
class Finished:
    """A case that was predicted and written."""

    case: Case
    prediction: Prediction
    files: dict[str, Path]


def run_case(
    get_case: Callable[[], Case],
    output: Path,
    *,
    first_stage: tuple[str, str],
    model: str | None,
    revision: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    overwrite: bool = False,
    max_seconds: float | None = None,
    outputs: Sequence[str] | None = None,
    light: bool = True,
    **settings: Any,
) -> Finished:
    """Get a case, predict it and write the result; what can fail is checked before what takes long.

    Args:
        get_case: reads or simulates the case.
        output: folder for the result.
        first_stage: what `get_case` does, in the report's seconds and on the bar.
        model: folder or Hub id; None is the embedded default.
        revision: of a Hub repository.
        device: where to run; None takes CUDA where there is one.
        dtype: what the nets compute in, by torch's name; None takes what the device does best.
        overwrite: replace an earlier result.
        max_seconds: of `refine_case`, whose last result is written; None predicts once.
        outputs: what to write; None is all.
        light: `get_case` may run beside the imports, see `beside_imports`.
        settings: of `predict_case`.
    """

    def get_timed() -> tuple[Case, float]:
        started = time.perf_counter()
        case = get_case()
        seconds = time.perf_counter() - started
        from recoseg_hf.inference import check_outputs

        check_outputs(case, output, overwrite)
        _ = case.brain  # kept by the case, and found while the other core would stand idle
        return case, seconds

    silence_libraries()
    tune_process()
    with stages() as bar:
        bar.enter(first_stage[1])
        started = time.perf_counter()
        case, seconds = beside_imports(get_timed, model) if light else get_timed()
        from recoseg_hf.inference import write_prediction

        bar.enter("Loading the model")
        pipeline = quiet_pipeline(model, revision, device, dtype)
        loaded = time.perf_counter()
        prediction = _predict(pipeline, case, bar, max_seconds, settings)
        prediction.report["seconds"] |= {
            first_stage[0]: round(seconds, 3),
            "load_model": round(loaded - started - seconds, 3),
        }
        bar.enter("Writing")
        files = write_prediction(prediction, case, output, overwrite, outputs)
    return Finished(case, prediction, files)


def _predict(
    pipeline: ReCoSegPipeline, case: Case, bar: Stages, max_seconds: float | None, settings: dict[str, Any]
) -> Prediction:
    """Predict once, or in rounds of which the last is the result, and show how far it is."""
    from recoseg_hf.inference import predict_case, refine_case

    def denoised(done: int, total: int) -> None:
        bar.advance(done, total)
        if done == total:
            bar.enter("Segmenting")

    bar.enter("Synthesizing T1ce" if pipeline.synthesizer else "Segmenting")
    if max_seconds is None:
        return predict_case(pipeline, case, progress=denoised, **settings)
    settings = {name: settings[name] for name in ("mask_threshold", "seed", "residual_source")}
    for found in refine_case(pipeline, case, max_seconds=max_seconds, progress=denoised, **settings):
        volume = found.prediction.report["results"]["tumour_volume_ml"]
        bar.enter(f"{volume:.1f} mL after {found.steps} step{'s'[: found.steps != 1]}; refining")
    return found.prediction


def tell(finished: Finished) -> None:
    """Print what came out: warnings on stderr, the result and where it is on stdout."""
    report, settings = finished.prediction.report, finished.prediction.report["settings"]
    for warning in report["warnings"]:
        typer.echo(f"Warning: {warning}", err=True)
    rows = {
        "Subject": report["subject"],
        "Whole tumour": f"{report['results']['tumour_volume_ml']:.1f} mL (threshold {settings['mask_threshold']:g})",
        **_inner_volumes(report["results"]),
        **_steps(report),
        "Residual": settings["residual_source"],
        "Model": report["model"]["name"],
        "Results": finished.files["report"].parent,
        **{label: finished.files[name].name for label, name in _SHOWN.items() if name in finished.files},
    }
    for label, value in rows.items():
        typer.echo(f"{label + ':':<14}{value}")


def _steps(report: dict[str, Any]) -> dict[str, str]:
    """Tell how far a result was refined, if it was."""
    if "refinement" not in report:
        return {}
    last = report["refinement"]["rounds"][-1]
    alike = "" if last["dice"] is None else f", Dice {last['dice']:.3f} to the mask before"
    samples = f" of {last['samples']} samples" if last["samples"] not in (None, 1) else ""
    return {"Steps": f"{last['steps'] or 'none'}{samples} ({_ENDED[report['refinement']['ended']]}{alike})"}


def _inner_volumes(results: dict[str, float]) -> dict[str, str]:
    names = {"Tumour core": "tumour_core_volume_ml", "Enhancing": "enhancing_tumour_volume_ml"}
    return {label: f"{results[name]:.1f} mL" for label, name in names.items() if name in results}


def quiet_pipeline(model: str | None, revision: str | None, device: str | None, dtype: str | None) -> ReCoSegPipeline:
    """Load a pipeline without the bars of diffusers, here and when it is called: the command has one of its own.

    Args:
        model, revision, device: as for `load_pipeline`.
        dtype: what the nets compute in, by torch's name; None takes what the device does best.
    """
    import_model_classes(model)
    import torch
    from diffusers.utils import logging

    from recoseg_hf.inference import load_pipeline

    logging.disable_progress_bar()
    chosen = getattr(torch, dtype) if dtype else None
    pipeline = load_pipeline(model, device=device, revision=revision, dtype=chosen)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
