"""Reading and preprocessing: MONAI's transforms to the input of our nets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.performance.workload import Workload


class Compose:
    """Load, orient, clip at percentiles, normalise over the brain, crop to our field of view, resize to our grid.

    Once as it is, and once with the head cut out first, so that there is less to do. The statistics are MONAI's, mean
    and deviation, so the values are not ours.

    Args:
        workload: whose files and grid.
    """

    def __init__(self, workload: Workload) -> None:
        self.names = {f"scan{number}": str(file) for number, file in enumerate(workload.files())}
        self.chains = {
            "compose": _chain(workload, [*self.names], cropped=False),
            "compose_cropped": _chain(workload, [*self.names], cropped=True),
        }
        self.about: Mapping[str, Any] = {"precision": "float32, channels first"}
        for plan in self.chains:
            self.run(plan)  # warm

    def run(self, plan: str) -> Mapping[str, Any]:
        """One subject, files to array."""
        return {"shape": list(self.chains[plan](dict(self.names))["image"].shape)}


def _chain(workload: Workload, keys: list[str], cropped: bool) -> Any:
    from monai import transforms

    settings = workload.settings
    view, size = settings["field_of_view"], workload.side
    limits = {"lower": settings["lower_percentile"], "upper": settings["upper_percentile"]}
    fit = transforms.ResizeWithPadOrCropd if cropped else transforms.CenterSpatialCropd
    return transforms.Compose(
        [
            transforms.LoadImaged(keys, image_only=True),
            transforms.EnsureChannelFirstd(keys),
            transforms.Orientationd(keys, axcodes="RAS", labels=None),
            *([transforms.CropForegroundd(keys, source_key=keys[0])] if cropped else []),
            transforms.ClipIntensityPercentilesd(keys, **limits),
            transforms.NormalizeIntensityd(keys, nonzero=True, channel_wise=True),
            fit(keys, (view, view, -1)),
            transforms.Resized(keys, (size, size, -1)),
            transforms.ConcatItemsd(keys, "image"),
        ]
    )
