"""Checkpoints that are complete or absent: partial folder, manifest last, rename; safetensors and JSON only."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from recoseg_hf.errors import CheckpointError, InputError, first_line
from recoseg_hf.files import atomic_write, free_bytes, is_full_disk, sha256_file, sync, write_json
from recoseg_hf.json_files import Form, read_json

MANIFEST = "manifest.json"
PREFIX = "checkpoint-"
SUPERSEDED = "superseded-"
_STATE_FORM = {"step": int, "optimizer": {"scalars": dict, "param_groups": [dict]}, "progress": dict}
_PARTIAL, _REPLACED = ".partial-", ".replaced-"


@dataclass
class TrainingState:
    """Everything that a run needs to go on.

    Attributes:
        step: optimiser steps done.
        weights: named tensors by part (`net`, `ema`, and `best` once there has been a validation).
        optimizer: the optimiser's `state_dict`.
        progress: JSON values: schedule, best score, early stopping.
    """

    step: int
    weights: dict[str, dict[str, torch.Tensor]]
    optimizer: Mapping[str, Any]
    progress: dict[str, Any] = field(default_factory=dict)


def save_checkpoint(folder: Path, state: TrainingState, keep: int) -> Path:
    """Write `checkpoint-<step>` under `folder`; older ones go only once the new one has been read back.

    Args:
        folder: the run's output folder.
        state: what to save.
        keep: how many complete checkpoints stay, at least 1.

    Raises:
        CheckpointError: the disk is full; what was saved before is untouched.
    """
    target, partial = folder / f"{PREFIX}{state.step}", folder / f"{_PARTIAL}{state.step}"
    try:
        _write(partial, state)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        if not is_full_disk(error):
            raise
        raise CheckpointError(_no_room(folder, state)) from error
    former = _replace(partial, target)
    verify_checkpoint(target)
    shutil.rmtree(former, ignore_errors=True)
    others = [path for path in complete_checkpoints(folder) if path != target]
    for old in others[: len(others) + 1 - max(keep, 1)]:
        shutil.rmtree(old)
    return target


def remove_partial(folder: Path) -> None:
    """Remove what runs left behind that ended while they saved; a checkpoint that was put aside comes back."""
    for former in folder.glob(f"{_REPLACED}*"):
        target = folder / former.name.removeprefix(_REPLACED)
        if not target.exists():
            former.rename(target)
    for path in (*folder.glob(f"{_PARTIAL}*"), *folder.glob(f"{_REPLACED}*")):
        shutil.rmtree(path, ignore_errors=True)


def set_aside_later(folder: Path, step: int) -> None:
    """Rename checkpoints later than the step that a run goes on from: `latest` is to mean this run's."""
    for path in complete_checkpoints(folder):
        if int(path.name.removeprefix(PREFIX)) > step:
            aside = folder / f"{SUPERSEDED}{path.name}"
            shutil.rmtree(aside, ignore_errors=True)
            path.rename(aside)


def _write(partial: Path, state: TrainingState) -> None:
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    tensors, description = _split_optimizer(state.optimizer)
    for name, values in (*state.weights.items(), ("optimizer", tensors)):
        _save_tensors(partial / _file(name), values)
    write_json(partial / "state.json", {"step": state.step, "optimizer": description, "progress": state.progress})
    write_json(partial / MANIFEST, {file.name: sha256_file(file) for file in sorted(partial.iterdir())})


def _replace(partial: Path, target: Path) -> Path:
    """Put a whole folder in its place; one of the same name, of a run resumed from an earlier step, goes aside."""
    former = target.with_name(f"{_REPLACED}{target.name}")
    if target.exists():
        shutil.rmtree(former, ignore_errors=True)
        target.rename(former)
    partial.rename(target)
    sync(target.parent)
    return former


