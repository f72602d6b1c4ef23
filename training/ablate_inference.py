"""What a trained model's settings are worth on the validation subjects, without another training.

    python training/ablate_inference.py runs/paper/BraTS2020/models/recoseg_plus_plus --data BRATS --output FILE.json

BRATS is a labelled BraTS-style folder with `splits.json`; nobody of the part named may have been trained on. Each
setting is varied alone, against the model's own: the threshold, the limit of the residual, its source (measured, the
spread of an ensemble, none), smoothing through the slices, denoising steps with their seconds, and noise shared by all
slices against noise of each slice's own. Full volumes on their native grid. Written are means with intervals by
subject, the paired differences to the model's own setting, and n; nobody is named.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tqdm.auto import tqdm

from recoseg_hf.cli.scripts import told_in_a_line
from recoseg_hf.errors import InputError
from recoseg_hf.evaluation.new_site.card import SubjectsOf
from recoseg_hf.evaluation.paper.setting_sweeps import measure_sweeps
from recoseg_hf.evaluation.paper.sweep_plan import STEPS, SWEEPS, plan_sweeps
from recoseg_hf.files import write_json
from recoseg_hf.inference.loading import find_model, load_pipeline
from recoseg_hf.inference.report import describe_model
from recoseg_hf.process import tune_process

SHOWN = {
    "noise": ("flicker_through_plane", "dice_wt"),
    "num_inference_steps": ("psnr", "dice_wt", "seconds"),
    "residual_clip": ("average_precision_wt", "dice_wt"),
}
"""Scores that are printed; of other sweeps Dice alone."""


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="model folder or Hub id")
    parser.add_argument("--data", type=Path, required=True, help="labelled BraTS-style folder, T1ce included")
    parser.add_argument("--split", type=Path, default=None, help="by default splits.json in --data")
    parser.add_argument("--part", default="validation", help="list of the split")
    parser.add_argument(
        "--sweeps", nargs="+", default=list(SWEEPS), choices=SWEEPS, metavar="SWEEP", help=" ".join(SWEEPS)
    )
    parser.add_argument("--steps", type=int, nargs="+", default=list(STEPS), help="numbers of denoising steps to try")
    parser.add_argument("--seed", type=int, default=0, help="of all noise")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help="by default, what the processor does best")
    parser.add_argument("--output", type=Path, required=True, help="JSON file")
    options = parser.parse_args(arguments)
    if min(options.steps) < 1:
        parser.error(f"--steps {options.steps}: expected numbers of 1 or more")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, write and show."""
    options = parse_arguments(arguments)
    tune_process()
    subjects = SubjectsOf(options.data, options.part, options.split)
    folder = find_model(options.model)
    subjects.check_unseen([folder])
    pipeline = load_pipeline(folder, dtype=options.dtype and getattr(torch, options.dtype))
    plan = plan_sweeps(pipeline, options.steps, options.sweeps)
    with tqdm(total=len(subjects.names()), unit="subject") as bar:
        try:
            result = measure_sweeps(pipeline, subjects.cases(), plan, options.seed, lambda _: bar.update())
        except ValueError as error:
            raise InputError(options.data, str(error), "labelled cases with T1ce", "Choose others.") from error
    model = describe_model(pipeline)
    result["measurement"] = {
        "model": {name: model[name] for name in ("weights_sha256", "configuration_sha256")},
        "part": options.part,
        "dtype": str(pipeline.dtype).removeprefix("torch."),
        "device": pipeline.device.type,
        "threads": torch.get_num_threads(),
    }
    write_json(options.output, result)
    print("\n".join(lines(result)))


def lines(result: dict[str, Any]) -> list[str]:
    """The result in short: each point's mean, and its paired difference to the model's own setting."""
    settings = result["default"]["settings"]
    found = [f"n = {result['n']} subjects; means, differences to the model's own setting [95 % intervals by subject]"]
    for name, points in result["sweeps"].items():
        found.append(f"{name} (own: {settings[name]})")
        for value, point in points.items():
            names = [one for one in SHOWN.get(name, ("dice_wt",)) if one in point["scores"]]
            found.append(f"  {value:>12}  " + "; ".join(_shown(point, one) for one in names))
    return found


def _shown(point: dict[str, Any], name: str) -> str:
    mean, difference = point["scores"][name], point["difference"][name]
    if mean["value"] is None or difference["value"] is None:
        return f"{name} undefined"
    ends = "" if difference["interval"] is None else " [{:+.3f}, {:+.3f}]".format(*difference["interval"])
    return f"{name} {mean['value']:.3f}, {difference['value']:+.3f}{ends}"


if __name__ == "__main__":
    with told_in_a_line():
        main()
