"""What a NIfTI header says, and the checks it must pass before a voxel is read.

The checks are a table: to add one, write a function that returns a `Problem` or None and name it in `_CHECKS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import nibabel as nib
import numpy as np
from nibabel.spatialimages import HeaderDataError

from recoseg_hf.errors import InputError
from recoseg_hf.files import MAX_DECOMPRESSED_BYTES, MAX_VOXELS
from recoseg_hf.imaging.grids import grid_distance
from recoseg_hf.imaging.qforms import read_qform, rounding_mm

_FORMS_WARN_MM = 1e-3
_FORMS_TOLERANCE_MM = 1.0
_LONGEST_EXTENSIONS = 2**24  # bytes between header and voxels, where programs keep text
_ONE_FORM = "python -c \"import nibabel as n; i = n.load('IN.nii.gz'); i.set_qform(None, 0); n.save(i, 'OUT.nii.gz')\""
_FARTHEST_MM = 1e6  # of voxel 0 from the origin: beyond it float32 tells no tenth of a millimetre
_SPACING_MM = (0.05, 20.0)  # narrower or wider than any MRI of a head: a header in metres or micrometres


@dataclass(frozen=True)
class Geometry:
    """The part of a NIfTI header that we use.

    Attributes:
        stored_shape: as declared, (I, J, K), or with further axes of length one.
        dtype: of the stored numbers, byte order included.
        header_bytes: length of the header itself, 348 or 540.
        offset: of the first voxel in the decompressed file, in bytes.
        slope: intensity = stored * slope + intercept; 1 where the header gives none (0, NaN or infinite).
        intercept: see `slope`.
        affine: float64 (4, 4), voxel index to mm in RAS+ world coordinates.
        has_orientation: whether the header says where left and right are (sform or qform code above 0).
        pixdim: voxel spacing in mm that the header gives beside the affine.
        disagreement: by how many mm sform and qform place a voxel apart at most; 0 without two to compare.
        rounding: how much of this single precision may explain, in mm.
        qform_trouble: what is wrong with the qform, as a clause; "" where nothing is.
    """

    stored_shape: tuple[int, ...]
    dtype: np.dtype
    header_bytes: int
    offset: int
    slope: float
    intercept: float
    affine: np.ndarray
    has_orientation: bool
    pixdim: tuple[float, ...]
    disagreement: float
    rounding: float = 0.0
    qform_trouble: str = ""

    @classmethod
    def of_array(cls, shape: tuple[int, ...], affine: np.ndarray) -> Geometry:
        """What the header of a float32 file would say of an array that comes without one."""
        spacing = tuple(np.linalg.norm(affine[:3, :3], axis=0).tolist())
        return cls(shape, np.dtype(np.float32), 348, 352, 1.0, 0.0, affine, True, spacing, 0.0)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape without further axes of length one."""
        return self.stored_shape[:3]

    @property
    def voxel_bytes(self) -> int:
        """Bytes that the voxels take."""
        return math.prod(self.stored_shape) * self.dtype.itemsize

    @property
    def end(self) -> int:
        """Bytes up to the end of the last voxel."""
        return self.offset + self.voxel_bytes

    @property
    def forms_differ(self) -> bool:
        """Whether sform and qform lie farther apart than rounding explains."""
        return self.disagreement > max(_FORMS_WARN_MM, self.rounding)


class Problem(NamedTuple):
    """A check that failed, in the words of an `InputError`."""

    found: str
    expected: str
    remedy: str


def read_geometry(path: str | Path, head: bytes) -> Geometry:
    """Understand and check the first bytes of a decompressed NIfTI file.

    Args:
        path: named in errors.
        head: the header, or all of a shorter file; more does no harm.

    Raises:
        InputError: it is no NIfTI header, or a check failed.
    """
    kind = _header_class(path, head)
    try:
        geometry = _geometry(kind(head[: kind.sizeof_hdr], check=False))
    except (HeaderDataError, ValueError, OverflowError, KeyError, np.linalg.LinAlgError) as error:
        found = f"its header cannot be understood ({error})"
        raise InputError(path, found, "a valid NIfTI header", "Convert the original scan again.") from error
    check_geometry(path, geometry)
    return geometry


