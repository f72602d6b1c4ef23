"""A trained segmenter that is to see other channels: it begins where the old one ended."""

import torch
from diffusers import UNet2DModel

from recoseg_hf.errors import InputError
from recoseg_hf.pipeline.conventions import SEGMENTER_CHANNELS, parse_names
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline

_FIRST_LAYER = "conv_in.weight"


def with_segmenter_inputs(pipeline: ReCoSegPipeline, names: str) -> ReCoSegPipeline:
    """Return the pipeline with a segmenter that sees other channels.

    Channels that it saw keep their weights, new ones begin at zero weight, as in ControlNet (Zhang et al. 2023,
    arXiv 2302.05543): before any training, a new channel changes nothing.

    Args:
        pipeline: its components are shared but for the segmenter.
        names: as the setting `segmenter_inputs`, for example `"flair,t1,t2,t1ce,residual"`.

    Raises:
        InputError: a name is none, or the residual is to come or to go, with which the net's class label of the
            residual's source comes and goes.
    """
    try:
        channels = parse_names(names, SEGMENTER_CHANNELS, "--segmenter_inputs")
    except ValueError as error:
        remedy = "Name channels that there are."
        raise InputError("--segmenter_inputs", str(error), "distinct channels", remedy) from error
    if ("residual" in channels) != ("residual" in pipeline.channels):
        found = f"{names}, where the start sees {','.join(pipeline.channels)}"
        raise InputError(
            "--segmenter_inputs", found, "the residual in both or in neither", "Start from a system of pipelines/."
        )
    settings = {name: value for name, value in pipeline.config.items() if not name.startswith("_")}
    changed = {"segmenter": _regrown(pipeline, channels), "segmenter_inputs": ",".join(channels)}
    return ReCoSegPipeline(**settings | pipeline.components | changed)


def _regrown(pipeline: ReCoSegPipeline, channels: tuple[str, ...]) -> UNet2DModel:
    config, fold = pipeline.segmenter.config, pipeline.config.pixel_unshuffle**2
    slices = 2 * pipeline.config.context_slices + 1
    weights = dict(pipeline.segmenter.state_dict())
    old = weights[_FIRST_LAYER].unflatten(1, (slices, len(pipeline.channels), fold))
    new = torch.zeros(len(old), slices, len(channels), *old.shape[3:], dtype=old.dtype)
    for place, name in enumerate(channels):
        if name in pipeline.channels:
            new[:, :, place] = old[:, :, pipeline.channels.index(name)]
    weights[_FIRST_LAYER] = new.flatten(1, 3)
    net = UNet2DModel.from_config({**config, "in_channels": weights[_FIRST_LAYER].shape[1]})
    net.load_state_dict(weights)
    return net.to(old.dtype).train(pipeline.segmenter.training)