def _no_room(folder: Path, state: TrainingState) -> str:
    tensors = [value for values in state.weights.values() for value in values.values()]
    tensors += [*_split_optimizer(state.optimizer)[0].values()]
    needed, free = sum(value.nbytes for value in tensors), free_bytes(folder)
    complete = complete_checkpoints(folder)
    last = f"the last complete one is {complete[-1].name}" if complete else "there is no complete one yet"
    return (
        f"{folder}: no room for {PREFIX}{state.step}, which needs {needed / 1e6:.1f} MB ({free / 1e6:.1f} MB are free "
        f"or allowed); {last}. Make room, and go on with --resume_from_checkpoint latest."
    )


def complete_checkpoints(folder: Path) -> list[Path]:
    """Checkpoints that have a manifest, oldest first."""
    steps = {path: path.name.removeprefix(PREFIX) for path in folder.glob(f"{PREFIX}*")}
    found = [path for path, step in steps.items() if step.isdecimal() and (path / MANIFEST).is_file()]
    return sorted(found, key=lambda path: int(steps[path]))


def verify_checkpoint(path: Path) -> None:
    """Compare every file with the manifest.

    Raises:
        CheckpointError: naming the file that is missing or differs.
    """
    if not (path / MANIFEST).is_file():
        raise CheckpointError(f"{path}: no {MANIFEST}; expected a complete checkpoint. Name another or train anew.")
    for name, digest in _read(path / MANIFEST, "file hashes", {"*": str}).items():
        if not (path / name).is_file() or sha256_file(path / name) != digest:
            raise CheckpointError(f"{path / name}: missing or changed since it was saved. Resume from another one.")


def load_checkpoint(path: Path) -> TrainingState:
    """Read a checkpoint back, after verifying it; nothing is unpickled.

    Raises:
        CheckpointError: if it is not complete and unchanged.
    """
    verify_checkpoint(path)
    state = _read(path / "state.json", "the state of a run", _STATE_FORM)
    parts = {file.stem: _load_tensors(file) for file in path.glob("*.safetensors")}
    if "optimizer" not in parts:
        raise CheckpointError(
            f"{path}: no optimizer.safetensors; expected a complete checkpoint. Resume from another."
        )
    try:
        optimizer = _join_optimizer(parts.pop("optimizer"), state["optimizer"])
    except ValueError as error:  # a name that is no number and a word
        raise CheckpointError(
            f"{path}: its optimizer's state is of another kind ({error}). Name another one."
        ) from None
    return TrainingState(state["step"], parts, optimizer, state["progress"])


def _read(file: Path, what: str, form: Form) -> dict[str, Any]:
    try:
        return read_json(file, what, "Resume from another one.", form)
    except InputError as error:
        raise CheckpointError(str(error)) from error


def _load_tensors(file: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(file)
    except (SafetensorError, OSError, ValueError) as error:
        found = f"it cannot be read ({first_line(error)})"
        raise CheckpointError(f"{file}: {found}; expected safetensors. Resume from another one.") from error


def _file(part: str) -> str:
    return f"{part}.safetensors"


def _save_tensors(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    with atomic_write(path) as temporary:  # which also asks the system to put it on the disk
        save_file({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, temporary)


def _split_optimizer(state: Mapping[str, Any]) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Tensors for safetensors, the rest (learning rates, betas) for JSON."""
    tensors, scalars = {}, {}
    for index, entries in state["state"].items():
        for name, value in entries.items():
            if isinstance(value, torch.Tensor):
                tensors[f"{index}.{name}"] = value.detach().cpu().contiguous()
            else:
                scalars[f"{index}.{name}"] = value
    return tensors, {"scalars": scalars, "param_groups": state["param_groups"]}


def _join_optimizer(tensors: Mapping[str, torch.Tensor], description: Mapping[str, Any]) -> dict[str, Any]:
    state: dict[int, dict[str, Any]] = {}
    for key, value in (*tensors.items(), *description["scalars"].items()):
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = value
    return {"state": state, "param_groups": description["param_groups"]}
