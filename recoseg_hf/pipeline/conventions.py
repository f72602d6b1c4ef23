"""Names, orders and label schemes that every part of the project shares (a leaf: imports numpy alone)."""

import numpy as np

MODALITIES = ("flair", "t1", "t2", "t1ce")
"""Channel order wherever four modalities stand together."""

CONDITIONS = ("flair", "t1", "t2")
"""What the synthesizer sees beside the noisy T1ce: c = (FLAIR, T1, T2) of the paper, in this order."""

FILE_ALIASES: dict[str, tuple[str, ...]] = {
    "flair": ("flair", "t2f"),
    "t1": ("t1", "t1n"),
    "t2": ("t2", "t2w"),
    "t1ce": ("t1ce", "t1c", "t1gd"),
    "seg": ("seg",),
}
"""Last token of a file's stem, in lower case, for BraTS 2018-2021 and BraTS-GLI names."""

SEGMENTER_CHANNELS = ("flair", "t1", "t2", "t1ce", "synthetic_t1ce", "residual", "static_residual")
"""What `segmenter_inputs` may name."""

RESIDUAL_SOURCES = ("measured", "ensemble", "none")
"""How the residual channel came about; the position is the segmenter's class label."""

REGIONS = ("wt", "tc", "et")
"""Whole tumour, tumour core and enhancing tumour, in the order of the segmenter's output channels."""

NECROTIC_LABEL = 1
"""Necrotic tumour core, in all BraTS years."""

ENHANCING_LABELS = (3, 4)
"""Enhancing tumour is 4 in BraTS 2017-2020 and 3 in BraTS 2021 and later."""


def region_masks(labels: np.ndarray) -> dict[str, np.ndarray]:
    """Split BraTS labels into the nested evaluation regions of Menze et al. 2015 (10.1109/TMI.2014.2377694).

    Args:
        labels: integers of any shape, {0, 1, 2, 4} or {0, 1, 2, 3}.

    Returns:
        Boolean masks of that shape: `wt` (label > 0), `tc` (necrosis and enhancing), `et` (enhancing).
    """
    later, earlier = ENHANCING_LABELS
    enhancing = (labels == later) | (labels == earlier)
    return {"wt": labels > 0, "tc": enhancing | (labels == NECROTIC_LABEL), "et": enhancing}


def parse_names(names: str, allowed: tuple[str, ...], setting: str) -> tuple[str, ...]:
    """Read a comma-separated setting.

    A string, because a list in `model_index.json` is taken for a component when a pipeline is loaded from the Hub.

    Args:
        names: for example `"flair,t1,t2,residual"`.
        allowed: the names that may occur.
        setting: the setting's own name, for the error message.

    Raises:
        ValueError: if a name is not allowed, occurs twice, or none is given.
    """
    parsed = tuple(name.strip() for name in names.split(",") if name.strip())
    unknown = [name for name in parsed if name not in allowed]
    if unknown or not parsed or len(set(parsed)) != len(parsed):
        raise ValueError(f"{setting}={names!r}; expected distinct names out of {', '.join(allowed)}.")
    return parsed
