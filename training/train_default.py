"""The recipe of a model like the one that comes with the package, from labelled cases to a folder, as one command.

    python training/train_default.py --cases BRATS --output_dir runs/default

BRATS is a labelled BraTS-style folder with `splits.json`. Slices, the synthesizer, residuals, the segmenter, the
threshold on the validation subjects, half-precision weights: each stage is one of the scripts here with the options of
`training/configs/recoseg_small_*.yaml`, and what suits the machine is chosen: bfloat16 where it has instructions for
it, and beside a GPU processes that read ahead. The same command goes on after an interruption. `model/` is the result;
`--output_dir` holds how long each stage took (`stages/`). The nets are small: a GPU waits for its next kernel most of
the time, so that a larger batch is what would make it quicker, and would be another recipe.
"""

import argparse
import json
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from datasets import load_from_disk

from recoseg_hf.cli.scripts import told_in_a_line
from recoseg_hf.files import shipped_folder, write_json
from recoseg_hf.inference.loading import native_dtype
from recoseg_hf.learning.slice_batches import slices_of_cases
from recoseg_hf.learning.slices import SliceSettings, read_manifest
from recoseg_hf.learning.stages import Stages
from recoseg_hf.process import tune_process

HERE = Path(__file__).resolve().parent
CONFIGS = {part: HERE / "configs" / f"recoseg_small_{part}.yaml" for part in ("synthesizer", "segmenter")}
MOST_WORKERS = 4
_KEPT = ("seed_threshold", "slice_smoothing", "num_inference_steps")


@dataclass(frozen=True)
class Machine:
    """What the trainings run on.

    Attributes:
        name: for the record.
        mixed_precision: bf16 or no.
        workers: processes that read ahead.
    """

    name: str
    mixed_precision: str
    workers: int

    @classmethod
    def here(cls) -> "Machine":
        """This one."""
        cuda = torch.cuda.is_available()
        native = native_dtype(torch.device("cuda" if cuda else "cpu")) == torch.bfloat16
        cores = os.cpu_count() or 1
        name = torch.cuda.get_device_name() if cuda else f"{cores} CPU cores, {platform.machine()}"
        return cls(f"{name}, torch {torch.__version__}", "bf16" if native else "no", min(MOST_WORKERS, cores) * cuda)


@dataclass(frozen=True)
class Stage:
    """A script with its flags."""

    name: str
    script: str
    flags: Mapping[str, Any]


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=Path, required=True, help="labelled BraTS-style folder with splits.json")
    parser.add_argument("--output_dir", type=Path, required=True, help="of everything")
    parser.add_argument("--system", type=Path, default=None, help="configurations; by default pipelines/recoseg_fast")
    parser.add_argument("--synthesizer_steps", type=int, default=0, help="by default those of its configuration")
    parser.add_argument("--segmenter_steps", type=int, default=5500, help="what the embedded model had at first")
    parser.add_argument(
        "--few_step_share", type=float, default=0.5, help="slices that learn where the model's own steps sample"
    )
    parser.add_argument("--region_threshold", type=float, help="of TC and ET; by default the system's")
    parser.add_argument("--num_samples", type=int, default=4, help="draws of each residual's spread; 0 for none")
    return parser.parse_args(arguments)


def plan(options: argparse.Namespace, machine: Machine) -> Iterator[Stage]:
    """The stages in order; each may read what those before it wrote."""
    folder = options.output_dir
    slices, residuals, segmenter = (folder / name for name in ("slices", "slices_residuals", "segmenter"))
    common = {"mixed_precision": machine.mixed_precision, "dataloader_num_workers": machine.workers}
    common |= {"resume_from_checkpoint": "latest", "report_to": "none"}
    sampled = {
        "few_steps": _index(system_of(options))["num_inference_steps"],
        "few_step_share": options.few_step_share,
    }
    yield _training("synthesizer", slices, system_of(options), folder, common | sampled, options.synthesizer_steps)
    drawn = {"train_data_dir": slices, "output_dir": residuals, "num_samples": options.num_samples}
    drawn |= {"pretrained_model_name_or_path": folder / "synthesizer", "mixed_precision": machine.mixed_precision}
    yield Stage("residuals", "cache_residuals.py", drawn)
    shown = {} if options.num_samples else {"ensemble_share": 0.0}
    yield _training("segmenter", residuals, folder / "synthesizer", folder, common | shown, options.segmenter_steps)
    chosen = {"model": segmenter, "data": options.cases, "part": "validation", "output_dir": folder / "threshold"}
    yield Stage("threshold", "recalibrate_threshold.py", chosen)
    yield Stage("model", "embed_default.py", _embedding(options))


