"""What of a training run's folder is the model: everything else in it is nobody else's business."""

from __future__ import annotations

import json
from pathlib import Path

from recoseg_hf.hub.names import CARD, INDEX, LICENSE, PARTS, SITE_CARD
from recoseg_hf.json_files import read_json
from recoseg_hf.learning.run_record import RECORD, training_record

_LOADED_FROM = "_name_or_path"
"""Where diffusers notes the place that a model was loaded from, when it saves it."""


def published_files(folder: str | Path) -> list[Path]:
    """Return what of a run's folder is the model, and may be published: no checkpoint, log, optimiser or slices."""
    folder = Path(folder)
    found = [file for pattern in (INDEX, RECORD, CARD, SITE_CARD, LICENSE) for file in folder.glob(pattern)]
    found += [file for part in PARTS for kind in ("*.json", "*.safetensors") for file in (folder / part).glob(kind)]
    return sorted(file for file in found if file.is_file())


def published_contents(folder: Path) -> dict[str, bytes | str]:
    """Return what is uploaded under which name: a file's path, or its content where that is changed."""
    contents: dict[str, bytes | str] = {
        file.relative_to(folder).as_posix(): str(file) for file in published_files(folder)
    }
    for name in [name for name in contents if name == INDEX or name.endswith("/config.json")]:
        values = read_json(folder / name, "a configuration of diffusers", "Save the model again.", dict)
        if values.pop(_LOADED_FROM, None) is not None:
            contents[name] = json.dumps(values, indent=2, sort_keys=True).encode()
    if RECORD in contents:
        contents[RECORD] = json.dumps(anonymous_record(folder), indent=2, sort_keys=True).encode()
    if SITE_CARD in contents and CARD not in contents:
        contents[CARD] = contents.pop(SITE_CARD)
    return contents


def anonymous_record(folder: Path) -> dict:
    """A run's record without the hashes of who was trained on: names known elsewhere could be tried on them."""
    record = training_record(folder) or {}
    record.pop("subjects_seen", None)
    return record
