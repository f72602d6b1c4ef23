"""The Python files of an exported folder: byte copies of the package's own."""

from __future__ import annotations

import shutil
from pathlib import Path

import recoseg_hf
from recoseg_hf.hub.names import ENDPOINT, HANDLER

_PACKAGE = Path(recoseg_hf.__file__).resolve().parent
# What stands on the way from a NIfTI file to a mask; nothing in these imports what is above them.
_ROOMS = ("pipeline", "imaging", "inference")
_GROUND = ("__init__.py", "errors.py", "files.py", "json_files.py", "outputs.py", "process.py")


def code_files(endpoint: bool = True) -> dict[str, Path]:
    """Return the Python files of an exported folder: where each is there, and which file of ours it is a copy of.

    Beside `model_index.json` the whole of `pipeline/`: diffusers fetches the files that `pipeline_recoseg.py` imports,
    by name. With an endpoint `handler.py` too, and under `endpoint/` the rooms of the package that it needs.
    """
    found = {file.name: file for file in _PACKAGE.glob("pipeline/*.py") if file.name != "__init__.py"}
    if endpoint:
        found[HANDLER] = Path(__file__).with_name("endpoint_handler.py")
        files = [_PACKAGE / name for name in _GROUND]
        files += [file for room in _ROOMS for file in _PACKAGE.glob(f"{room}/**/*.py")]
        found |= {f"{ENDPOINT}/recoseg_hf/{file.relative_to(_PACKAGE).as_posix()}": file for file in files}
    return dict(sorted(found.items()))


def copy_code(folder: Path, endpoint: bool = True) -> None:
    """Copy the code into a folder."""
    for name, file in code_files(endpoint).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, folder / name)
