"""Reading and preprocessing: MONAI's transforms to the input of our nets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.performance.workload import Workload


class Compose:
    """Load, orient, clip at percentiles, normalise over the brain, crop to our field of view, resize to our grid."""

    def __init__(self, workload: Workload) -> None:
        from monai import transforms

        settings, files = workload.settings, workload.files()
        self.names = {f"scan{number}": str(file) for number, file in enumerate(files)}
        keys = [*self.names]
        view, size, depth = settings["field_of_view"], settings["image_size"], workload.shape[2]
        limits = {"lower": settings["lower_percentile"], "upper": settings["upper_percentile"]}
        self.chain = transforms.Compose(
            [
                transforms.LoadImaged(keys, image_only=True),
                transforms.EnsureChannelFirstd(keys),
                transforms.Orientationd(keys, axcodes="RAS", labels=None),
                transforms.ClipIntensityPercentilesd(keys, **limits),
                transforms.NormalizeIntensityd(keys, nonzero=True, channel_wise=True),
                transforms.CenterSpatialCropd(keys, (view, view, -1)),
                transforms.Resized(keys, (size, size, depth)),
                transforms.ConcatItemsd(keys, "image"),
            ]
        )
        self.about: Mapping[str, Any] = {"precision": "float32, channels first"}
        self.run()

    def run(self) -> Mapping[str, Any]:
        """One subject, files to array."""
        return {"shape": list(self.chain(dict(self.names))["image"].shape)}
