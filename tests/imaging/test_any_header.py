"""Whatever a header says, reading ends in a volume that keeps its promises or in an InputError."""

import nibabel as nib
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recoseg_hf.errors import InputError
from recoseg_hf.imaging.volume import read_volume, to_canonical
from tests import factories

FIELDS = nib.Nifti1Header().template_dtype
NAMES = [
    "sizeof_hdr", "dim", "datatype", "bitpix", "pixdim", "vox_offset", "scl_slope", "scl_inter", "xyzt_units",
    "qform_code", "sform_code", "quatern_b", "quatern_c", "quatern_d", "qoffset_x", "srow_x", "srow_y", "srow_z",
    "magic",
]  # fmt: skip


@st.composite
def damage(draw):
    """A header field and other bytes for it: random ones, or one number of it set to a hard value."""
    name = draw(st.sampled_from(NAMES))
    kind, shape = FIELDS[name].base, FIELDS[name].shape
    size = FIELDS[name].itemsize
    if kind.kind not in "if" or draw(st.booleans()):
        return name, draw(st.binary(min_size=size, max_size=size))
    hard = [0, 1, -1, 2, 3, 7, 127] + ([np.nan, np.inf, 1e-30, 1e30] if kind.kind == "f" else [])
    values = np.frombuffer(bytes(factories.raw_bytes()[:348]), FIELDS)[name].copy().reshape(-1)
    values[draw(st.integers(0, max(0, int(np.prod(shape)) - 1)))] = draw(st.sampled_from(hard))
    return name, values.tobytes()


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(damage(), min_size=1, max_size=3))
def test_a_volume_or_an_input_error(tmp_path, damages):
    content = factories.raw_bytes()
    for name, replacement in damages:
        start = FIELDS.fields[name][1]
        content[start : start + len(replacement)] = replacement
    path = factories.write_bytes(tmp_path / "x.nii", content)
    try:
        scan = read_volume(path)
        canonical = to_canonical(scan, spacing=4.0)
    except InputError:
        return
    assert scan.data.ndim == 3
    assert scan.data.dtype == np.float32
    assert np.isfinite(scan.data).all()
    assert np.isfinite(scan.affine).all()
    assert canonical.orientation == "RAS"
