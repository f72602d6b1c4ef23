"""Whether a scan shows more than a brain."""

from __future__ import annotations

import numpy as np

from recoseg_hf.imaging.volume import Volume

_LEAST_BACKGROUND = 0.2
_LARGEST_BRAIN_ML = 2500  # the largest skulls hold 2 L, MNI152 takes brains to 1.9 L; a head has 3.5 L and more


def more_than_a_brain(volume: Volume) -> str:
    """Say in a clause why a scan is no brain on a zero background; "" where it may be one.

    A head whose air is zero, as some scanners have it, is told by its size.
    """
    filled = np.count_nonzero(volume.data != 0)  # of booleans: half the time
    background, millilitres = 1 - filled / volume.data.size, filled * volume.voxel_volume_ml
    if background < _LEAST_BACKGROUND:
        return f"only {background:.0%} of it is zero"
    return f"{millilitres:,.0f} mL of it are not zero" if millilitres > _LARGEST_BRAIN_ML else ""
