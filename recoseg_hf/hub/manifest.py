"""Which files an exported folder is made of, with their hashes: what is pushed, and what nobody has touched since."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recoseg_hf.errors import InputError
from recoseg_hf.files import sha256_file
from recoseg_hf.hub.card import read_values
from recoseg_hf.hub.names import MANIFEST
from recoseg_hf.inference.saving import write_model_manifest


def write_manifest(folder: Path, about: Mapping[str, Any]) -> None:
    """Write `manifest.json`: `files` with the SHA-256 and size of each, and what else is said `about` the folder."""
    files = (file for file in folder.rglob("*") if file.is_file() and file != folder / MANIFEST)
    write_model_manifest(folder, files, about)


def unlisted_files(folder: Path) -> list[str]:
    """Return what lies in an exported folder and is not in its manifest, whatever it is: names, sorted."""
    listed = read_values(folder / MANIFEST).get("files")
    known = {*(listed if isinstance(listed, dict) else ()), MANIFEST}
    found = (file for file in folder.rglob("*") if file.is_symlink() or not file.is_dir())
    names = (file.relative_to(folder).as_posix() for file in found)
    return sorted(name for name in names if name not in known and "__pycache__" not in name)


def listed_files(folder: str | Path) -> list[Path]:
    """Return the files of an exported folder, the manifest among them, after comparing each with its hash.

    Files that the manifest does not list are left out: whatever somebody put there is not what was exported.

    Raises:
        InputError: there is no manifest, or a file is missing or was changed.
    """
    folder = Path(folder)
    if not (folder / MANIFEST).is_file():
        remedy = "Make one with `recoseg export`; a training run's folder is no such folder."
        raise InputError(folder, f"no {MANIFEST} in it", "a folder that `recoseg export` made", remedy)
    files = read_values(folder / MANIFEST).get("files", {})
    for name, entry in files.items():
        file = folder / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            raise InputError(folder / MANIFEST, f"it lists {name!r}", "files of the folder", "Export the model again.")
        if not file.is_file():
            raise InputError(file, "no such file", f"what {MANIFEST} lists", "Export the model again.")
        if sha256_file(file) != entry["sha256"]:
            remedy = "Export the model again; to change its card, change what the card is rendered from."
            raise InputError(file, "it was changed after the export", f"the SHA-256 of {MANIFEST}", remedy)
    return [*(folder / name for name in files), folder / MANIFEST]
