"""What a run was made with: compared when it is resumed, kept beside the model that came out.

It names no path and no subject, so that it can go where the model goes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from recoseg_hf.errors import CheckpointError
from recoseg_hf.files import write_json
from recoseg_hf.json_files import read_json
from recoseg_hf.learning.options import TrainingOptions
from recoseg_hf.learning.subjects import subject_hash

RECORD = "training_record.json"
RECORD_IS = "a training record, JSON with subjects_seen and options"
_FORM = {
    "options?": {"fold?": int, "num_folds?": int}, "subjects_seen?": [str], "subjects_complete?": bool,
    "processes?": int,
}  # fmt: skip
# Where things lie and how they are watched; none of it changes the weights.
_FREE = (
    "pretrained_model_name_or_path", "synthesizer_model", "train_data_dir", "split", "output_dir",
    "dataloader_num_workers", "checkpointing_steps", "checkpoints_total_limit", "resume_from_checkpoint",
    "allow_config_change", "report_to", "dry_run", "push_to_hub", "hub_model_id", "hub_private_repo",
    "site_card_part",
)  # fmt: skip

# Options that the records of earlier versions lack, with what their runs did.
_LATER = {"synthesis_domain": "all", "segmenter_inputs": ""}


def made_with(options: TrainingOptions, data: str, processes: int, start: str = "") -> dict[str, Any]:
    """Everything that decides the weights of a run, as JSON values.

    Args:
        options: of the script.
        data: fingerprint of the training data.
        processes: that share each step.
        start: hash of the weights that the run starts from.
    """
    chosen = {name: value for name, value in asdict(options).items() if name not in _FREE}
    return {"options": chosen, "data": data, "processes": processes, "start": start}


def check_unchanged(checkpoint: Path, found: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Compare what a checkpoint was made with and what the run has now.

    Raises:
        CheckpointError: naming each difference.
    """
    former, current = _flat(found), _flat(now)
    differing = [name for name in sorted(former | current) if former.get(name) != current.get(name)]
    if differing:
        listed = ", ".join(f"{name} {former.get(name)} (now {current.get(name)})" for name in differing)
        raise CheckpointError(
            f"{checkpoint}: made with {listed}; expected the settings of this run. Repeat them, or go on with "
            "--allow_config_change: the result is then no longer that of an uninterrupted run."
        )


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    hashes = {name: str(values.get(name))[:12] for name in ("data", "start")}
    return _LATER | dict(values.get("options", {})) | hashes | {"processes": values.get("processes")}


def write_record(
    folder: Path, values: Mapping[str, Any], subjects: Sequence[str], starts: Sequence[str], steps: int, seconds: float
) -> None:
    """Write `training_record.json` beside the model.

    Its `subjects_complete` says whether `subjects_seen` is everyone: not after a start from weights without a record.

    Args:
        folder: of the model.
        values: from `made_with`.
        subjects: trained on; only hashes of them are written.
        starts: the models whose weights the run started from; whom they have seen counts as seen by this one.
        steps: optimiser steps done.
        seconds: of this process, from its start or resumption.
    """
    seen = {subject_hash(subject) for subject in subjects}.union(*(subjects_seen(start) or () for start in starts))
    record = dict(values) | {"subjects_seen": sorted(seen), "subjects_complete": all(map(_is_known, starts))}
    write_json(folder / RECORD, record | {"steps": steps, "seconds": round(seconds, 1)})


def _is_known(start: str | Path) -> bool:
    """Whether all subjects that a start was trained on are known: fresh weights saw nobody."""
    record = training_record(start)
    if record is not None:
        return "subjects_seen" in record and record.get("subjects_complete", False)
    return Path(start).is_dir() and not any(Path(start).glob("*/*.safetensors"))


def subjects_seen(model: str | Path) -> list[str] | None:
    """Hashes of the subjects that a model was trained on; None if it has no record, or one that was published."""
    return (training_record(model) or {}).get("subjects_seen")


def training_record(folder: str | Path) -> dict[str, Any] | None:
    """Read the record beside a model; None where there is none.

    Raises:
        InputError: there is a file of that name, but it is no training record.
    """
    path = Path(folder) / RECORD
    if not path.is_file():
        return None
    return read_json(path, RECORD_IS, "Copy it again from the run.", _FORM)
