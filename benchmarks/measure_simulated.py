"""Whole-tumour Dice of the default on five simulated cases from three scanners, or what it marks in healthy heads.

    python benchmarks/measure_simulated.py --output benchmarks/results/simulated.json
    python benchmarks/measure_simulated.py --without-tumour --output benchmarks/results/simulated_healthy.json

Cases are simulated at full size from seeds 0 to 4; nothing but the installed package is needed.
"""

import argparse
import json
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from measure_model import conditions

from recoseg_hf.evaluation import aggregate, compare_case
from recoseg_hf.files import write_json
from recoseg_hf.imaging.phantom import simulate_case
from recoseg_hf.imaging.phantom_signal import SITES
from recoseg_hf.inference import load_pipeline, predict_case
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline
from recoseg_hf.process import tune_process

CASES = 5


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None)
    parser.add_argument("--without-tumour", action="store_true")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    tune_process()
    pipeline = load_pipeline(options.model)
    pipeline.set_progress_bar_config(disable=True)
    cases = {seed: sorted(SITES)[seed % len(SITES)] for seed in range(CASES)}
    found = marked(pipeline, cases) if options.without_tumour else compared(pipeline, cases)
    write_json(options.output, found | {"measurement": conditions(pipeline)})


def compared(pipeline: ReCoSegPipeline, cases: Mapping[int, str]) -> dict[str, Any]:
    """Scores of cases with a tumour, by seed and scanner."""
    records = []
    for seed, site in cases.items():
        case = simulate_case(seed, site=site)
        record = compare_case(predict_case(pipeline, case).mask, case.seg)
        records.append({"seed": seed, "site": site, **record})
    result = aggregate(records)
    print(
        json.dumps({"mean_dice": result["volume"]["dice"], "each": [record["dice"] for record in records]}, indent=2)
    )
    return result


def marked(pipeline: ReCoSegPipeline, cases: Mapping[int, str]) -> dict[str, Any]:
    """Millilitres that are marked in heads without a tumour, from the least to the most."""
    millilitres = [
        predict_case(pipeline, simulate_case(seed, tumour=False, site=site)).report["results"]["tumour_volume_ml"]
        for seed, site in cases.items()
    ]
    print(json.dumps({"millilitres": millilitres}))
    return {"millilitres": sorted(millilitres), "median": statistics.median(millilitres), "n": len(millilitres)}


if __name__ == "__main__":
    main()
