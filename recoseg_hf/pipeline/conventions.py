"""Names, orders and label schemes that every part of the project shares (a leaf: imports numpy alone)."""

import numpy as np

MODALITIES = ("flair", "t1", "t2", "t1ce")
"""Channel order wherever four modalities stand together."""

CONDITIONS = ("flair", "t1", "t2")
"""What the synthesizer sees beside the noisy T1ce: c = (FLAIR, T1, T2) of the paper, in this order."""

FILE_ALIASES: dict[str, tuple[str, ...]] = {
    "flair": ("flair", "t2f"),
    "t1": ("t1", "t1n", "t1w"),
    "t2": ("t2", "t2w"),
    "t1ce": ("t1ce", "t1c", "t1gd"),
    "seg": ("seg", "dseg"),
}
"""Last token of a file's stem, in lower case, for BraTS 2018-2021, BraTS-GLI and BIDS names."""

SEGMENTER_CHANNELS = ("flair", "t1", "t2", "t1ce", "synthetic_t1ce", "residual", "static_residual")
"""What `segmenter_inputs` may name."""

RESIDUAL_SOURCES = ("measured", "ensemble", "none")
"""How the residual channel came about; the position is the segmenter's class label."""

REGIONS = ("wt", "tc", "et")
"""Whole tumour, tumour core and enhancing tumour, in the order of the segmenter's output channels."""

NECROTIC_LABEL = 1
"""Necrotic tumour core, in all BraTS years."""

OEDEMA_LABEL = 2
"""Peritumoural oedema and what infiltrates it, in all BraTS years."""

ENHANCING_LABELS = (3, 4)
"""Enhancing tumour is 4 in BraTS 2017-2020 and 3 in BraTS 2021 and later."""


INNER_THRESHOLD = 0.5
"""Tumour core and enhancing tumour are where their probability exceeds it, unless a model has its own."""


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


def nested_labels(
    mask: np.ndarray, tumour_core: np.ndarray, enhancing: np.ndarray, threshold: float = INNER_THRESHOLD
) -> np.ndarray:
    """Put whole tumour, tumour core and enhancing tumour together as BraTS labels.

    The regions are nested: what enhances is core, and only the whole tumour has a core.

    Args:
        mask: of the whole tumour, of any shape.
        tumour_core, enhancing: probability in [0, 1], of that shape.
        threshold: what these two must exceed.

    Returns:
        uint8 of that shape: 1 core that does not enhance, 2 oedema, 4 enhancing (as in BraTS 2017 to 2021).
    """
    inside = mask != 0
    enhances = inside & (enhancing > threshold)
    labels = np.where(inside, np.uint8(OEDEMA_LABEL), np.uint8(0))
    np.copyto(labels, NECROTIC_LABEL, where=inside & (tumour_core > threshold))
    np.copyto(labels, ENHANCING_LABELS[-1], where=enhances)
    return labels


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


def hides_t1ce(source: str, channels: tuple[str, ...]) -> bool:
    """Say whether the segmenter is shown zeros in place of the measured T1ce.

    Where it sees a residual too, the T1ce goes with the measured one: a model that learnt both does without both.

    Args:
        source: one of `RESIDUAL_SOURCES`.
        channels: that the segmenter sees.
    """
    return source != "measured" and "residual" in channels


def resolve_source(requested: str | None, has_t1ce: bool, channels: tuple[str, ...], synthesizes: bool) -> str:
    """Say which residual source a call uses.

    Args:
        requested: one of `RESIDUAL_SOURCES`; None takes `measured` where that is possible.
        has_t1ce: whether a measured T1ce was given.
        channels: that the segmenter sees.
        synthesizes: whether the model draws T1ce.

    Raises:
        ValueError: if there is no such source, or the model or a missing T1ce rules it out.
    """
    if requested not in (None, *RESIDUAL_SOURCES):
        raise ValueError(f"residual_source={requested!r}; expected one of {', '.join(RESIDUAL_SOURCES)}.")
    compares = synthesizes or "static_residual" in channels
    if not {"measured": compares, "ensemble": synthesizes}.get(requested, True):
        raise ValueError(f"residual_source={requested!r} needs a synthesizer; expected 'none' or None here.")
    needs = {"t1ce", "static_residual"} & set(channels)
    if requested in (None, "measured"):
        needs |= {"residual"} & set(channels)
    elif hides_t1ce(requested, channels):
        needs -= {"t1ce"}
    if not has_t1ce and (needs or requested == "measured"):
        raise ValueError(
            f"no T1ce was given and this model needs it for {', '.join(sorted(needs)) or 'the residual'}. Give "
            "t1ce, or choose residual_source='ensemble' or 'none' where the residual needs it."
        )
    return requested or ("measured" if has_t1ce and compares else "none")
