"""Choose a model's mask threshold anew on a site's own labelled subjects, and nothing else.

    python training/recalibrate_threshold.py --model MODEL --data SITE --part train --output_dir runs/recalibrated

SITE is a labelled BraTS-style folder with `splits.json`. Full volumes; the threshold of the highest mean whole-tumour
Dice wins. Weights and all other settings are copied byte for byte. It takes minutes, needs no training, and is what to
try first on a handful of subjects; `training/site_card.py` then tells, on other subjects, what it was worth.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from tqdm.auto import tqdm

from recoseg_hf.cli.scripts import told_in_a_line
from recoseg_hf.errors import InputError
from recoseg_hf.evaluation.new_site.card import SubjectsOf
from recoseg_hf.evaluation.thresholds import (
    THRESHOLDS,
    best_threshold,
    check_new_folder,
    mean_scores,
    save_with_threshold,
    threshold_scores,
)
from recoseg_hf.files import write_json
from recoseg_hf.inference.loading import find_model, load_pipeline
from recoseg_hf.process import tune_process


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None, help="model folder or Hub id; by default the embedded model")
    parser.add_argument("--data", type=Path, required=True, help="the site's labelled BraTS-style folder")
    parser.add_argument("--split", type=Path, default=None, help="by default splits.json in --data")
    parser.add_argument("--part", default="train", help="list of the split to choose on")
    parser.add_argument("--thresholds", type=float, nargs="+", default=list(THRESHOLDS), help="what to try")
    parser.add_argument("--output_dir", type=Path, required=True, help="a new folder for the model")
    options = parser.parse_args(arguments)
    if not all(0 < threshold < 1 for threshold in options.thresholds):
        parser.error(f"--thresholds {options.thresholds}: expected numbers between 0 and 1")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Choose and save."""
    options = parse_arguments(arguments)
    tune_process()
    check_new_folder(options.output_dir)
    subjects = SubjectsOf(options.data, options.part, options.split)
    names = subjects.names()
    folder = find_model(options.model)
    pipeline = load_pipeline(folder)
    pipeline.set_progress_bar_config(disable=True)
    current = pipeline.config.mask_threshold
    with tqdm(total=len(names), unit="subject") as bar:
        scores = threshold_scores(
            pipeline, subjects.cases(), sorted({*options.thresholds, current}), lambda _: bar.update()
        )
    try:
        chosen = best_threshold(scores, current)
    except ValueError as error:
        raise InputError(options.data, str(error), "labelled tumours", "Choose on other subjects.") from error
    save_with_threshold(folder, options.output_dir, chosen, names)
    means = {f"{threshold:g}": mean for threshold, mean in mean_scores(scores).items()}
    record = {"n": len(names), "before": current, "after": chosen, "mean_dice": means}
    write_json(options.output_dir / "threshold.json", record)
    shown = " -> ".join(f"{threshold:g} (Dice {means[f'{threshold:g}']})" for threshold in (current, chosen))
    print(f"Threshold {shown}, n = {len(names)}: {options.output_dir}")


if __name__ == "__main__":
    with told_in_a_line():
        main()
