"""A model by name: the embedded default, a folder, or a repository on the Hub."""

from __future__ import annotations

import contextlib
import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recoseg_hf.errors import CheckpointError, InputError, first_line
from recoseg_hf.files import sha256_file
from recoseg_hf.imaging.paths import listing
from recoseg_hf.inference.saving import MODEL_MANIFEST
from recoseg_hf.json_files import mismatch, read_json

if TYPE_CHECKING:
    import torch

    from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline

_INDEX = "model_index.json"
_WEIGHTS = re.compile(r"diffusion_pytorch_model(-\d+-of-\d+)?\.safetensors")  # no variant such as .fp16
_AGAIN = "Copy or download it again; if you changed the weights yourself, delete the manifest."
_CLASSES = {
    "ReCoSegPipeline": "recoseg_hf.pipeline.pipeline_recoseg",
    "VolumePipeline": "recoseg_hf.evaluation.baselines",  # named and not imported: it stands on a higher floor
}
_PUBLISHED = "ReCoSegPipeline"
_BFLOAT16_INSTRUCTIONS = ("avx512_bf16", "amx_bf16")
_EXPECTED = f"a model folder with {_INDEX}, or a Hub id such as organisation/name"
# What the Hub takes for an id: a path has more parts, or starts with a dot, a slash or a tilde.
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def load_pipeline(
    path_or_id: str | Path | None = None,
    device: str | torch.device | None = None,
    revision: str | None = None,
    dtype: torch.dtype | None = None,
) -> ReCoSegPipeline:
    """Load a model; only safetensors are read, and no code of a repository is run.

    The class is that of the model's index: `ReCoSegPipeline`, or `VolumePipeline` for a 3D baseline, which is called
    alike, loads from local folders only and needs the `eval` extra.

    Args:
        path_or_id: a folder that `save_pretrained` made, or a Hub id; None is the embedded default, which needs no
            network.
        device: where to run; None takes CUDA where there is one, else the CPU.
        revision: branch, tag or commit of a Hub repository.
        dtype: what the nets compute in; None takes `native_dtype` of the device.

    Raises:
        InputError: nothing of that name is there, it is no model of ours, or this machine has no such device.
        CheckpointError: the model's files are incomplete or damaged.
        RecosegError: it is a 3D baseline, and MONAI is not installed.
    """
    folder = find_model(path_or_id, revision)
    name = load_settings(folder)["_class_name"]
    device = _usable(device)
    try:
        return _load(folder, name, dtype or native_dtype(device)).to(device)
    except (RuntimeError, MemoryError) as error:
        if not _is_out_of_memory(error):
            raise
        found = f"the model needs more memory than {device} has left ({first_line(error)})"
        remedy = "Free memory or end other programs there, or choose another device."
        raise InputError(folder, found, "memory for its weights", remedy) from error


def _is_out_of_memory(error: Exception) -> bool:
    from recoseg_hf.pipeline.memory import is_out_of_memory

    return is_out_of_memory(error)


def native_dtype(device: torch.device) -> torch.dtype:
    """Return bfloat16 where the device has instructions for it, else float32.

    Half the time on such a processor; `benchmarks/measure_dtypes.py` measures how few voxels of the mask change.
    """
    import torch

    if device.type == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        capabilities = torch.cpu.get_capabilities() if device.type == "cpu" else {}
        native = any(capabilities.get(name) for name in _BFLOAT16_INSTRUCTIONS)
    return torch.bfloat16 if native else torch.float32


def find_model(path_or_id: str | Path | None = None, revision: str | None = None) -> Path:
    """Return the folder that holds a model, downloaded where a Hub id was given.

    Raises:
        InputError: nothing of that name is there; says what was found and how to mend it.
    """
    if path_or_id is None:
        return _embedded()
    folder = Path(path_or_id)
    if folder.is_dir():
        return folder
    if folder.exists():
        raise InputError(folder, "it is a file", _EXPECTED, "Give the folder that holds it.")
    if _HUB_ID.fullmatch(str(path_or_id)):
        return _download(str(path_or_id), revision)
    raise InputError(folder, "no such folder", _EXPECTED, f"Check the path: {listing(folder.absolute().parent)}.")


def load_settings(folder: Path) -> dict[str, Any]:
    """Read a model folder's settings, such as `image_size`; its weights are not looked at.

    Raises:
        InputError: it holds no readable `model_index.json`, or that of another pipeline class.
    """
    index = folder / _INDEX
    if not index.is_file():
        raise InputError(folder, f"no {_INDEX}; {listing(folder)}", _EXPECTED, "Name the folder that holds it.")
    settings = read_json(index, "a pipeline's index, JSON with _class_name", "Copy it again.", {"_class_name": str})
    found = settings["_class_name"]
    if found not in _CLASSES:
        raise InputError(index, f"_class_name is {found!r}", " or ".join(_CLASSES), "Name a model of recoseg_hf.")
    return settings


def _usable(device: str | torch.device | None) -> torch.device:
    import torch

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:  # torch built without CUDA asserts
        reason = first_line(error)
        raise InputError(
            f"device {device}", f"torch cannot use it ({reason})", "cpu or cuda", "Run on cpu."
        ) from error


