"""What was found: how much tumour, and where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from recoseg_hf.inference.page.scene import Scene, extent

if TYPE_CHECKING:
    from recoseg_hf.inference.prediction import Prediction

_NEAR_MM = 3  # of the brain's middle: neither side
_REGIONS = {  # of the report's results: title, what it is
    "tumour_volume_ml": ("wt", "Whole tumour", "WT: core, and oedema with what infiltrates it"),
    "tumour_core_volume_ml": ("tc", "Tumour core", "TC: enhancing tumour and what it encloses"),
    "enhancing_tumour_volume_ml": ("et", "Enhancing tumour", "ET: active tumour"),
}


def volumes(prediction: Prediction) -> list[dict[str, Any]]:
    """Return each region's `key`, `title`, `note` and volume `ml`, as the report has them."""
    results = prediction.report["results"]
    return [
        {"key": key, "title": title, "note": note, "ml": results[name]}
        for name, (key, title, note) in _REGIONS.items()
        if name in results
    ]


def location(scene: Scene) -> dict[str, Any] | None:
    """Say where the tumour lies; None where none was found.

    Returns:
        `slices`: the first, the last and the one with most tumour, and how many the scan has; `from_middle_mm`: its
        centre of mass from the middle of the brain's extent, to the right, front and top; `world_mm`: the same point
        in the scan's coordinates (RAS); `extent_mm`: across, front to back, bottom to top; `right_share`: of its
        voxels to the right of the brain's middle.
    """
    mask, areas = scene.regions["wt"], scene.areas["wt"]
    if not areas.any():
        return None
    across = mask.sum(axis=2)
    centre = np.array([_mean_place(line) for line in (across.sum(axis=1), across.sum(axis=0), areas)])
    middle, (low, high) = scene.brain_extent.mean(axis=1), extent(mask).T
    first, last, most = (scene.own_slice(position) for position in (low[2], high[2], areas.argmax()))
    to_the_right = (1 + np.sign(np.arange(len(mask)) - middle[0])) / 2  # half of what lies in the middle itself
    return {
        "slices": {
            "first": first,
            "last": last,
            "most": most,
            "count": scene.own_shape[2],
        },
        "from_middle_mm": (centre - middle).tolist(),
        "world_mm": (scene.affine @ [*centre, 1])[:3].tolist(),
        "extent_mm": (high - low + 1).tolist(),
        "right_share": float(across.sum(axis=1) @ to_the_right / across.sum()),
    }


def location_rows(found: dict[str, Any]) -> dict[str, str]:
    """Put a `location` into words, by what each is."""
    slices, share = found["slices"], found["right_share"]
    across, deep, high = found["extent_mm"]
    side = "right" if share > 0.5 else "left"
    on_a_side = f"{max(share, 1 - share):.0%} on the patient's {side}" if share != 0.5 else "half on either side"
    right, front, top = found["world_mm"]
    return {
        "Side": f"{on_a_side} (of the middle of the brain's width)",
        "Axial slices": f"{slices['first']} to {slices['last']} of {slices['count']}, counted from below; most in "
        f"slice {slices['most']}",
        "Centre, from the brain's middle": _offsets(found["from_middle_mm"]),
        "Extent": f"{across} mm across, {deep} mm front to back, {high} mm high",
        "Centre, in scan coordinates": f"{right:+.0f}, {front:+.0f}, {top:+.0f} mm (right, front, top; RAS)",
    }


def _offsets(from_middle: list[float]) -> str:
    ways = (("to the right", "to the left"), ("to the front", "to the back"), ("up", "down"))
    parts = [
        f"{abs(offset):.0f} mm {way[offset < 0]}"
        for offset, way in zip(from_middle, ways, strict=True)
        if abs(offset) >= _NEAR_MM
    ]
    return ", ".join(parts) or f"less than {_NEAR_MM} mm away"


def _mean_place(weights: np.ndarray) -> float:
    """Return the mean index of a line of weights."""
    return float(np.average(np.arange(len(weights)), weights=weights))
