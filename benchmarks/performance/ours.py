"""Ours, warm: files to mask, and files to everything that `recoseg predict` writes."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from diffusers.utils import logging
from torch import nn

from benchmarks.performance.work import noted_calls, work_of
from benchmarks.performance.workload import Workload
from recoseg_hf.imaging import inflating
from recoseg_hf.imaging.case import Case
from recoseg_hf.inference import load_pipeline, predict_case, write_prediction
from recoseg_hf.inference.prediction import Prediction
from recoseg_hf.inference.report import describe_model
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline

NETS = ("synthesizer", "segmenter")


class Ours:
    """One subject, files to files.

    Args:
        workload: whose case and model.
        everything: write all outputs, else the mask alone.
        image_size: of the nets' grid in pixels; None is the model's own. Another gives times, not masks of worth.
        isal: False does without it.
    """

    def __init__(
        self, workload: Workload, everything: bool = False, image_size: int | None = None, isal: bool = True
    ) -> None:
        self.case, self.everything, self.isal = workload.case, everything, isal
        self.pipeline = quiet(workload.model)
        if image_size is not None:
            self.pipeline.register_to_config(image_size=image_size)
        nets = nets_of(self.pipeline)
        with noted_calls(nets) as calls:
            first = self.subject()
        work = {name: vars(work_of(net, calls[name])) for name, net in nets.items()}
        model = describe_model(self.pipeline)
        self.about: Mapping[str, Any] = {
            "precision": str(self.pipeline.segmenter.dtype).removeprefix("torch."),
            "model": {name: model[name] for name in ("weights_sha256", "configuration_sha256")},
            "steps": first["steps"],
            "nets": work,
            "flops": sum(one["flops"] for one in work.values()),
            "tumour_ml": first["tumour_ml"],
            "dice": None if everything or image_size else self.dice(),
        }

    def run(self) -> Mapping[str, Any]:
        """One subject; the seconds of its stages, and of the nets alone."""
        return self.subject()

    def subject(self) -> dict[str, Any]:
        """Read, predict, write."""
        gzip = contextlib.nullcontext() if self.isal else by_zlib()
        with tempfile.TemporaryDirectory() as folder, timed_nets(self.pipeline) as nets, gzip:
            started = time.perf_counter()
            case = Case.from_folder(self.case, segmentation=False)
            have_case = time.perf_counter()
            prediction = predict_case(self.pipeline, case)
            predicted = time.perf_counter()
            self.write(prediction, case, Path(folder))
            ended = time.perf_counter()
        report = prediction.report
        inner = report["seconds"]
        rest = predicted - have_case - sum(inner.values())  # the report's own making
        stages = {"read": have_case - started, **inner, "write": ended - predicted}
        stages["restore"] = stages.get("restore", 0.0) + max(rest, 0.0)
        return {
            "seconds": ended - started,
            "stages": stages,
            "nets": dict(nets),
            "steps": report["settings"]["num_inference_steps"],
            "tumour_ml": report["results"]["tumour_volume_ml"],
        }

    def dice(self) -> float | None:
        """Of the mask that is timed with the case's own segmentation, if it has one."""
        case = Case.from_folder(self.case)
        if case.seg is None:
            return None
        mask, reference = predict_case(self.pipeline, case).mask.data > 0, case.seg.data > 0
        return 2 * float((mask & reference).sum()) / max(float(mask.sum() + reference.sum()), 1.0)

    def write(self, prediction: Prediction, case: Case, folder: Path) -> None:
        """Write what is wanted."""
        write_prediction(prediction, case, folder, outputs=None if self.everything else ("mask",))


def quiet(model: str | None) -> ReCoSegPipeline:
    """A pipeline without bars, on the CPU."""
    logging.disable_progress_bar()
    pipeline = load_pipeline(model, device="cpu")
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def nets_of(pipeline: ReCoSegPipeline) -> dict[str, nn.Module]:
    """Those that a model has, by name."""
    nets = {name: getattr(pipeline, name) for name in NETS}
    return {name: net for name, net in nets.items() if net is not None}


@contextlib.contextmanager
def timed_nets(pipeline: ReCoSegPipeline) -> Iterator[dict[str, float]]:
    """Within, add up the wall seconds inside each net's forward."""
    seconds = dict.fromkeys(NETS, 0.0)
    hooks, began = [], {}
    for name, net in nets_of(pipeline).items():

        def enter(*_: Any, name: str = name) -> None:
            began[name] = time.perf_counter()

        def leave(*_: Any, name: str = name) -> None:
            seconds[name] += time.perf_counter() - began[name]

        hooks += [net.register_forward_pre_hook(enter), net.register_forward_hook(leave)]
    try:
        yield seconds
    finally:
        for hook in hooks:
            hook.remove()


@contextlib.contextmanager
def by_zlib() -> Iterator[None]:
    """Within, gzip is zlib's, as where isal is not installed."""
    before, inflating.isal_zlib = inflating.isal_zlib, None
    try:
        yield
    finally:
        inflating.isal_zlib = before