def _embedded() -> Path:
    from recoseg_hf.pipeline.pipeline_recoseg import EMBEDDED_MODEL

    if not (EMBEDDED_MODEL / _INDEX).is_file():
        raise InputError(
            "embedded model",
            "this installation holds none",
            "recoseg_hf with its weights",
            "Name a model, or reinstall.",
        )
    return EMBEDDED_MODEL


def _download(hub_id: str, revision: str | None) -> Path:
    """Get a repository's index first: it says for little whether there is such a model, and which class it is of."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline

    try:
        index = Path(hf_hub_download(hub_id, _INDEX, revision=revision))
        _check_published(hub_id, load_settings(index.parent)["_class_name"])
        # A model that was not exported by us has no manifest; what was fetched before is used where the Hub is away.
        with contextlib.suppress(EntryNotFoundError):
            hf_hub_download(hub_id, MODEL_MANIFEST, revision=index.parent.name)
        return Path(ReCoSegPipeline.download(hub_id, revision=index.parent.name, use_safetensors=True))
    except (OSError, ValueError) as error:
        raise InputError(
            hub_id,
            f"no such folder here, and {_hub_reason(error, revision)}",
            _EXPECTED,
            "Check the name, the network and, for a private model, `hf auth login`.",
        ) from error


def _check_published(hub_id: str, name: str) -> None:
    if name != _PUBLISHED:
        raise InputError(
            hub_id, f"_class_name is {name!r}, a baseline", f"{_PUBLISHED} on the Hub", "Name a folder that holds it."
        )


def _hub_reason(error: Exception, revision: str | None) -> str:
    from huggingface_hub import errors

    reasons = (
        (errors.LocalEntryNotFoundError, "the Hub cannot be reached and no copy is kept here"),
        (errors.RevisionNotFoundError, f"the Hub has no revision {revision!r} of it"),
        (errors.RepositoryNotFoundError, "the Hub has no such model, or it is private"),
        (errors.EntryNotFoundError, f"on the Hub it has no {_INDEX}"),
    )
    other = first_line(error)
    return next((reason for kind, reason in reasons if isinstance(error, kind)), f"the Hub gave none ({other})")


def _check_hashes(folder: Path) -> None:
    """Compare weights with the manifest that an exported folder and the embedded model have beside them.

    safetensors checks its own structure and not the values: a flipped bit would give another tumour in silence.

    Raises:
        InputError: the manifest is damaged.
        CheckpointError: a file of weights differs.
    """
    manifest = folder / MODEL_MANIFEST
    if not manifest.is_file():
        return
    expected = "the SHA-256 of each of the model's files"
    read, weights = read_json(manifest, expected, _AGAIN), sorted(folder.glob("*/*.safetensors"))
    if _is_foreign(read, [file.relative_to(folder).as_posix() for file in weights]):
        return
    if found := mismatch(read, {"files": {"*": {"sha256": str}}}):
        raise InputError(manifest, found, expected, _AGAIN)
    listed = read["files"]
    for file in weights:
        entry = listed.get(file.relative_to(folder).as_posix())
        if entry is not None and sha256_file(file) != entry["sha256"]:
            raise CheckpointError(
                f"{file}: its bytes are not those that were exported; expected the SHA-256 of {MODEL_MANIFEST}. "
                f"{_AGAIN}"
            )


def _is_foreign(manifest: Any, weights: list[str]) -> bool:
    """Say whether a manifest is some other program's: it speaks of no files, or of none of the model's weights."""
    files = manifest.get("files") if isinstance(manifest, dict) else None
    return files is None or (isinstance(files, dict) and not any(name in files for name in weights))


def _load(folder: Path, name: str, dtype: torch.dtype) -> ReCoSegPipeline:
    if not any(folder.glob("*/*.safetensors")):
        raise InputError(
            folder,
            "it holds settings but no weights",
            "safetensors beside each component's config.json",
            "Train it first, or name a trained model.",
        )
    _check_hashes(folder)
    try:
        pipeline = getattr(import_module(_CLASSES[name]), name).from_pretrained(folder, dtype=dtype)
        _check_no_weight_is_lacking(folder, pipeline)
        return pipeline
    except (CheckpointError, ImportError, MemoryError):
        raise
    except Exception as error:  # of a dozen kinds: diffusers, torch, safetensors, on values that fit nothing
        if _is_out_of_memory(error):
            raise
        raise CheckpointError(
            f"{folder}: the model does not load ({first_line(error)}); expected complete safetensors and "
            "configurations. Copy or download it again."
        ) from error


def _check_no_weight_is_lacking(folder: Path, pipeline: ReCoSegPipeline) -> None:
    """Look for every parameter in the files: diffusers puts random numbers where one lacks, and goes on.

    Raises:
        CheckpointError: naming the net and the parameter.
    """
    from safetensors import safe_open

    for name in ("synthesizer", "segmenter"):
        net = getattr(pipeline, name, None)
        files = [file for file in (folder / name).glob("*.safetensors") if _WEIGHTS.fullmatch(file.name)]
        if net is None or not files:
            continue
        stored: set[str] = set()
        for file in files:
            with safe_open(file, "pt") as tensors:
                stored.update(tensors.keys())
        if lacking := sorted(net.state_dict().keys() - stored):
            more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
            raise CheckpointError(
                f"{folder / name}: its weights lack {lacking[0]}{more}; expected a tensor for each parameter. "
                "Copy or download it again."
            )
