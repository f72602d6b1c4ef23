"""Make a trained run the model that comes with the package: half-precision weights, chosen settings, its record.

    python training/embed_default.py --run runs/recoseg_small --record record.json \
        --mask_threshold 0.15 --seed_threshold 0.95 --slice_smoothing 1 \
        --region_threshold 0.25 --num_inference_steps 1

Of several runs with one synthesizer the segmenters' weights are averaged, see `learning/soup.py`. The record says how
long and on what the nets were trained. `benchmarks/write_card.py` then renders the card from it and from measured
results.
"""

import argparse
import json
from pathlib import Path

from recoseg_hf.files import write_json
from recoseg_hf.hub import TRAINING_RECORD, save_half
from recoseg_hf.inference.saving import write_weight_hashes
from recoseg_hf.learning.soup import mean_of_segmenters
from recoseg_hf.pipeline.pipeline_recoseg import EMBEDDED_MODEL, ReCoSegPipeline


def main() -> None:
    """Load, set, save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", nargs="+", required=True, help="what train_segmenter.py wrote; of several, the mean")
    parser.add_argument("--record", type=Path, required=True, help="JSON: machine, subjects, slices, steps, hours")
    parser.add_argument("--mask_threshold", type=float, required=True)
    parser.add_argument("--seed_threshold", type=float, default=0.0)
    parser.add_argument("--slice_smoothing", type=float, default=0.0)
    parser.add_argument("--region_threshold", type=float, default=0.5)
    parser.add_argument("--num_inference_steps", type=int, required=True)
    parser.add_argument("--output", type=Path, default=EMBEDDED_MODEL)
    options = parser.parse_args()
    pipeline = mean_of_segmenters([ReCoSegPipeline.from_pretrained(run) for run in options.run])
    pipeline.register_to_config(
        mask_threshold=options.mask_threshold,
        seed_threshold=options.seed_threshold,
        slice_smoothing=options.slice_smoothing,
        region_threshold=options.region_threshold,
        num_inference_steps=options.num_inference_steps,
    )
    save_half(pipeline, options.output)
    write_weight_hashes(options.output)
    write_json(options.output / TRAINING_RECORD, json.loads(options.record.read_text()))


if __name__ == "__main__":
    main()
