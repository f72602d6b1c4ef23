"""The qform of a NIfTI header, a rotation kept as three numbers of a quaternion: read as the standard's code does."""

from __future__ import annotations

import math

import nibabel as nib
import numpy as np

_FLOAT32 = float(np.finfo(np.float32).eps)
_ROUNDED = 6 * _FLOAT32  # by which rounding may change a quaternion's squared length
_LONGEST = 1.001  # beyond, the quaternion is no rotation that was rounded


def read_qform(header: nib.Nifti1Header) -> tuple[np.ndarray | None, str]:
    """Read a qform that files in use have: qfac 0 is 1, spacing is positive, a quaternion has length 1 at most.

    `nifti1_io.c` takes these as they are meant too; nibabel does so on loading, a long quaternion apart.

    Args:
        header: not checked.

    Returns:
        The affine, float64 (4, 4), None where the header has no qform or none that can be read, and a clause that says
        what is wrong with it, else "".
    """
    if header["qform_code"] <= 0:
        return None, ""
    quaternion = np.array([float(header[f"quatern_{axis}"]) for axis in "bcd"])
    offset = [float(header[f"qoffset_{axis}"]) for axis in "xyz"]
    if not np.isfinite([*quaternion, *offset, *header["pixdim"][1:4]]).all():
        return None, "its qform holds NaN or infinity"
    length = float(np.linalg.norm(quaternion))
    trouble = f"the quaternion of its qform has length {length:.6g}" if length**2 > 1 + _ROUNDED else ""
    if length > _LONGEST:
        return None, trouble
    return _meant(header, quaternion / max(length, 1.0)).get_qform(), trouble


def rounding_mm(header: nib.Nifti1Header, shape: tuple[int, ...], affine: np.ndarray) -> float:
    """Return by how many mm single precision alone may move a voxel between a header's sform and its qform.

    The quaternion's real part is the root of what the other three leave of 1. Where these leave next to nothing, as
    for scans that are nearly LPS, their error of 1e-7 becomes one of 1e-3 in it, and of half a millimetre over a head.

    Args:
        header: whose qform could be read.
        shape: (I, J, K).
        affine: of the header's sform.
    """
    square = sum(float(header[f"quatern_{axis}"]) ** 2 for axis in "bcd")
    rest = max(0.0, 1.0 - square)
    real = math.sqrt(rest) if rest >= header.quaternion_threshold else 0.0  # as it is read
    error = max(math.sqrt(rest + _ROUNDED) - real, real - math.sqrt(max(0.0, rest - _ROUNDED)))
    extent = float(np.linalg.norm(np.linalg.norm(affine[:3, :3], axis=0) * (np.array(shape) - 1)))
    # A quaternion turns by twice its angle; the forms' own numbers are rounded too.
    return 2 * (error + _ROUNDED) * extent + 4 * _FLOAT32 * (extent + float(np.linalg.norm(affine[:3, 3])))


def _meant(header: nib.Nifti1Header, quaternion: np.ndarray) -> nib.Nifti1Header:
    """Return a header with those numbers of the qform that nibabel takes."""
    header = header.copy()
    header["pixdim"][0] = -1 if header["pixdim"][0] < 0 else 1
    header["pixdim"][1:4] = np.abs(header["pixdim"][1:4])
    for axis, number in zip("bcd", quaternion, strict=True):
        header[f"quatern_{axis}"] = number
    return header
