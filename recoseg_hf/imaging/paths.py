"""What stands at a path: checks made before a file is taken for an image, and the finding of image files."""

from __future__ import annotations

import contextlib
from pathlib import Path

from recoseg_hf.errors import InputError

IMAGE_SUFFIXES = (".nii", ".nii.gz")
_EXPECTED = "a NIfTI file (.nii or .nii.gz)"
DICOM_REMEDY = "Convert the DICOM series with dcm2niix and give the result."
_AT_MOST_LISTED = 12

# (offset, first bytes, what that is, remedy): files that are often given in place of an image.
_FOREIGN = (
    (0, b"version https://git-lfs", "it is a Git LFS pointer, not the file itself", "Run `git lfs pull`."),
    (0, b"<", "it is a web page or XML text", "The download failed, perhaps for want of a login: fetch it again."),
    (128, b"DICM", "it is a DICOM file", "Convert the series with dcm2niix."),
    (0, b"PK\x03\x04", "it is a zip archive", "Unpack it and give the NIfTI file inside."),
    (0, b"NRRD", "it is an NRRD file", "Convert it to NIfTI."),
)


def check_is_image_file(path: Path) -> None:
    """Check that a path leads to a file that may hold an image.

    Raises:
        InputError: nothing is there, it is no regular file or may not be read, it is empty, or its first bytes are
            those of something else.
    """
    try:
        if path.is_dir():
            raise InputError(path, f"it is a folder; {listing(path)}", _EXPECTED, _folder_remedy(path))
        if not path.exists():
            raise InputError(path, "no such file", _EXPECTED, f"Check the path: {listing(path.parent)}.")
        if not path.is_file():  # a pipe would be waited for, and a device has no end
            raise InputError(path, "it is no regular file", _EXPECTED, "Write it to a file first.")
        with open(path, "rb") as stream:
            head = stream.read(256)
    except OSError as error:
        raise unreadable(path, error) from error
    check_is_image(path, head)


def unreadable(path: Path, error: OSError) -> InputError:
    """Return what to tell of a file that the system will not have read."""
    if isinstance(error, PermissionError):
        return InputError(path, "it may not be read", "a readable file", "Check its permissions.")
    found = f"it cannot be read ({error.strerror or error})"
    return InputError(path, found, "a readable file", "Check the path, and the disk or network it is on.")


def listing(folder: Path) -> str:
    """Say in a clause what a folder holds, for an error message."""
    if not folder.is_dir():
        return f"the folder {folder} does not exist"
    names = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith("."))
    if not names:
        return "the folder is empty"
    more = f" and {len(names) - _AT_MOST_LISTED} more" if len(names) > _AT_MOST_LISTED else ""
    return f"the folder holds {', '.join(names[:_AT_MOST_LISTED])}{more}"


def image_files(folder: Path) -> list[Path]:
    """Return the NIfTI files directly inside a folder, by name; hidden ones (macOS leaves `._*` files) left out."""
    return sorted(entry for entry in folder.iterdir() if is_image_name(entry.name) and entry.is_file())


def is_image_name(name: str) -> bool:
    """Say whether a file's name is that of a NIfTI file, and not of a hidden one."""
    return name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith(".")


def image_stem(path: Path) -> str:
    """Return a file's name without `.nii` or `.nii.gz`."""
    name = path.name
    for suffix in reversed(IMAGE_SUFFIXES):
        if name.lower().endswith(suffix):
            return name[: -len(suffix)]
    return path.stem


def check_is_image(name: str | Path, head: bytes) -> None:
    """Check that a file's first 256 bytes may be those of an image.

    Raises:
        InputError: naming `name`, they are none, or those of something else.
    """
    if not head:
        raise InputError(name, "the file is empty", _EXPECTED, "Copy or download it again.")
    for offset, magic, found, remedy in _FOREIGN:
        if head[offset:].startswith(magic):
            raise InputError(name, found, _EXPECTED, remedy)


def holds_dicom(folder: Path) -> bool:
    """Say whether a folder has a DICOM series, by names or by the first bytes of one of its files."""
    files = sorted(entry for entry in folder.iterdir() if entry.is_file())
    return any(file.suffix.lower() in (".dcm", ".ima") for file in files) or any(map(_is_dicom, files[:3]))


def _is_dicom(file: Path) -> bool:
    with contextlib.suppress(OSError), open(file, "rb") as stream:
        return stream.read(132)[128:] == b"DICM"
    return False


def _folder_remedy(folder: Path) -> str:
    return DICOM_REMEDY if holds_dicom(folder) else "Give one of its files."
