"""Systems out of systems: a folder of `pipelines/` with some settings changed, whose nets' channels follow.

The rows and ablations of a comparison differ in what is named here and in nothing else. Only configurations are read
and written, no weights.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from recoseg_hf.errors import InputError
from recoseg_hf.files import write_json
from recoseg_hf.pipeline.conventions import REGIONS, SEGMENTER_CHANNELS, parse_names

Values = Mapping[str, Any]

CPU_WIDTHS = (32, 64, 128)
CPU_FOLD = 2
CPU_STEPS = 50
_INDEX = "model_index.json"
_FILES = {
    "scheduler": "scheduler/scheduler_config.json",
    "synthesizer": "synthesizer/config.json",
    "segmenter": "segmenter/config.json",
}
_DRAWN = {"residual", "synthetic_t1ce"}


def vary_system(
    system: str | Path,
    target: str | Path,
    settings: Values | None = None,
    scheduler: Values | None = None,
    synthesizer: Values | None = None,
    segmenter: Values | None = None,
) -> Path:
    """Write a system's configurations anew, with some values changed.

    The nets' channels follow the settings (inputs, regions, folding, context); a synthesizer whose images nobody sees
    is left out, and so is the segmenter's class of the residual source where it sees no residual.

    Args:
        system: a folder as those of `pipelines/`, or a run's; its weights are not taken along.
        target: the new folder. Configurations in it are replaced.
        settings: of the pipeline, such as `{"segmenter_inputs": "flair,t1,t2,t1ce"}`.
        scheduler: of its configuration; `_class_name` for another class, which then gets these values and the
            schedule of the former.
        synthesizer, segmenter: of the nets' configurations, see `unet_levels`.

    Returns:
        `target`.

    Raises:
        InputError: `system` is none or has no setting of that name, `target` holds weights, or the segmenter is to
            see what nothing draws.
    """
    system, target = Path(system), Path(target)
    parts = _read(system)
    _check_names(system / _INDEX, settings or {}, parts["index"])
    if any(target.glob("*/*.safetensors")):
        raise InputError(target, "it holds weights", "a new folder", "Name another one.")
    parts["index"] = parts["index"] | dict(settings or {})
    for name, changes in {"scheduler": scheduler, "synthesizer": synthesizer, "segmenter": segmenter}.items():
        if parts[name] is not None:
            parts[name] = _changed(system / _FILES[name], parts[name], dict(changes or {}))
    parts["index"]["scheduler"] = ["diffusers", parts["scheduler"]["_class_name"]]
    _fit(system, parts)
    _write(target, parts)
    return target


def cpu_variant(system: str | Path, target: str | Path) -> Path:
    """Write a system at the size for a CPU: both nets 32-64-128 on pixels folded 2 x 2, at most 50 DDIM steps.

    Everything else stays: grid, intensities, inputs, noise schedule, prediction type, thresholds, and attention at the
    resolutions where the system has it. A 3D segmenter stays as it is; the synthesizer beside it follows.

    Args:
        system: a folder as those of `pipelines/`.
        target: the new folder.

    Raises:
        InputError: as for `vary_system`.
    """
    parts = _read(Path(system))
    index, folded = parts["index"], parts["index"]["image_size"] // CPU_FOLD
    nets: dict[str, Values] = {}
    for name in ("synthesizer", "segmenter"):
        if parts[name] is not None and parts[name]["_class_name"] == "UNet2DModel":
            nets[name] = unet_levels(CPU_WIDTHS, folded, _attentive_sides(parts[name], index))
    return vary_system(
        system,
        target,
        settings={"pixel_unshuffle": CPU_FOLD, "num_inference_steps": min(index["num_inference_steps"], CPU_STEPS)},
        scheduler={"_class_name": "DDIMScheduler", "timestep_spacing": "trailing"},
        **nets,
    )


def unet_levels(widths: Sequence[int], side: int, attention: Collection[int] = (), layers: int = 1) -> dict[str, Any]:
    """The part of a `UNet2DModel`'s configuration that says how large it is.

    Args:
        widths: channels of each level.
        side: pixels across the first level; each further one has half of them.
        attention: sides of the levels with self-attention.
        layers: residual blocks per level.
    """
    kinds = ["Attn" if side // 2**level in attention else "" for level in range(len(widths))]
    return {
        "block_out_channels": list(widths),
        "down_block_types": [f"{kind}DownBlock2D" for kind in kinds],
        "up_block_types": [f"{kind}UpBlock2D" for kind in reversed(kinds)],
        "layers_per_block": layers,
        "norm_num_groups": 8,
    }


def _attentive_sides(net: Values, index: Values) -> set[int]:
    side = index["image_size"] // index["pixel_unshuffle"]
    return {side // 2**level for level, kind in enumerate(net["down_block_types"]) if kind.startswith("Attn")}


def _changed(file: Path, former: Values, changes: dict[str, Any]) -> dict[str, Any]:
    """A component's configuration with changes; of another class, what that knows of it, with the rest written out."""
    kind = changes.get("_class_name", former["_class_name"])
    component = _component(kind)
    _check_names(file, changes, {"_class_name", *inspect.signature(component.__init__).parameters})
    if kind != former["_class_name"]:
        built = component.from_config({name: value for name, value in former.items() if name[0] != "_"})
        former = {name: value for name, value in built.config.items() if name[0] != "_"}
    return {**former, **changes}


