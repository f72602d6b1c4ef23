"""Options of the training scripts, with the flag names of the diffusers examples."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from recoseg_hf.learning.freezing import FREEZABLE

Options = TypeVar("Options")

_COUNTS = (
    "train_batch_size",
    "gradient_accumulation_steps",
    "max_train_steps",
    "validation_steps",
    "validation_every",
    "checkpointing_steps",
    "checkpoints_total_limit",
)
_CHOICES = {
    "freeze": FREEZABLE,
    "lr_scheduler": ("plateau", "cosine", "constant"),
    "mixed_precision": ("no", "bf16", "fp16"),
    "report_to": ("tensorboard", "none"),
}


def option(default, help: str):  # noqa: A002 (the name argparse uses)
    """A dataclass field that explains itself in `--help`."""
    return field(default=default, metadata={"help": help})


@dataclass
class TrainingOptions:
    """What both training scripts take.

    Raises:
        ValueError: naming the option, if a count is below 1 or a choice is unknown.
    """

    pretrained_model_name_or_path: str = option(
        "", "Folder of pipelines/ (fresh weights), a saved pipeline or a Hub id (fine-tuning)."
    )
    train_data_dir: str = option("", "BraTS-style folder or a folder made by `recoseg prepare`.")
    split: str = option("", "JSON that names other train and validation subjects of the prepared ones.")
    num_folds: int = option(0, "Deal the train subjects into so many folds and leave one out; 0 leaves none out.")
    fold: int = option(0, "The fold that is left out, from 0.")
    fold_seed: int = option(0, "Seed of the dealing.")
    output_dir: str = option("", "Where checkpoints, logs and the final pipeline go.")
    freeze: str = option("none", f"Weights that stay as they are: {', '.join(FREEZABLE)}.")
    seed: int = option(0, "Seed of weights, order, noise and augmentation.")
    train_batch_size: int = option(16, "Slices per step and process.")
    gradient_accumulation_steps: int = option(1, "Batches per optimiser step.")
    max_train_steps: int = option(10_000, "Optimiser steps.")
    learning_rate: float = option(3e-4, "Peak learning rate.")
    lr_scheduler: str = option("plateau", "plateau (paper), cosine or constant.")
    lr_warmup_steps: int = option(100, "Linear warm-up.")
    lr_plateau_factor: float = option(0.5, "plateau: factor on the learning rate.")
    lr_plateau_patience: int = option(3, "plateau: validations without improvement before it.")
    early_stopping_patience: int = option(10, "Stop after this many validations without improvement; 0 never.")
    adam_weight_decay: float = option(1e-2, "AdamW weight decay.")
    max_grad_norm: float = option(1.0, "Gradient clipping.")
    ema_decay: float = option(0.999, "Upper limit of the moving average's decay.")
    mixed_precision: str = option("no", "no, bf16 or fp16.")
    gradient_checkpointing: bool = option(False, "Trade time for memory.")
    dataloader_num_workers: int = option(0, "Worker processes of the loader.")
    validation_steps: int = option(500, "Optimiser steps between validations.")
    validation_every: int = option(1, "Validate on each n-th slice.")
    checkpointing_steps: int = option(500, "Optimiser steps between checkpoints.")
    checkpoints_total_limit: int = option(2, "Complete checkpoints that stay.")
    resume_from_checkpoint: str = option("", "`latest` (from the start if there is none) or a checkpoint folder.")
    allow_config_change: bool = option(False, "Resume although options, data or processes differ.")
    dry_run: bool = option(False, "Check the data, do three steps and say what the run would take; nothing is saved.")
    push_to_hub: bool = option(False, "Upload the model at the end: the pipeline alone, no checkpoint and no log.")
    hub_model_id: str = option("", "Where to: organisation/name.")
    hub_private_repo: bool = option(True, "Make the repository private, if it has to be made.")
    report_to: str = option("tensorboard", "tensorboard or none.")
    no_augmentation: bool = option(False, "Train on the slices as they are.")

    def __post_init__(self) -> None:
        for name in _COUNTS:
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)}; expected 1 or more.")
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"{name}={getattr(self, name)!r}; expected one of {', '.join(choices)}.")
        if self.push_to_hub and "/" not in self.hub_model_id:
            raise ValueError(f"hub_model_id={self.hub_model_id!r}; --push_to_hub expects organisation/name.")
        if self.num_folds and not (self.num_folds > 1 and 0 <= self.fold < self.num_folds):
            raise ValueError(f"fold={self.fold} of num_folds={self.num_folds}; expected 2 folds or more, from 0.")

    def starts(self) -> list[str]:
        """The models whose weights the run starts from."""
        return [self.pretrained_model_name_or_path]


def parse_options(kind: type[Options], arguments: Sequence[str] | None = None) -> Options:
    """Read `[CONFIG.yaml] [--flag value ...]`; flags win over the file.

    Raises:
        SystemExit: from argparse, for unknown, missing or unusable options, and for `--help`.
    """
    from transformers import HfArgumentParser

    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if arguments and arguments[0].endswith((".yaml", ".yml")):
        arguments = _yaml_arguments(Path(arguments[0])) + arguments[1:]
    parser = HfArgumentParser(kind)
    try:
        (options,) = parser.parse_args_into_dataclasses(arguments, look_for_args_file=False)
    except ValueError as error:
        parser.error(str(error))
    for name in ("pretrained_model_name_or_path", "train_data_dir", "output_dir"):
        if not getattr(options, name):
            parser.error(f"--{name} is needed")
    return options


def _yaml_arguments(path: Path) -> list[str]:
    import yaml

    settings = yaml.safe_load(path.read_text()) or {}
    return [text for name, value in settings.items() for text in (f"--{name}", str(value))]
