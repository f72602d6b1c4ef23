"""Train and judge every system of the paper on the same cases, and write the paper's table with intervals.

    python training/reproduce_paper.py --data BraTS2020=BRATS --output_dir runs/paper --budget 2000

Each `--data NAME=FOLDER` gives a pair of columns; FOLDER holds the cases and `splits.json` with `train` and
`validation`. Every net is trained for `--budget` optimiser steps on the same split, seed and augmentation, and every
row judged on the validation subjects' whole volumes and as the paper does. Rows may share a synthesizer. Each stage is
a script that Accelerate starts. The same command goes on where it was interrupted and leaves what is finished alone.
Several may work on one folder at a time, each on other `--systems`: what one is making, the others wait for, and the
table is of all rows that were finished with the same options. Written are
`results.json`, `table.csv`, `table_as_paper.csv` (a line for each system), `table.md` with what became of the paper's
claims, `report.html` with all of it, and for each data set `figures/`; what each stage ran stands in `stages/`.
Figures and report show patients where the cases are of patients: they belong where the cases are.
"""

import argparse
import json
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from recoseg_hf.cli.scripts import told_in_a_line
from recoseg_hf.errors import InputError
from recoseg_hf.evaluation.baselines import monai_part
from recoseg_hf.evaluation.canvas import require_drawing
from recoseg_hf.evaluation.cohort import evaluate_masks
from recoseg_hf.evaluation.new_site.card import SubjectsOf
from recoseg_hf.evaluation.paper.collecting import AT_ONE_THRESHOLD, finished_rows, former_table, write_tables
from recoseg_hf.evaluation.paper.equal_thresholds import at_equal_thresholds
from recoseg_hf.evaluation.paper.figures import draw_measured
from recoseg_hf.evaluation.paper.figures.measuring import measure_rows
from recoseg_hf.evaluation.paper.report import write_report
from recoseg_hf.evaluation.systems.rows import ROWS, Row, chosen_rows
from recoseg_hf.files import shipped_folder, write_json
from recoseg_hf.imaging.layout import subject_of_folder
from recoseg_hf.inference import load_pipeline
from recoseg_hf.inference.cohort import predict_cohort
from recoseg_hf.learning.folder_lock import in_turn
from recoseg_hf.learning.slice_batches import slices_of_cases
from recoseg_hf.learning.slices import SliceSettings, read_split
from recoseg_hf.learning.stages import Stages
from recoseg_hf.process import tune_process

HERE = Path(__file__).resolve().parent

SLICES_PER_VALIDATED = {"synthesizer": 12, "segmenter": 6}
"""During training, one slice in so many is validated on; drawing takes a pass of the net for each denoising step."""

NONE_SHARE = 0.15
"""Beside a `--measured_share` of 0.7, as `train_segmenter.py` has them: no residual in one slice of six."""

_THREADS = f"--num_cpu_threads_per_process={torch.get_num_threads()}"
_ALONE = ("--num_processes=1", "--num_machines=1", "--mixed_precision=no", "--dynamo_backend=no", _THREADS)
ONE_PROCESS = shlex.join([sys.executable, "-m", "accelerate.commands.launch", *_ALONE])
"""Each stage chooses its own precision. More processes take more slices a step, which is another recipe."""

_NAME = re.compile(r"\w[\w.-]*", re.ASCII)
"""Of a data set, which becomes a folder."""

