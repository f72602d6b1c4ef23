"""A model as a folder for the Hub, made beside its place and moved there once it has proved itself."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recoseg_hf.errors import InputError
from recoseg_hf.files import real_path, shipped_folder, write_json
from recoseg_hf.hub.card import card_source, configuration_values, read_values, render
from recoseg_hf.hub.example import MOST_STEPS, draw_example
from recoseg_hf.hub.inspection import inspect_folder
from recoseg_hf.hub.manifest import unlisted_files, write_manifest
from recoseg_hf.hub.names import CARD, CARD_VALUES, INDEX, LICENSE, MANIFEST, PREPROCESSING, REQUIREMENTS
from recoseg_hf.hub.python_files import copy_code
from recoseg_hf.hub.run_folder import anonymous_record
from recoseg_hf.hub.verify import verify_code
from recoseg_hf.hub.weights import save_both
from recoseg_hf.learning.run_record import RECORD, subjects_seen

if TYPE_CHECKING:
    from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline

# torch is not among them: an endpoint's image has the build for its processor.
_REQUIRED = ("diffusers", "huggingface_hub", "nibabel", "numpy", "Pillow", "safetensors")


def export_model(
    model: str | Path | None,
    output: str | Path,
    *,
    evaluation: str | Path | None = None,
    dataset: str | None = None,
    hub_id: str | None = None,
    license_file: str | Path | None = None,
    example: bool | None = None,
    endpoint: bool = True,
    overwrite: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Path:
    """Write a Hub-shaped folder that both doors load, and prove it.

    Weights in float32 and as variant `fp16` (safetensors), the pipeline's code, a card of measured numbers, the
    preprocessing's settings, an endpoint's handler, and a manifest with every file's hash. The folder appears only
    after a process without `recoseg_hf` has loaded it and got what the installed class gets.

    Args:
        model: folder or Hub id; None is the embedded default.
        output: the folder to make.
        evaluation: JSON file of `recoseg evaluate` about this model. Without it the card of a model that carries its
            measured values says those, and any other card says that nothing was measured.
        dataset: how the card calls the data of the evaluation.
        hub_id: organisation/name that the card's examples load; by default made of the folder's name.
        license_file: terms of the weights, in Markdown; by default those beside the model.
        example: draw a simulated case; by default where the model takes few steps and nilearn is installed.
        endpoint: whether it gets the files of an Inference Endpoint.
        overwrite: replace an earlier export.
        progress: told what is being done.

    Returns:
        `output`.

    Raises:
        InputError: the model cannot be used, something in the folder must not be published, or it failed its proof.
    """
    from recoseg_hf.inference.loading import find_model

    output, tell = Path(output), progress or (lambda stage: None)
    _check_output(output, overwrite)
    folder = find_model(model)
    name = hub_id.rpartition("/")[2] if hub_id else real_path(output).name
    source = card_source(folder, name, evaluation and Path(evaluation), dataset)
    check_measured(folder, source)
    tell("Loading the model")
    pipeline = _load(folder)
    source = source | {"model": _same_model(folder, source, pipeline)}
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{output.name}.", dir=output.parent) as scratch:
        made = Path(scratch) / output.name
        tell("Writing")
        save_both(pipeline, made)
        copy_code(made, endpoint)
        _write_beside(made, folder, name, pipeline, license_file, endpoint)
        about = {"hub_id": hub_id or f"organisation/{name}", "endpoint": endpoint}
        about["example"] = _draw(pipeline, made, example, tell)
        write_json(made / CARD_VALUES, source)
        (made / CARD).write_text(render(source, about), encoding="utf-8")
        tell("Looking through the folder")
        inspect_folder(made, subjects_seen(folder) or ())
        tell("Loading it as a stranger would")
        verify_code(made, pipeline)
        _finish(made, source)
        _move(made, output)
    return output


def check_measured(folder: Path, source: dict[str, Any]) -> None:
    """Refuse measured values that belong to other weights or settings.

    Raises:
        InputError: the weights' hash or the settings in the values are not those of the model.
    """
    import torch

    from recoseg_hf.inference.loading import load_pipeline
    from recoseg_hf.inference.report import weights_sha256

    measurement = source["values"].get("results", {}).get("accuracy", {}).get("measurement")
    if measurement is None:
        return
    pipeline = load_pipeline(folder, device="cpu", dtype=getattr(torch, measurement["dtype"]))
    now = configuration_values(folder)
    same = weights_sha256(pipeline) == measurement["model"]["weights_sha256"]
    if not same or any(_without_version(source["values"][name]) != _without_version(now[name]) for name in now):
        raise _other_model(folder)


def _without_version(config: dict[str, Any] | None) -> dict[str, Any] | None:
    """A configuration, whichever diffusers wrote it."""
    return config and {name: value for name, value in config.items() if name != "_diffusers_version"}


def _same_model(folder: Path, source: dict[str, Any], pipeline: ReCoSegPipeline) -> dict[str, str]:
    """Return the model's hashes; refuse values of an earlier export if they are of another model."""
    from recoseg_hf.inference.report import configuration_sha256, weights_sha256

    now = {"weights_sha256": weights_sha256(pipeline), "configuration_sha256": configuration_sha256(pipeline)}
    if source.get("model", now) != now:
        raise _other_model(folder)
    return now


