"""Draw the synthetic T1ce of every prepared slice once, so that the segmenter's training need not.

    python training/cache_residuals.py --pretrained_model_name_or_path runs/synthesizer \
        --fold_models runs/fold0 runs/fold1 runs/fold2 --train_data_dir DATA --output_dir DATA_WITH_RESIDUALS

DATA is a folder made by `recoseg prepare`. The result is the same data set with columns `synthetic_t1ce`, `spread`,
`residual_max` and `spread_max`. A subject that the synthesizer was trained on is drawn by the fold model that never
saw it; without fold models the residuals of those subjects are smaller than any that the segmenter will meet. The
manifest records who was drawn by which weights. Stopped and repeated, it goes on where it was; finished and repeated,
it leaves all as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from recoseg_hf.cli.scripts import run_script
from recoseg_hf.errors import InputError
from recoseg_hf.inference.loading import load_pipeline
from recoseg_hf.learning.folder_lock import in_turn
from recoseg_hf.learning.options import option
from recoseg_hf.learning.residual_cache import DrawSettings, write_cache
from recoseg_hf.learning.residual_origin import describe_residuals, synthesizer_sha256
from recoseg_hf.learning.residual_plan import plan_draws, read_record
from recoseg_hf.learning.slice_batches import check_settings, open_slices
from recoseg_hf.learning.slices import SliceSettings, read_manifest
from recoseg_hf.learning.training_data import read_choice
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline
from recoseg_hf.process import tune_process


@dataclass
class CacheOptions:
    """Options of the residual cache."""

    pretrained_model_name_or_path: str = option("", "Pipeline folder with the trained synthesizer, or a Hub id.")
    train_data_dir: str = option("", "Folder made by `recoseg prepare`.")
    output_dir: str = option("", "Where the data set with residuals goes.")
    fold_models: list[str] = field(
        default_factory=list,
        metadata={"help": "Pipeline folders of synthesizers trained with --num_folds, one a fold."},
    )
    split: str = option("", "JSON that the synthesizer was trained with, if it names another validation part.")
    num_inference_steps: int = option(0, "Denoising steps; 0 takes the pipeline's default.")
    num_samples: int = option(4, "Draws whose spread is cached; 0 caches none.")
    seed: int = option(0, "Seed of the noise.")
    batch_size: int = option(16, "Slices per call of the net.")
    mixed_precision: str = option("no", "no or bf16.")


def main(options: CacheOptions) -> None:
    """Choose who draws whom, draw every split, and write the data set anew."""
    tune_process()
    check_options(options)
    prepared = read_manifest(options.train_data_dir)
    models = [read_record(source) for source in (options.pretrained_model_name_or_path, *options.fold_models)]
    plan = plan_draws(*subjects_and_held_out(prepared["subjects"], options.split), models)
    pipelines = [load_synthesizer(model.source, options.train_data_dir) for model in models]
    tables = open_slices(options.train_data_dir, options.output_dir, SliceSettings.of_pipeline(pipelines[0].config))
    steps = options.num_inference_steps or pipelines[0].config.num_inference_steps
    settings = DrawSettings(steps, options.num_samples, options.seed, options.batch_size)
    origin = describe_residuals(prepared, models, [synthesizer_sha256(pipeline) for pipeline in pipelines], plan)
    origin |= {"steps": steps, "samples": options.num_samples, "seed": options.seed}
    origin |= {"mixed_precision": options.mixed_precision, "device": pipelines[0].device.type}
    manifest, output = prepared | {"residuals": origin}, Path(options.output_dir)
    with in_turn(output.with_name(f".{output.name}.lock")):
        if is_drawn(output, manifest):
            print(f"{output}: drawn already")
            return
        precision = torch.autocast(pipelines[0].device.type, torch.bfloat16, enabled=options.mixed_precision == "bf16")
        with precision, tqdm(total=sum(map(len, tables.values())), unit="slice") as bar:
            write_cache(tables, output, lambda subject: pipelines[plan[subject]], settings, manifest, bar.update)


def is_drawn(output: Path, manifest: Mapping[str, Any]) -> bool:
    """Whether the output holds the very draws that are asked for.

    Raises:
        InputError: it holds something else.
    """
    if not output.is_dir() or not any(output.iterdir()):
        return False
    if (output / "dataset_dict.json").is_file() and read_manifest(output) == manifest:
        return True
    raise InputError(output, "it holds other residuals", "a new folder", "Remove it or name another.")


def check_options(options: CacheOptions) -> None:
    """Refuse what cannot be, before anything is read or computed."""
    output = Path(options.output_dir)
    if output.resolve() == Path(options.train_data_dir).resolve():
        raise InputError(output, "it is --train_data_dir", "another folder", "Name a new one.")
    finished = (output / "dataset_dict.json").is_file()
    if output.exists() and not finished and (not output.is_dir() or any(output.iterdir())):
        raise InputError(output, "it is not empty", "a new folder", "Remove it or name another.")
    if options.mixed_precision not in ("no", "bf16"):
        raise InputError("--mixed_precision", options.mixed_precision, "no or bf16", "Choose one of them.")
    if options.num_samples < 0 or options.num_samples == 1:
        raise InputError("--num_samples", str(options.num_samples), "2 or more, or 0 for no spread", "Choose others.")


def subjects_and_held_out(parts: dict[str, list[str]], split: str) -> tuple[list[str], list[str]]:
    """Everyone in the data, and whom the segmenter is judged by."""
    everyone = [subject for names in parts.values() for subject in names]
    parts = read_choice(Path(split), everyone) if split else parts
    return everyone, [subject for name, names in parts.items() if name != "train" for subject in names]


def load_synthesizer(source: str, slices: str) -> ReCoSegPipeline:
    """A pipeline that can draw on these slices, in float32."""
    pipeline = load_pipeline(source, dtype=torch.float32)
    if pipeline.synthesizer is None:
        raise InputError(source, "no synthesizer", "a pipeline that has one", "Train it with train_synthesizer.py.")
    check_settings(slices, SliceSettings.of_pipeline(pipeline.config), source)
    return pipeline


if __name__ == "__main__":
    run_script(main, CacheOptions)
