"""What computing in bfloat16 instead of float32 changes on the validation subjects: the mask, its Dice, the seconds.

    python benchmarks/measure_dtypes.py --data BRATS --output benchmarks/results/dtypes.json

Both are run on each subject in turn, so that they are timed under the same load.
"""

import argparse
import json
import statistics
from pathlib import Path

import numpy as np
import torch
from measure_model import conditions, measure, validation_cases

from recoseg_hf.files import write_json
from recoseg_hf.inference import load_pipeline
from recoseg_hf.process import tune_process

DTYPES = ("float32", "bfloat16")


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default=None)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    tune_process()
    pipelines = {name: load_pipeline(options.model, dtype=getattr(torch, name)) for name in DTYPES}
    dice, seconds = {name: [] for name in DTYPES}, {name: [] for name in DTYPES}
    changed, changed_of_tumour = [], []
    for case in validation_cases(options.data, "validation"):
        masks = {}
        for name, pipeline in pipelines.items():
            pipeline.set_progress_bar_config(disable=True)
            measured = measure(pipeline, case)
            masks[name] = measured.prediction.mask.data
            dice[name].append(measured.record["dice"])
            seconds[name].append(measured.seconds)
        differ = np.count_nonzero(masks["float32"] != masks["bfloat16"])
        changed.append(differ / masks["float32"].size)
        changed_of_tumour.append(differ / np.count_nonzero(masks["float32"]))
    result = {
        "n": len(changed),
        "mean_dice": {name: statistics.mean(values) for name, values in dice.items()},
        "median_seconds": {name: statistics.median(values) for name, values in seconds.items()},
        "largest_share_of_voxels_changed": max(changed),
        "largest_change_over_mask_volume": max(changed_of_tumour),
        "measurement": conditions(pipelines["bfloat16"]),
    }
    write_json(options.output, result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