def system_of(options: argparse.Namespace) -> Path:
    """The folder of configurations that the nets are made by."""
    return options.system or shipped_folder("pipelines") / "recoseg_fast"


def _training(part: str, data: Path, start: Path, folder: Path, common: Mapping[str, Any], steps: int) -> Stage:
    flags = yaml.safe_load(CONFIGS[part].read_text(encoding="utf-8")) | dict(common)
    flags |= {"pretrained_model_name_or_path": start, "train_data_dir": data, "output_dir": folder / part}
    return Stage(part, f"train_{part}.py", flags | ({"max_train_steps": steps} if steps else {}))


def _embedding(options: argparse.Namespace) -> dict[str, Any]:
    """Flags of the last stage: the settings are those of the system, but for the threshold that was chosen."""
    settings = _index(system_of(options))
    chosen, given = options.output_dir / "threshold", options.region_threshold
    threshold = _index(chosen)["mask_threshold"] if chosen.is_dir() else settings["mask_threshold"]
    return {name: settings[name] for name in _KEPT} | {
        "run": [chosen],
        "record": options.output_dir / "record.json",
        "mask_threshold": threshold,
        "region_threshold": settings["region_threshold"] if given is None else given,
        "output": options.output_dir / "model",
    }


def _index(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "model_index.json").read_text(encoding="utf-8"))


def record(
    options: argparse.Namespace, machine: Machine, done: Mapping[str, Mapping[str, Any]], train_slices: int
) -> dict[str, Any]:
    """What is told of the training beside the model: `training.json` of the model's folder.

    Args:
        options: of the command line.
        machine: of the trainings.
        done: records of the finished stages, by name.
        train_slices: how many there are.
    """
    subjects = read_manifest(options.output_dir / "slices")["subjects"]
    parts = {
        part: {
            "batch": int(done[part]["flags"]["train_batch_size"]),
            "hours": f"{done[part]['seconds'] / 3600:.2g}",
            "note": f"training/train_default.py, with the options of {CONFIGS[part].name}.",
            "steps": int(done[part]["flags"]["max_train_steps"]),
        }
        for part in CONFIGS
    }
    counts = {f"{name}_subjects": len(subjects[name]) for name in ("train", "validation")}
    counts["train_slices"] = train_slices
    return {"machine": f"{machine.name}, precision {machine.mixed_precision}", **parts, **counts}


def main(arguments: Sequence[str] | None = None) -> None:
    """Every stage that has not come to its end."""
    options, machine = parse_arguments(arguments), Machine.here()
    tune_process()
    folder = options.output_dir
    slices_of_cases(options.cases, folder / "slices", SliceSettings.of_pipeline(_index(system_of(options))))
    stages, done = Stages(folder / "stages", HERE), {}
    for stage in plan(options, machine):
        if stage.name == "model":
            count = len(load_from_disk(str(folder / "slices"))["train"])
            write_json(folder / "record.json", record(options, machine, done, count))
        stages.run(stage.name, stage.script, stage.flags)
        done[stage.name] = json.loads((folder / "stages" / f"{stage.name}.json").read_text(encoding="utf-8"))
        print(f"{stage.name}: {done[stage.name]['seconds'] / 60:.1f} min", flush=True)
    print(f"Model: {folder / 'model'}")


if __name__ == "__main__":
    with told_in_a_line():
        main()
