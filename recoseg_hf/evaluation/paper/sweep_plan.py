"""Which settings of a trained model are varied, and which values of each are tried.

A sweep is a setting with the values tried; a point is one of them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline

THRESHOLDS = tuple(np.linspace(0.05, 0.95, 19).round(2).tolist())
"""Of the probability; the paper's 0.3, 0.4 and 0.5 are among them."""
CLIPS = (0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
"""Upper limits of R; 1 clips nothing."""
SMOOTHING = (0.0, 1.0, 2.0)
"""Standard deviations through the slices in mm."""
STEPS = (1, 2, 5, 10, 50)
"""Denoising steps."""
SWEEPS = (
    "mask_threshold", "num_inference_steps", "residual_clip", "residual_source", "slice_smoothing", "noise",
)  # fmt: skip
"""By the name of what is varied; `noise` is `independent` between slices or `shared` by all slices of a volume."""


@dataclass(frozen=True)
class Point:
    """A value that a setting is tried at.

    Attributes:
        settings: for `RememberedDraws.set_to`.
        call: for `predict_case`.
        draws: whether another T1ce is drawn, which is then judged too.
        own: whether it is the model's own value.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    call: Mapping[str, Any] = field(default_factory=dict)
    draws: bool = False
    own: bool = False


def plan_sweeps(
    pipeline: ReCoSegPipeline, steps: Sequence[int] = STEPS, only: Collection[str] = SWEEPS
) -> dict[str, dict[str, Point]]:
    """Say which values of which settings a model can be tried at, the model's own among them.

    Args:
        pipeline: the model.
        steps: numbers of denoising steps; those that its scheduler does not have are left out.
        only: names out of `SWEEPS`.

    Returns:
        Points by sweep and value. A sweep that means nothing to the model is absent: without a synthesizer there are
        no steps and no noise, without a residual no limit and no source of it, and a 3D model has no smoothing.

    Raises:
        ValueError: a name is none of `SWEEPS`.
    """
    if unknown := sorted(set(only) - set(SWEEPS)):
        raise ValueError(f"no sweep {', '.join(unknown)}; expected some of {', '.join(SWEEPS)}.")
    config, draws = pipeline.config, pipeline.synthesizer is not None
    longest = pipeline.scheduler.config.num_train_timesteps
    found = {"mask_threshold": {f"{one:g}": Point() for one in sorted({*THRESHOLDS, config.mask_threshold})}}
    if draws:  # first of those that draw, so that no draw of theirs is remembered and their seconds are true
        counts = sorted({*(one for one in steps if one <= longest), config.num_inference_steps})
        found["num_inference_steps"] = {
            str(one): Point(call={"num_inference_steps": one}, draws=True, own=one == config.num_inference_steps)
            for one in counts
        }
    if draws and "residual" in pipeline.channels:
        found["residual_clip"] = _config_points(config, "residual_clip", CLIPS)
        sources = {"measured": Point(own=True), "none": Point(call={"residual_source": "none"})}
        if longest > 1:  # a regression has no spread
            sources["ensemble"] = Point(call={"residual_source": "ensemble"}, draws=True)
        found["residual_source"] = sources
    if "slice_smoothing" in config:
        found["slice_smoothing"] = _config_points(config, "slice_smoothing", SMOOTHING)
    if draws:
        found["noise"] = {"independent": Point(own=True), "shared": Point({"shared_noise": True}, draws=True)}
    return {name: points for name, points in found.items() if name in only}


def _config_points(config: Mapping[str, Any], name: str, values: Sequence[float]) -> dict[str, Point]:
    own = config[name]
    return {f"{one:g}": Point({name: one}, own=one == own) for one in sorted({*values, own})}
