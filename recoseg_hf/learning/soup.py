"""The mean of several runs' segmenters: a model soup (Wortsman et al. 2022, arXiv 2203.05482)."""

from collections.abc import Sequence

import torch

from recoseg_hf.errors import InputError
from recoseg_hf.inference.report import weights_sha256
from recoseg_hf.learning.channels import with_segmenter_inputs
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline


def mean_of_segmenters(pipelines: Sequence[ReCoSegPipeline]) -> ReCoSegPipeline:
    """Give the first pipeline the mean of all segmenters' weights.

    It makes sense where one run went on from another, so that their weights are near each other. A run that saw fewer
    channels counts with zero weight on those that it did not see.

    Args:
        pipelines: in float32; the first is changed and returned, and gives synthesizer, settings and channels.

    Raises:
        InputError: one has another synthesizer, or a segmenter of another size.
    """
    first, *others = pipelines
    drawer = weights_sha256(first, ["synthesizer"])
    if any(weights_sha256(other, ["synthesizer"]) != drawer for other in others):
        raise InputError("--run", "runs with several synthesizers", "one for all", "Average runs of one synthesizer.")
    nets = [first.segmenter, *(with_segmenter_inputs(one, ",".join(first.channels)).segmenter for one in others)]
    states = [net.state_dict() for net in nets]
    shapes = [{name: tuple(weight.shape) for name, weight in state.items()} for state in states]
    if any(shape != shapes[0] for shape in shapes):
        raise InputError("--run", "segmenters of several sizes", "one size", "Average runs of one system.")
    mean = {name: torch.stack([state[name] for state in states]).mean(dim=0) for name in states[0]}
    first.segmenter.load_state_dict(mean)
    return first
