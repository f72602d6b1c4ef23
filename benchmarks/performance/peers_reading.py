"""Reading and preprocessing: MONAI's transforms to the input of our nets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.performance.workload import Workload


class Compose:
    """Load, orient, clip at percentiles, normalise over the brain, crop to our field of view, resize to our grid.

    The statistics are MONAI's, mean and deviation, so the values are not ours.

    Args:
        workload: whose files and grid.
        cropped: cut the head out first, so that there is less to do.
    """

    def __init__(self, workload: Workload, cropped: bool = False) -> None:
        from monai import transforms

        settings, files = workload.settings, workload.files()
        self.names = {f"scan{number}": str(file) for number, file in enumerate(files)}
        keys = [*self.names]
        view, size = settings["field_of_view"], workload.side
        limits = {"lower": settings["lower_percentile"], "upper": settings["upper_percentile"]}
        first = [transforms.CropForegroundd(keys, source_key=keys[0])] if cropped else []
        self.chain = transforms.Compose(
            [
                transforms.LoadImaged(keys, image_only=True),
                transforms.EnsureChannelFirstd(keys),
                transforms.Orientationd(keys, axcodes="RAS", labels=None),
                *first,
                transforms.ClipIntensityPercentilesd(keys, **limits),
                transforms.NormalizeIntensityd(keys, nonzero=True, channel_wise=True),
                transforms.ResizeWithPadOrCropd(keys, (view, view, -1))
                if cropped
                else transforms.CenterSpatialCropd(keys, (view, view, -1)),
                transforms.Resized(keys, (size, size, -1)),
                transforms.ConcatItemsd(keys, "image"),
            ]
        )
        self.about: Mapping[str, Any] = {"precision": "float32, channels first"}
        self.run()

    def run(self) -> Mapping[str, Any]:
        """One subject, files to array."""
        return {"shape": list(self.chain(dict(self.names))["image"].shape)}