def check_geometry(name: str | Path, geometry: Geometry) -> None:
    """Hold a volume's grid and type to the limits of a file, wherever they come from.

    Raises:
        InputError: naming `name`, for the first check that failed.
    """
    for check in _CHECKS:
        if problem := check(geometry):
            raise InputError(name, *problem)


def _header_class(path: str | Path, head: bytes) -> type[nib.Nifti1Header]:
    for kind in (nib.Nifti1Header, nib.Nifti2Header):
        if len(head) >= kind.sizeof_hdr and kind.may_contain_header(head):
            if kind is nib.Nifti1Header and head[344:347] != b"n+1":
                break
            return kind
    raise InputError(
        path,
        f"it does not begin with a NIfTI header but with {head[:8]!r}",
        "a single-file NIfTI-1 or NIfTI-2 volume",
        "Convert the scan with dcm2niix, or save it anew as .nii.gz.",
    )


def _geometry(header: nib.Nifti1Header) -> Geometry:
    slope, intercept = header.get_slope_inter()
    shape = tuple(int(n) for n in header.get_data_shape())
    with np.errstate(all="ignore"):
        sform, _ = header.get_sform(coded=True)
        qform, trouble = read_qform(header)
        affine = next((form for form in (sform, qform) if form is not None), None)
        if affine is None and trouble:
            raise HeaderDataError(f"{trouble}, and there is no sform")
        # A qform that is not whole says nothing against the sform.
        both = sform is not None and qform is not None and not trouble and len(shape) >= 3
        disagreement = grid_distance(shape[:3], sform, qform) if both else 0.0
        rounding = rounding_mm(header, shape[:3], sform) if both else 0.0
    return Geometry(
        stored_shape=shape,
        dtype=header.get_data_dtype(),
        header_bytes=header.sizeof_hdr,
        offset=int(header.get_data_offset()),
        slope=1.0 if slope is None else slope,
        intercept=0.0 if intercept is None else intercept,
        affine=np.asarray(header.get_base_affine() if affine is None else affine, dtype=np.float64),
        has_orientation=bool(header["sform_code"] > 0 or header["qform_code"] > 0),
        pixdim=tuple(float(size) for size in header["pixdim"][1:4]),
        disagreement=disagreement,
        rounding=rounding,
        qform_trouble=trouble,
    )


def _check_dimensions(geometry: Geometry) -> Problem | None:
    shape = geometry.stored_shape
    if len(shape) < 3 or any(size != 1 for size in shape[4:]):
        return Problem(f"it is {len(shape)}D (shape {_times(shape)})", "one 3D volume", "Give the whole 3D scan.")
    if len(shape) > 3 and shape[3] > 1:
        found = f"it is 4D and holds {shape[3]} volumes (shape {_times(shape)})"
        return Problem(found, "one 3D volume", "Split it and give the volume you mean.")
    return None


def _check_size(geometry: Geometry) -> Problem | None:
    shape = geometry.stored_shape
    if min(shape) < 1:
        return Problem(f"it holds no voxels (shape {_times(shape)})", "at least one voxel", "Export the scan again.")
    voxels = math.prod(shape)
    if voxels > MAX_VOXELS:
        found = f"its header declares {voxels:,} voxels ({_times(shape)})"
        return Problem(found, f"at most {MAX_VOXELS:,}", "Crop it to the head, or check where the file comes from.")
    return None


def _check_dtype(geometry: Geometry) -> Problem | None:
    if geometry.dtype.kind in "iuf":
        return None
    kind = {"c": "complex", "V": "colour (RGB)"}.get(geometry.dtype.kind, str(geometry.dtype))
    return Problem(f"its voxels are {kind} values", "one real number per voxel", "Export the magnitude image.")


