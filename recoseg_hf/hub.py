"""A model folder as others get it: half-precision safetensors and a card whose every number comes from a JSON file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recoseg_hf.errors import InputError
from recoseg_hf.files import atomic_write, shipped_folder
from recoseg_hf.learning.run_record import RECORD

if TYPE_CHECKING:
    from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline

CARD = "README.md"
TRAINING_RECORD = "training.json"
SITE_CARD = "site_card.md"


def save_half(pipeline: ReCoSegPipeline, folder: str | Path) -> None:
    """Save a pipeline with float16 weights, safetensors only; it loads as float32 unless a dtype is asked for.

    Args:
        pipeline: changed to float16 in place.
        folder: the model's folder; files of other names in it stay.
    """
    import torch

    from recoseg_hf.inference.saving import save_pipeline

    save_pipeline(pipeline.to(dtype=torch.float16), folder)


def published_files(folder: str | Path) -> list[Path]:
    """Return what of a run's folder is the model, and may be published: no checkpoint, log, optimiser or slices."""
    folder = Path(folder)
    patterns = ("model_index.json", RECORD, CARD, SITE_CARD, "LICENSE.md")
    parts = ("synthesizer", "segmenter", "scheduler")
    found = [file for pattern in patterns for file in folder.glob(pattern)]
    found += [file for part in parts for kind in ("*.json", "*.safetensors") for file in (folder / part).glob(kind)]
    return sorted(file for file in found if file.is_file())


def published_contents(folder: Path) -> dict[str, bytes | str]:
    """Return what is uploaded under which name: a file's path, or its content where that is changed."""
    contents: dict[str, bytes | str] = {
        file.relative_to(folder).as_posix(): str(file) for file in published_files(folder)
    }
    if RECORD in contents:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        record.pop("subjects_seen", None)
        contents[RECORD] = json.dumps(record, indent=2, sort_keys=True).encode()
    if SITE_CARD in contents and CARD not in contents:
        contents[CARD] = contents.pop(SITE_CARD)
    return contents


