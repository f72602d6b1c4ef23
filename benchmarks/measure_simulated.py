"""Whole-tumour Dice of the embedded default on five simulated cases from three scanners.

    python benchmarks/measure_simulated.py --output benchmarks/results/simulated.json

Cases are simulated at full size from seeds 0 to 4; nothing but the installed package is needed.
"""

import argparse
import json
from pathlib import Path

from measure_model import conditions

from recoseg_hf.evaluation import aggregate, compare_case
from recoseg_hf.files import write_json
from recoseg_hf.imaging.phantom import simulate_case
from recoseg_hf.imaging.phantom_signal import SITES
from recoseg_hf.inference import load_pipeline, predict_case
from recoseg_hf.process import tune_process

CASES = 5


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    tune_process()
    pipeline = load_pipeline(options.model)
    pipeline.set_progress_bar_config(disable=True)
    records = []
    for seed in range(CASES):
        site = sorted(SITES)[seed % len(SITES)]
        case = simulate_case(seed, site=site)
        record = compare_case(predict_case(pipeline, case).mask, case.seg)
        records.append({"seed": seed, "site": site, **record})
    result = aggregate(records) | {"measurement": conditions(pipeline)}
    write_json(options.output, result)
    print(
        json.dumps({"mean_dice": result["volume"]["dice"], "each": [record["dice"] for record in records]}, indent=2)
    )


if __name__ == "__main__":
    main()
