"""The case that the golden values are of, and how they are made: `python -m tests.determinism.golden` prints them."""

import json

import numpy as np
import torch

from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.phantom import simulate_case
from recoseg_hf.imaging.volume import Volume
from recoseg_hf.inference import Prediction, load_pipeline

SLICES = 5


def golden_case() -> Case:
    """A few slices of 1 mm through a simulated tumour, simulated coarsely and drawn out."""
    whole = simulate_case(3, (48, 48, 31))
    middle = int(np.argmax(np.count_nonzero(whole.seg.data, axis=(0, 1))))
    spacing = whole.flair.affine.copy()
    spacing[:3, :3] /= 5
    spacing[2, 2] = 1.0

    def drawn_out(data: np.ndarray) -> np.ndarray:
        wide = data[:, :, middle].repeat(5, axis=0).repeat(5, axis=1)
        # Slices differ, or nothing could tell one that got another's noise.
        return np.stack([np.roll(wide, number, axis=1) for number in range(SLICES)], axis=2)

    volumes = {name: Volume(drawn_out(volume.data), spacing) for name, volume in whole.volumes().items()}
    return Case("golden", **{name: volume for name, volume in volumes.items() if name != "seg"})


def pipeline():
    """The embedded model in float32, which every processor has."""
    loaded = load_pipeline(device="cpu", dtype=torch.float32)
    loaded.set_progress_bar_config(disable=True)
    return loaded


def arrays(prediction: Prediction) -> dict[str, np.ndarray]:
    """All that a prediction consists of."""
    volumes = {name: getattr(prediction, name) for name in ("mask", "labels", "probability", "t1ce", "residual")}
    return {name: volume.data for name, volume in volumes.items()} | {
        f"probability of {name}": volume.data for name, volume in prediction.region_probabilities.items()
    }


def measured(prediction: Prediction) -> dict[str, float]:
    """Numbers that a change anywhere on the way from scan to mask would move."""
    found = {name: value for name, value in prediction.report["results"].items() if name.endswith("_ml")}
    for name, data in arrays(prediction).items():
        if data.dtype.kind == "f":
            # The weights tell apart values that are the same and lie elsewhere.
            places = np.cos(np.arange(data.size, dtype=np.float64)).reshape(data.shape)
            found |= {
                f"mean {name}": float(data.mean(dtype=np.float64)),
                f"pattern {name}": float((places * data).sum()),
            }
    return {name: round(value, 6) for name, value in found.items()}


if __name__ == "__main__":
    from recoseg_hf.inference import predict_case

    print(json.dumps(measured(predict_case(pipeline(), golden_case())), indent=4))