def push_model(folder: str | Path, hub_id: str, private: bool = True) -> str:
    """Upload a trained pipeline to the Hub, in one commit.

    Its record goes without the hashes of who was trained on: names that are known elsewhere could be tried on them.
    Where the folder has no card, the site card is the repository's.

    Args:
        folder: that a training script or `save_pretrained` wrote.
        hub_id: organisation/name; made where there is none.
        private: for a repository that is made.

    Returns:
        The commit's address.

    Raises:
        InputError: the Hub cannot be reached or refuses, or the repository is there and public though a private one
            was asked for; the model stays in its folder.
    """
    from huggingface_hub import CommitOperationAdd, HfApi
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    folder, api = Path(folder), HfApi()
    contents = published_contents(folder)
    operations = [CommitOperationAdd(name, content) for name, content in contents.items()]
    try:
        api.create_repo(hub_id, private=private, exist_ok=True)
        if private and not api.repo_info(hub_id).private:
            remedy = "Make it private, name another, or publish on purpose with --hub_private_repo false."
            raise InputError(hub_id, "it is public", "a private repository", remedy)
        return str(api.create_commit(hub_id, operations, commit_message="Upload a trained pipeline").commit_url)
    except (HfHubHTTPError, OfflineModeIsEnabled, OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        remedy = f"The model stays in {folder}: check name, network and `hf auth login`, and push it again."
        raise InputError(
            hub_id, f"the upload failed ({reason})", "a repository of yours on the Hub", remedy
        ) from error


def render_card(folder: str | Path, results: str | Path, template: str = "recoseg_small.md.jinja") -> Path:
    """Write a model's card from its own configuration, its training record and measured results.

    Args:
        folder: the model's folder, with `training.json`.
        results: folder with what `benchmarks/measure_model.py` wrote; `residual.json` and `steps.json` may be absent.
        template: file in `model_cards/`.

    Returns:
        The card's path.

    Raises:
        InputError: if one of the files is missing.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder, results = Path(folder), Path(results)
    environment = Environment(
        loader=FileSystemLoader(shipped_folder("model_cards")), undefined=StrictUndefined, keep_trailing_newline=True,
        autoescape=False,
    )  # fmt: skip
    values = _model_values(folder) | _measured_values(results)
    values["front_matter"] = _front_matter(values["accuracy"])
    with atomic_write(folder / CARD) as path:
        path.write_text(environment.get_template(template).render(values), encoding="utf-8")
    return folder / CARD


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(path, "no such file", "measured values for the card", "Run the measurement first.")
    return json.loads(path.read_text(encoding="utf-8"))


def _model_values(folder: Path) -> dict[str, Any]:
    nets = {}
    for name in ("synthesizer", "segmenter"):
        nets[name] = _read(folder / name / "config.json") | {"parameters": f"{_parameters(folder / name) / 1e6:.1f}"}
    return {
        **nets,
        "settings": _read(folder / "model_index.json"),
        "scheduler": _read(folder / "scheduler" / "scheduler_config.json"),
        "training": _read(folder / TRAINING_RECORD),
    }


def _parameters(folder: Path) -> int:
    """Number of weights, read from the safetensors headers alone."""
    from math import prod

    from safetensors import safe_open

    total = 0
    for file in folder.glob("*.safetensors"):
        with safe_open(file, framework="numpy") as weights:
            total += sum(prod(weights.get_slice(name).get_shape()) for name in weights.keys())  # noqa: SIM118
    return total


def _measured_values(results: Path) -> dict[str, Any]:
    from recoseg_hf.evaluation import summary_rows

    accuracy = _read(results / "accuracy.json")
    regions = [
        (f"Dice per volume, {name.upper()}", _statistic(region["volume"]["dice"]))
        for name, region in accuracy["regions"].items()
    ]
    seconds = ("Seconds per subject in memory, median", f"{accuracy['default']['seconds_per_subject']:.1f}")
    rows = [*summary_rows(accuracy["default"]), *regions, seconds]
    values = {"accuracy": accuracy["default"], "measurement": accuracy["measurement"], "rows": rows}
    for name in ("residual", "steps"):  # tables that a card may lack
        values[name] = _read(results / f"{name}.json") if (results / f"{name}.json").is_file() else None
    if values["residual"]:
        values["residual_rows"] = _residual_rows(values["residual"])
    if values["steps"]:
        by_count = sorted(values["steps"]["steps"].items(), key=lambda item: int(item[0]))
        values["step_rows"] = [_step_row(count, row) for count, row in by_count]
        values["steps_n"] = next(iter(values["steps"]["steps"].values()))["n"]
    return values


def _statistic(statistic: Mapping[str, Any]) -> str:
    if statistic["value"] is None:
        return "undefined"
    interval = statistic["interval"]
    shown = f" [{interval[0]:.3f}, {interval[1]:.3f}]" if interval else ""
    return f"{statistic['value']:.3f}{shown}"


def _residual_rows(residual: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Each variant's Dice and what it loses against the measured residual, subject by subject; measured first."""
    lost = residual["dice_lost_against_measured"]
    by_loss = sorted(lost, key=lambda name: lost[name]["value"])
    shown = {name: _statistic(lost[name]) for name in by_loss}
    dice = {name: _statistic(variant["volume"]["dice"]) for name, variant in residual["variants"].items()}
    return [("measured", dice["measured"], ""), *((name, dice[name], shown[name]) for name in by_loss)]


def _step_row(count: str, values: Mapping[str, Any]) -> list[str]:
    synthesis = values["synthesis"]
    return [
        count,
        f"{synthesis['psnr']['value']:.2f}",
        f"{synthesis['ssim']['value']:.3f}",
        f"{values['volume']['dice']['value']:.3f}",
        f"{values['spread_over_samples']:.3f}",
        f"{values['seconds_per_subject']:.1f}",
    ]


def _front_matter(accuracy: Mapping[str, Any]) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    dice = EvalResult(
        task_type="image-segmentation",
        dataset_type="brats2018",
        dataset_name=f"BraTS 2018, {accuracy['n']} validation subjects",
        metric_type="dice",
        metric_name="whole-tumour Dice per volume",
        metric_value=round(float(accuracy["volume"]["dice"]["value"]), 4),
    )
    data = ModelCardData(
        license="other",
        license_name="research-use-only",
        license_link="LICENSE.md",
        library_name="diffusers",
        pipeline_tag="image-segmentation",
        tags=["medical", "MRI", "brain-tumour", "BraTS", "diffusion", "recoseg"],
        metrics=["dice"],
        model_name="recoseg-small",
        eval_results=[dice],
    )
    return data.to_yaml()