ELSEWHERE = ("data", "output_dir", "systems", "launch")
"""Options that no number depends on."""


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("--data", action="append", required=True, help="NAME=FOLDER of a BraTS-style data set")
    parser.add_argument("--output_dir", type=Path, required=True)
    parser.add_argument("--systems", nargs="+", default=[], help=f"rows; all: {' '.join(ROWS)}")
    parser.add_argument("--budget", type=int, default=2000, help="optimiser steps of each net")
    parser.add_argument("--full_size", action="store_true", help="the paper's widths; else those for a CPU")
    parser.add_argument("--inference_steps", type=int, default=0, help="denoising steps of the paper's systems")
    parser.add_argument("--train_batch_size", type=int, default=4, help="slices a step (paper: 4)")
    parser.add_argument("--patches", type=int, default=4, help="patches a step of the 3D rows, gradients accumulated")
    parser.add_argument("--healthy_slice_share", type=float, default=0.4, help="of the slices to train on (paper: 0)")
    parser.add_argument(
        "--none_share", type=float, default=NONE_SHARE, help="of a 2D row's slices without residual; 0: all rows alike"
    )
    parser.add_argument("--mixed_precision", default="no", choices=("no", "bf16", "fp16"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--launch", default=ONE_PROCESS, help="what starts a stage's script, with its own options")
    return parser.parse_args(arguments)


class DataSet:
    """One data set: where its parts lie, and what every row needs of it."""

    def __init__(self, options: argparse.Namespace, given: str):
        self.name, _, cases = given.partition("=")
        if not self.name or not cases:
            raise InputError(f"--data {given}", "no NAME=FOLDER", "a name and a folder", "Give it as --data X=FOLDER.")
        if not _NAME.fullmatch(self.name):
            raise InputError(
                f"--data {given}", f"the name {self.name!r}", "letters, digits, _, - and dots", "Rename it."
            )
        self.options, self.cases = options, Path(cases)
        self.folder = options.output_dir / self.name
        self.validation = read_split(self.cases / "splits.json", self.cases)["validation"]
        self.stages = Stages(self.folder / "stages", HERE, shlex.split(options.launch))

    def carry_out(self, name: str, row: Row) -> None:
        """Make what one row needs, train it and judge it."""
        system = self.system(name)
        slices = self.slices(system)
        drawer = self.synthesizer(row.drawn_by) if row.drawn_by else None
        if drawer:
            slices = self.residuals(row.drawn_by, drawer, slices, row.folds)
        model = self.trained(name, row, system, slices, drawer)
        self.judge(name, model)

    def system(self, name: str) -> Path:
        """A row's configurations."""
        target, steps = self.folder / "systems" / name, self.options.inference_steps
        settings = {"num_inference_steps": steps} if steps and not ROWS[name].full_size else {}
        with in_turn(self.folder / "systems" / f".{name}.lock"):
            fresh = target.with_name(f".{name}")
            ROWS[name].write_system(shipped_folder("pipelines"), fresh, self.options.full_size, settings)
            if not target.is_dir():
                fresh.rename(target)
            elif configurations(fresh) != configurations(target):
                remedy = "Repeat that command's --full_size and --inference_steps, or name another --output_dir."
                raise InputError(target, "made for other settings", "the systems of this command", remedy)
        return target

    def slices(self, system: Path) -> Path:
        """Slices on a system's grid, which other systems may share."""
        settings = SliceSettings.of_pipeline(json.loads((system / "model_index.json").read_text(encoding="utf-8")))
        values = [str(value) for value in settings.__dict__.values()]
        target = self.folder / "slices" / "_".join(values)
        with in_turn(self.folder / "slices" / f".{target.name}.lock"):
            slices_of_cases(self.cases, target, settings)
        return target

    def synthesizer(self, name: str, folds: int = 0, fold: int = 0) -> Path:
        """The trained synthesizer of a row, which rows may share; with `folds`, one that never saw that fold."""
        system, row = self.system(name), ROWS[name]
        own = f"{name}_fold{fold}of{folds}" if folds else name
        target = self.folder / "synthesizers" / own
        flags = self.common(target, self.slices(system), system) | dict(row.drawing)
        if folds:
            flags |= {"num_folds": folds, "fold": fold}
        flags["validation_every"] = SLICES_PER_VALIDATED["synthesizer"]
        self.stages.run(f"synthesizer_{own}", "train_synthesizer.py", flags)
        return target

    def residuals(self, name: str, drawer: Path, slices: Path, folds: int = 0) -> Path:
        """Slices with what a synthesizer drew of them; with `folds`, each train subject by one that never saw it."""
        own = f"{name}_{folds}folds" if folds else name
        target = self.folder / "residuals" / own
        flags = {
            "pretrained_model_name_or_path": drawer,
            "train_data_dir": slices,
            "output_dir": target,
            "num_samples": 0,
            "seed": self.options.seed,
            "mixed_precision": "bf16" if self.options.mixed_precision == "bf16" else "no",
        }
        if folds:
            flags["fold_models"] = [self.synthesizer(name, folds, fold) for fold in range(folds)]
        self.stages.run(f"residuals_{own}", "cache_residuals.py", flags, launched=False)
        return target

    def trained(self, name: str, row: Row, system: Path, slices: Path, drawer: Path | None) -> Path:
        """A row's model."""
        target = self.folder / "models" / name
        flags = self.common(target, slices, system) | dict(row.training)
        if drawer:
            flags["synthesizer_model"] = drawer
        if row.is_volume:
            script = "train_volume.py"
            flags |= {"train_batch_size": 1, "gradient_accumulation_steps": self.options.patches}
        else:
            script = "train_segmenter.py"
            flags |= {"ensemble_share": 0.0, "healthy_slice_share": self.options.healthy_slice_share}
            flags["validation_every"] = SLICES_PER_VALIDATED["segmenter"]
            if self.options.none_share != NONE_SHARE:  # that of the script, which no older stage was given
                flags["none_share"] = self.options.none_share
        self.stages.run(f"model_{name}", script, flags)
        return target

    def common(self, target: Path, slices: Path, system: Path) -> dict[str, Any]:
        """What all trainings share."""
        options = self.options
        return {
            "pretrained_model_name_or_path": system,
            "train_data_dir": slices,
            "output_dir": target,
            "max_train_steps": options.budget,
            "train_batch_size": options.train_batch_size,
            "mixed_precision": options.mixed_precision,
            "seed": options.seed,
            "validation_steps": max(options.budget // 4, 1),
            "checkpointing_steps": max(options.budget // 4, 1),
            "early_stopping_patience": 0,
            "resume_from_checkpoint": "latest",
            "report_to": "none",
        }

    def judge(self, name: str, model: Path) -> None:
        """Predict the validation subjects, and write what that is worth."""
        predictions, result = self.folder / "predictions" / name, self.folder / "results" / f"{name}.json"
        SubjectsOf(self.cases, "validation").check_unseen([model])
        with in_turn(self.folder / "results" / f".{name}.lock"):
            if not result.is_file():
                self.predict(model, predictions)
                subjects = [subject_of_folder(folder) for folder in self.validation]
                write_json(result, evaluate_masks(predictions, self.cases, subjects=subjects, full=True))

    def predict(self, model: Path, predictions: Path) -> None:
        """Masks of the validation subjects."""
        for outcome in predict_cohort(load_pipeline(model), self.validation, predictions, seed=self.options.seed):
            if outcome.state == "failed":
                raise InputError(outcome.folder, outcome.message, "a case that can be predicted", "Mend it.")


def configurations(system: Path) -> dict[str, Any]:
    """What a folder of configurations holds, by file."""
    files = sorted(system.rglob("*.json"))
    return {str(file.relative_to(system)): json.loads(file.read_text(encoding="utf-8")) for file in files}


class Table:
    """The table of a run's folder, which several commands may add rows to at a time."""

    def __init__(self, options: argparse.Namespace):
        self.folder = options.output_dir
        self.options = {name: value for name, value in vars(options).items() if name not in ELSEWHERE}

    def write(self, finished: Mapping[str, Sequence[str]], **more: Mapping[str, Any]) -> dict[str, dict]:
        """Write the rows that it had and those that were finished; `more` takes the place of what it had of it."""
        with in_turn(self.folder / ".tables.lock"):
            former = former_table(self.folder, self.options)
            results = finished_rows(self.folder, former, finished)
            kept = {part: former.get(part, {}) | more.get(part, {}) for part in AT_ONE_THRESHOLD}
            write_tables(self.folder, results, self.options, **{part: found for part, found in kept.items() if found})
        return results


def main(arguments: Sequence[str] | None = None) -> None:
    """The whole table."""
    options = parse_arguments(arguments)
    rows = chosen_rows(options.systems)
    require_drawing()
    monai_part("metrics")
    tune_process()
    sets = [DataSet(options, given) for given in options.data]
    table, finished = Table(options), {data.name: [] for data in sets}
    for name, row in rows.items():
        for data in sets:
            print(f"{data.name}: {row.title}, {options.budget} steps", flush=True)
            data.carry_out(name, row)
            finished[data.name].append(name)
        results = table.write(finished)
    measured = {data.name: measure_rows(data.folder, data.cases, list(results[data.name])) for data in sets}
    more = {
        "equal_thresholds": {name: at_equal_thresholds(one.equal_dice) for name, one in measured.items()},
        "thresholds": {name: one.own_cuts() for name, one in measured.items()},
    }
    table.write(finished, **more)
    for data in sets:
        draw_measured(measured[data.name], data.folder / "figures")
    print((options.output_dir / "table.md").read_text(encoding="utf-8"))
    print(write_report(options.output_dir))


if __name__ == "__main__":
    with told_in_a_line():
        main()