def _check_bytes(geometry: Geometry) -> Problem | None:
    if geometry.offset < geometry.header_bytes:  # 0, say: the header's own bytes would be taken for voxels
        found = f"its header says that the voxels start at byte {geometry.offset}, inside the header"
        return Problem(found, f"{geometry.header_bytes} or more", "Export the scan again.")
    if geometry.offset - geometry.header_bytes > _LONGEST_EXTENSIONS:
        found = f"its header says that the voxels start at byte {geometry.offset:,}"
        return Problem(found, f"at most {_LONGEST_EXTENSIONS:,} bytes before them", "Export the scan again.")
    if geometry.end > MAX_DECOMPRESSED_BYTES:
        found = f"its header declares {geometry.end:,} bytes"
        return Problem(found, f"at most {MAX_DECOMPRESSED_BYTES:,}", "Crop it, or save it as float32 or int16.")
    return None


def _check_affine_finite(geometry: Geometry) -> Problem | None:
    if not np.isfinite(geometry.affine).all():
        return Problem("its affine holds NaN or infinity", "a finite affine", "Convert the original scan again.")
    if not np.isfinite(geometry.pixdim).all():
        found = "its voxel spacing (pixdim) holds NaN or infinity"
        return Problem(found, "finite numbers", "Convert the original scan again.")
    farthest = float(np.abs(geometry.affine[:3, 3]).max())
    if farthest > _FARTHEST_MM:
        found = f"its affine puts the first voxel {farthest:g} mm from the origin"
        return Problem(found, f"at most {_FARTHEST_MM:g} mm", "Convert the original scan again.")
    return None


def _check_has_orientation(geometry: Geometry) -> Problem | None:
    if geometry.has_orientation:
        return None
    return Problem(
        "its sform and qform codes are both 0, so left and right are not known",
        "an orientation in the header",
        "Convert the original scan again, or set the sform with a tool that knows how it was acquired.",
    )


def _check_forms_agree(geometry: Geometry) -> Problem | None:
    if geometry.disagreement <= max(_FORMS_TOLERANCE_MM, geometry.rounding):
        return None
    codes = "".join(nib.aff2axcodes(geometry.affine))
    return Problem(
        f"its sform and qform place a voxel {geometry.disagreement:.3g} mm apart (the sform, which is used first, "
        f"says {codes})",
        "one position for each voxel",
        "Find out which of them is right, and set the code of the other one to 0. Coregister: Estimate of SPM, say, "
        f"may move the sform alone. If it is right: {_ONE_FORM}. If the qform is: the same with set_sform.",
    )


def _check_spacing(geometry: Geometry) -> Problem | None:
    spacing = np.linalg.norm(geometry.affine[:3, :3], axis=0)
    low, high = _SPACING_MM
    if (spacing >= low).all() and (spacing <= high).all():
        return None
    found = f"its affine gives a voxel spacing of {_times([f'{mm:g}' for mm in spacing])} mm"
    return Problem(found, f"{low:g} to {high:g} mm", "Convert the original scan again; NIfTI counts in millimetres.")


def _check_affine_regular(geometry: Geometry) -> Problem | None:
    axes = geometry.affine[:3, :3] / np.linalg.norm(geometry.affine[:3, :3], axis=0)
    # The determinant of the unit axes is the volume they span: 1 at right angles, 0 when they lie in one plane.
    if abs(np.linalg.det(axes)) > 1e-3:
        return None
    return Problem("its affine is singular: its axes lie in one plane", "three axes", "Convert the scan again.")


def _times(shape: tuple | list) -> str:
    return " x ".join(str(n) for n in shape)


_CHECKS: tuple[Callable[[Geometry], Problem | None], ...] = (
    _check_dimensions,
    _check_size,
    _check_dtype,
    _check_bytes,
    _check_affine_finite,
    _check_has_orientation,
    _check_spacing,
    _check_affine_regular,
    _check_forms_agree,
)
