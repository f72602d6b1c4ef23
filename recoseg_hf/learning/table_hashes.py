"""Hashes of a prepared data set's files: a flipped bit in a slice would be learnt in silence."""

from pathlib import Path

from recoseg_hf.errors import InputError
from recoseg_hf.files import sha256_file, write_json
from recoseg_hf.json_files import read_json

HASHES = "recoseg_hashes.json"


def write_hashes(folder: Path) -> None:
    """Write the SHA-256 of every Arrow file under a data set's folder beside its manifest."""
    files = {file.relative_to(folder).as_posix(): sha256_file(file) for file in sorted(folder.rglob("*.arrow"))}
    write_json(folder / HASHES, files)


def check_hashes(folder: Path) -> None:
    """Compare the Arrow files with their hashes; a data set of an earlier version has none, and passes.

    Raises:
        InputError: a file is missing or has changed.
    """
    if not (folder / HASHES).is_file():
        return
    remedy = "Make the data set anew (`recoseg prepare`, then training/cache_residuals.py), or copy it again."
    hashes = read_json(folder / HASHES, "the SHA-256 of each Arrow file", remedy, {"*": str})
    for name, digest in hashes.items():
        file = folder / name
        if not file.is_file():
            raise InputError(file, "no such file", f"what {HASHES} lists", remedy)
        if sha256_file(file) != digest:
            raise InputError(file, "it has changed since it was made", f"the SHA-256 of {HASHES}", remedy)
