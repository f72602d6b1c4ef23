"""Draw the synthetic T1ce of every prepared slice once, so that the segmenter's training need not.

    python training/cache_residuals.py --pretrained_model_name_or_path runs/synthesizer \
        --train_data_dir DATA --output_dir DATA_WITH_RESIDUALS

DATA is a folder made by `recoseg prepare`. The result is the same data set with columns `synthetic_t1ce`, `spread`,
`residual_max` and `spread_max`; its manifest records the weights' hash, steps, samples and seed.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from datasets import DatasetDict
from tqdm.auto import tqdm

from recoseg_hf.errors import InputError
from recoseg_hf.files import sha256_file, write_json
from recoseg_hf.learning.options import option, parse_options
from recoseg_hf.learning.residual_cache import cache_split
from recoseg_hf.learning.slice_batches import open_slices
from recoseg_hf.learning.slices import MANIFEST, SliceSettings, read_manifest
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline
from recoseg_hf.process import tune_process


@dataclass
class CacheOptions:
    """Options of the residual cache."""

    pretrained_model_name_or_path: str = option("", "Pipeline folder with the trained synthesizer, or a Hub id.")
    train_data_dir: str = option("", "Folder made by `recoseg prepare`.")
    output_dir: str = option("", "Where the data set with residuals goes.")
    num_inference_steps: int = option(0, "Denoising steps; 0 takes the pipeline's default.")
    num_samples: int = option(4, "Draws whose spread is cached; 0 caches none.")
    seed: int = option(0, "Seed of the noise.")
    batch_size: int = option(16, "Slices per call of the net.")
    mixed_precision: str = option("no", "no or bf16.")


def main(options: CacheOptions) -> None:
    """Cache every split and write the data set anew."""
    tune_process()
    prepared = read_manifest(options.train_data_dir)
    if Path(options.output_dir).resolve() == Path(options.train_data_dir).resolve():
        raise InputError(options.output_dir, "it is --train_data_dir", "another folder", "Name a new one.")
    if (Path(options.output_dir) / MANIFEST).exists():
        raise InputError(options.output_dir, "it holds a data set", "a new folder", "Remove it or name another.")
    if options.mixed_precision not in ("no", "bf16"):
        raise InputError("--mixed_precision", options.mixed_precision, "no or bf16", "Choose one of them.")
    pipeline = ReCoSegPipeline.from_pretrained(options.pretrained_model_name_or_path)
    pipeline.to("cuda" if torch.cuda.is_available() else "cpu")
    tables = open_slices(options.train_data_dir, options.output_dir, SliceSettings.of_pipeline(pipeline.config))
    steps = options.num_inference_steps or pipeline.config.num_inference_steps
    device = pipeline.device.type
    cached = {}
    with torch.no_grad(), torch.autocast(device, torch.bfloat16, enabled=options.mixed_precision == "bf16"):
        for name, table in tables.items():
            with tqdm(total=len(table), unit="slice", desc=name) as bar:
                cached[name] = cache_split(
                    pipeline, table, steps, options.num_samples, options.seed, options.batch_size, bar.update
                )
    DatasetDict(cached).save_to_disk(options.output_dir)
    write_json(Path(options.output_dir) / MANIFEST, prepared | {"residuals": origin(options, steps)})


def origin(options: CacheOptions, steps: int) -> dict:
    """How the residuals came about, for the manifest."""
    weights = sorted(Path(options.pretrained_model_name_or_path).glob("synthesizer/*.safetensors"))
    return {
        "steps": steps,
        "samples": options.num_samples,
        "seed": options.seed,
        "weights_sha256": [sha256_file(file) for file in weights],
    }


if __name__ == "__main__":
    main(parse_options(CacheOptions))
