"""What `predict` and `demo` share: a case through a model, into files, under one bar."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from recoseg_hf.cli.console import silence_libraries, stages
from recoseg_hf.process import tune_process

if TYPE_CHECKING:
    from recoseg_hf.imaging.case import Case
    from recoseg_hf.inference import Prediction
    from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline


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
        settings: of `predict_case`.
    """
    silence_libraries()
    tune_process()
    with stages() as bar:
        bar.enter(first_stage[1])
        started = time.perf_counter()
        case = get_case()
        have_case = time.perf_counter()
        from recoseg_hf.inference import check_outputs, predict_case, write_prediction

        check_outputs(case, output, overwrite)
        bar.enter("Loading the model")
        pipeline = quiet_pipeline(model, revision, device, dtype)
        loaded = time.perf_counter()
        bar.enter("Synthesizing T1ce" if pipeline.synthesizer else "Segmenting")

        def denoised(done: int, total: int) -> None:
            bar.advance(done, total)
            if done == total:
                bar.enter("Segmenting")

        prediction = predict_case(pipeline, case, progress=denoised, **settings)
        prediction.report["seconds"] |= {
            first_stage[0]: round(have_case - started, 3),
            "load_model": round(loaded - have_case, 3),
        }
        bar.enter("Writing")
        files = write_prediction(prediction, case, output, overwrite)
    return Finished(case, prediction, files)


def tell(finished: Finished) -> None:
    """Print what came out: warnings on stderr, the result and where it is on stdout."""
    report, settings = finished.prediction.report, finished.prediction.report["settings"]
    for warning in report["warnings"]:
        typer.echo(f"Warning: {warning}", err=True)
    rows = {
        "Subject": report["subject"],
        "Whole tumour": f"{report['results']['tumour_volume_ml']:.1f} mL (threshold {settings['mask_threshold']:g})",
        **_inner_volumes(report["results"]),
        "Residual": settings["residual_source"],
        "Model": report["model"]["name"],
        "Results": finished.files["report"].parent,
        "Picture": finished.files["overview"].name,
        "Page": finished.files["page"].name,
    }
    for label, value in rows.items():
        typer.echo(f"{label + ':':<14}{value}")


def _inner_volumes(results: dict[str, float]) -> dict[str, str]:
    names = {"Tumour core": "tumour_core_volume_ml", "Enhancing": "enhancing_tumour_volume_ml"}
    return {label: f"{results[name]:.1f} mL" for label, name in names.items() if name in results}


def quiet_pipeline(model: str | None, revision: str | None, device: str | None, dtype: str | None) -> ReCoSegPipeline:
    """Load a pipeline without the bars of diffusers, here and when it is called: the command has one of its own.

    Args:
        model, revision, device: as for `load_pipeline`.
        dtype: what the nets compute in, by torch's name; None takes what the device does best.
    """
    import torch
    from diffusers.utils import logging

    from recoseg_hf.inference import load_pipeline

    logging.disable_progress_bar()
    chosen = getattr(torch, dtype) if dtype else None
    pipeline = load_pipeline(model, device=device, revision=revision, dtype=chosen)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
