"""Hashes of a prepared data set's files: a flipped bit in a slice would be learnt in silence."""

import contextlib
import time
from pathlib import Path

from recoseg_hf.errors import InputError
from recoseg_hf.files import sha256_file, write_json
from recoseg_hf.json_files import Form, read_json

HASHES = "recoseg_hashes.json"
CHECKED = ".recoseg_hashes_checked.json"
_FORM: Form = {"*": {"sha256": str, "size": int, "mtime_ns": int, "ctime_ns": int, "inode": int, "checked": float}}
_TRUSTED = 7 * 24 * 3600  # seconds: what rots on a disk changes no time stamp
_SETTLED = 2  # seconds: a file that was written so shortly before may be written again within the same tick


def write_hashes(folder: Path) -> None:
    """Write the SHA-256 of every Arrow file under a data set's folder beside its manifest."""
    files = {file.relative_to(folder).as_posix(): sha256_file(file) for file in sorted(folder.rglob("*.arrow"))}
    write_json(folder / HASHES, files)


def check_hashes(folder: Path) -> None:
    """Compare the Arrow files with their hashes; a data set of an earlier version has none, and passes.

    A file that was found good within the last week, and has since kept its size, time and inode, is not read again;
    this is remembered in the folder, where that can be written to.

    Raises:
        InputError: a file is missing or has changed.
    """
    if not (folder / HASHES).is_file():
        return
    remedy = "Make the data set anew (`recoseg prepare`, then training/cache_residuals.py), or copy it again."
    hashes = read_json(folder / HASHES, "the SHA-256 of each Arrow file", remedy, {"*": str})
    before, now = _remembered(folder), {}
    for name, digest in hashes.items():
        file = folder / name
        if not file.is_file():
            raise InputError(file, "no such file", f"what {HASHES} lists", remedy)
        now[name] = _state(file, digest)
        if _stands(before.get(name), now[name]):
            now[name] = before[name]
        elif sha256_file(file) != digest:
            raise InputError(file, "it has changed since it was made", f"the SHA-256 of {HASHES}", remedy)
    if now != before:
        _remember(folder, now)


def _state(file: Path, digest: str) -> dict[str, str | int | float]:
    """What tells whether a file is still the one that was read, taken before it is read."""
    found = file.stat()
    return {
        "sha256": digest,
        "size": found.st_size,
        "mtime_ns": found.st_mtime_ns,
        "ctime_ns": found.st_ctime_ns,  # which no copy and no program can put back
        "inode": found.st_ino,
        "checked": time.time(),
    }


def _stands(before: dict | None, now: dict) -> bool:
    if before is None or before | {"checked": now["checked"]} != now:
        return False
    return before["mtime_ns"] / 1e9 + _SETTLED < before["checked"] <= now["checked"] < before["checked"] + _TRUSTED


def _remembered(folder: Path) -> dict[str, dict]:
    if not (folder / CHECKED).is_file():
        return {}
    try:
        return read_json(folder / CHECKED, "when each Arrow file was checked", "Delete it.", _FORM)
    except InputError:  # nothing is lost with it but time
        return {}


def _remember(folder: Path, states: dict[str, dict]) -> None:
    with contextlib.suppress(OSError):  # data that others own
        write_json(folder / CHECKED, states)