def _component(name: str) -> Any:
    if name == "VolumeUNet":
        from recoseg_hf.evaluation.baselines import VolumeUNet

        return VolumeUNet
    import diffusers

    return getattr(diffusers, name)


def _check_names(file: Path, changes: Values, known: Collection[str]) -> None:
    """Refuse a misspelt name, which would leave the system as it was."""
    unknown = sorted(set(changes) - set(known))
    if unknown:
        raise InputError(file, f"no setting {', '.join(unknown)}", "settings that it has", "Correct the names.")


def _fit(system: Path, parts: dict[str, Any]) -> None:
    """Let the nets follow the settings; changes `parts`."""
    index, segmenter = parts["index"], parts["segmenter"]
    channels = parse_names(index["segmenter_inputs"], SEGMENTER_CHANNELS, "segmenter_inputs")
    regions = parse_names(index["regions"], REGIONS, "regions")
    if not _DRAWN & set(channels):
        parts["synthesizer"], index["synthesizer"] = None, [None, None]
    elif parts["synthesizer"] is None:
        found = f"no synthesizer, which {index['segmenter_inputs']} needs"
        raise InputError(system, found, "a system that has one", "Start from another system.")
    if "residual" not in channels:
        segmenter.pop("num_class_embeds", None)
    fold, side = index["pixel_unshuffle"] ** 2, index["image_size"] // index["pixel_unshuffle"]
    if segmenter["_class_name"] == "UNet2DModel":
        seen = len(channels) * (2 * index["context_slices"] + 1)
        segmenter |= {"in_channels": fold * seen, "out_channels": fold * len(regions), "sample_size": side}
    else:
        segmenter |= {"in_channels": len(channels), "out_channels": len(regions)}
    if parts["synthesizer"] is not None:
        parts["synthesizer"] |= {"in_channels": 4 * fold, "out_channels": fold, "sample_size": side}


def _read(system: Path) -> dict[str, Any]:
    """`index`, and each component's configuration; None for a synthesizer that there is not."""
    index = system / _INDEX
    if not index.is_file():
        raise InputError(index, "no such file", "a folder as those of pipelines/", "Check the path.")
    parts: dict[str, Any] = {"index": json.loads(index.read_text(encoding="utf-8"))}
    for name, file in _FILES.items():
        absent = parts["index"][name] == [None, None]
        parts[name] = None if absent else json.loads((system / file).read_text(encoding="utf-8"))
    return parts


def _write(target: Path, parts: Values) -> None:
    for name, file in _FILES.items():
        if parts[name] is not None:
            write_json(target / file, parts[name])
        else:
            (target / file).unlink(missing_ok=True)
    write_json(target / _INDEX, parts["index"])