def _other_model(folder: Path) -> InputError:
    remedy = f"Measure it again, or remove {CARD_VALUES}: the card then says that nothing was measured."
    found = "its numbers are of other weights or settings"
    return InputError(folder / CARD_VALUES, found, "those of this model", remedy)


def preprocessing_settings(pipeline: ReCoSegPipeline) -> dict[str, Any]:
    """What the pipeline expects of scans and does to them, as JSON values."""
    from recoseg_hf.pipeline.conventions import CONDITIONS

    config = pipeline.config
    return {
        "inputs": {"required": list(CONDITIONS), "optional": ["t1ce"]},
        "expects": "skull-stripped (0 outside the brain), co-registered, one volume per call, raw intensities",
        "orientation": "RAS",
        "slices": "axial, along the last axis of the RAS volume, from the lowest to the highest",
        "voxel_spacing_mm": 1.0,
        "slices_seen": {"each": config.slice_step, "between": "interpolated"},
        "grid": {
            "pixels": config.image_size,
            "field_of_view_mm": config.field_of_view,
            "centre": "the brain",
            "crop_to_brain": config.crop_to_brain,
        },
        "intensities": {
            "clipped_at_percentiles": {"lower": config.lower_percentile, "upper": config.upper_percentile},
            "normalization": config.normalization,
            "statistics_over": "the brain of the whole volume",
        },
        "segmenter": {
            "channels": list(pipeline.channels),
            "context_slices": config.context_slices,
            "residual_clip": config.residual_clip,
        },
        "pixel_unshuffle": config.pixel_unshuffle,
    }


def _check_output(output: Path, overwrite: bool) -> None:
    if Path.cwd().is_relative_to(real_path(output)):  # it is replaced as a whole, and the export is made beside it
        raise InputError(output, "the working folder is in it", "a folder to make", "Name one, such as my-model.")
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return
    if not all((output / name).is_file() for name in (MANIFEST, INDEX, CARD_VALUES)):
        raise InputError(output, "it exists and is no export", "a new folder", "Choose another name.")
    if not overwrite:
        raise InputError(output, "it exists", "a new folder", "Choose another name, or add --overwrite.")
    if output.is_symlink():
        raise InputError(output, "it is a link", "the folder itself", "Name what it leads to, or another folder.")
    if foreign := unlisted_files(output):
        shown = f"{', '.join(foreign[:5])}{f' and {len(foreign) - 5} more' if len(foreign) > 5 else ''}"
        remedy = "Move them away, or choose another name: the folder is replaced as a whole."
        raise InputError(output, f"it holds files that no export wrote ({shown})", "an export alone", remedy)


def _load(folder: Path) -> ReCoSegPipeline:
    import torch

    from recoseg_hf.inference.loading import load_pipeline, load_settings

    if load_settings(folder)["_class_name"] != "ReCoSegPipeline":
        remedy = "The 3D baselines are for local folders; export a 2D system."
        raise InputError(folder, "it is a 3D baseline", "a ReCoSegPipeline", remedy)
    pipeline = load_pipeline(folder, device="cpu", dtype=torch.float32)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _write_beside(
    made: Path, folder: Path, name: str, pipeline: ReCoSegPipeline, license_file: str | Path | None, endpoint: bool
) -> None:
    """Write what goes along with weights and code: terms, records, preprocessing, requirements."""
    write_json(made / PREPROCESSING, preprocessing_settings(pipeline))
    (made / LICENSE).write_text(_license(folder, name, license_file), encoding="utf-8")
    for record in (RECORD, "training.json", "site_card.json"):
        if (folder / record).is_file():
            write_json(made / record, anonymous_record(folder) if record == RECORD else read_values(folder / record))
    if endpoint:
        pinned = "\n".join(f"{library}=={version(library)}" for library in _REQUIRED)
        note = "# For the Inference Endpoint (handler.py). torch comes with its image; nothing else needs this file.\n"
        (made / REQUIREMENTS).write_text(f"{note}{pinned}\n", encoding="utf-8")


def _license(folder: Path, name: str, license_file: str | Path | None) -> str:
    file = Path(license_file) if license_file else folder / LICENSE
    if file.is_file():
        return file.read_text(encoding="utf-8")
    if license_file:
        raise InputError(file, "no such file", "the terms of the weights, in Markdown", "Check the path.")
    template = (shipped_folder("model_cards") / "license.md.jinja").read_text(encoding="utf-8")
    return template.replace("{{ name }}", name)


def _draw(pipeline: ReCoSegPipeline, made: Path, example: bool | None, tell: Callable[[str], None]) -> bool:
    from importlib.util import find_spec

    from recoseg_hf.inference.loading import load_pipeline

    if example is None:
        few = pipeline.synthesizer is None or pipeline.config.num_inference_steps <= MOST_STEPS
        example = few and find_spec("nilearn") is not None
    if example:
        tell("Drawing a simulated case")
        draw_example(load_pipeline(made, device="cpu"), made)
    return example


def _finish(made: Path, source: dict[str, Any]) -> None:
    from recoseg_hf.inference.report import library_versions

    checks = ["loaded by a process without recoseg_hf, with the same result", "no path, no subject, no pickle"]
    write_manifest(made, {"name": source["name"], "exported_with": library_versions(), "checked": checks})


def _move(made: Path, output: Path) -> None:
    """Put the folder in its place; an earlier export goes only now."""
    if output.exists():
        shutil.rmtree(output)
    made.chmod(0o755)
    made.rename(output)
