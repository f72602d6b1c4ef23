"""A few neighbouring slices of a volume, which cost a fraction of it: prepared with the whole, the rest left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.volume import Volume, from_canonical, scan_to_canonical
from recoseg_hf.learning.slices import SliceSettings, prepare_case
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline
from recoseg_hf.pipeline.preprocessing import PreparedStack

Box = tuple[slice, ...]


class SlabPipeline(ReCoSegPipeline):
    """Sees no brain outside some slices of its one case; intensities are scaled by the whole volume all the same."""

    _inside: slice = slice(None)
    _prepared: PreparedStack | None = None

    def preprocess(
        self, images: Mapping[str, np.ndarray | torch.Tensor], t1ce_measurement: Any = None
    ) -> PreparedStack:
        """As the pipeline's, once."""
        if self._prepared is None:
            stack = super().preprocess(images, t1ce_measurement)
            seen = torch.zeros(len(stack.source_brain), 1, 1, dtype=torch.bool)
            seen[self._inside] = True
            brain = stack.brain & seen[:: stack.slice_step, None]
            self._prepared = replace(stack, brain=brain, source_brain=stack.source_brain & seen)
        return self._prepared


def slab_of(pipeline: ReCoSegPipeline, case: Case, count: int) -> tuple[SlabPipeline, Box]:
    """Take the slices around the one with most tumour.

    Args:
        pipeline: the model.
        case: labelled.
        count: of slices, 1 mm apart.

    Returns:
        The model, seeing these alone, and where they lie on the case's own grid.
    """
    _, regions = prepare_case(case, SliceSettings.of_pipeline(pipeline.config))
    areas = (regions[:, 0] > 0.5).flatten(1).sum(dim=1)
    step = pipeline.config.slice_step
    most = int(areas[::step].argmax())  # of the slices that the nets see, and so is the slab's first
    first = min(max(most - count // 2 // step, 0), max(len(areas) - count, 0) // step) * step
    settings = {name: value for name, value in pipeline.config.items() if not name.startswith("_")}
    inside = slice(first, first + count)
    kind = type("SlabOfOneCase", (SlabPipeline,), {"_inside": inside})  # so that what is derived from it has it too
    slab = kind(**settings | pipeline.components)
    slab.set_progress_bar_config(disable=True)
    scan = scan_to_canonical(case.flair)
    seen = np.zeros(scan.shape, np.float32)
    seen[:, :, inside] = 1
    own = from_canonical(Volume(seen, scan.affine), like=case.flair).data > 0.5
    return slab, tuple(slice(int(at.min()), int(at.max()) + 1) for at in np.nonzero(own))


def cut(volume: Volume, box: Box) -> Volume:
    """Return a part of a volume, where it lies."""
    affine = volume.affine.copy()
    affine[:3, 3] += affine[:3, :3] @ [side.start for side in box]
    return Volume(np.ascontiguousarray(volume.data[box]), affine)
