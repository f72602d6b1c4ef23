import numpy as np
import pytest

from recoseg_hf.errors import InputError
from recoseg_hf.imaging.nifti import read_nifti
from tests import factories

DATA = factories.intensities()


def refused(path, match):
    with pytest.raises(InputError, match=match) as caught:
        read_nifti(path)
    assert caught.value.file == path


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (DATA[:, :, 0], r"it is 2D \(shape 12 x 10\); expected one 3D volume"),
        (np.stack([DATA, DATA], axis=-1), r"it is 4D and holds 2 volumes \(shape 12 x 10 x 8 x 2\).*Split it"),
        (DATA[..., None, None].repeat(3, axis=4), "it is 5D"),
        (DATA.astype(np.complex64), "its voxels are complex values.*magnitude"),
        (np.zeros((4, 4, 4), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")]), r"colour \(RGB\)"),
    ],
)
def test_not_one_real_3d_volume(tmp_path, data, match):
    refused(factories.save(tmp_path / "x.nii.gz", data), match)


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"dim": [7, 12, 10, 8, 1, 1, 1, 2]}, r"it is 7D \(shape 12 x 10 x 8 x 1 x 1 x 1 x 2\)"),
        ({"dim": [2, 12, 10, 1, 1, 1, 1, 1]}, "it is 2D"),
        ({"dim": [3, 32767, 32767, 32767, 1, 1, 1, 1]}, "declares 35,181,150,961,663 voxels.*at most 134,217,728"),
        ({"dim": [3, 512, 512, 512, 1, 1, 1, 1], "datatype": 64, "bitpix": 64}, "declares 1,073,742,176 bytes"),
        ({"dim": [3, 0, 10, 8, 1, 1, 1, 1]}, "holds no voxels"),
        ({"dim": [3, -5, 10, 8, 1, 1, 1, 1]}, "holds no voxels"),
        ({"datatype": 12345}, "header cannot be understood"),
        ({"scl_slope": 1, "scl_inter": np.nan}, "header cannot be understood .*invalid intercept"),
        ({"vox_offset": np.nan}, "header cannot be understood"),
        ({"vox_offset": -400}, "voxels start at byte -400"),
        ({"vox_offset": 348 + 2**24 + 4}, "voxels start at byte 16,777,568; expected at most 16,777,216 bytes before"),
        ({"sform_code": 0, "qform_code": 0}, "codes are both 0, so left and right are not known"),
        ({"srow_x": [0, 0, 0, 0], "srow_y": [0, 0, 0, 0], "srow_z": [0, 0, 0, 0]}, "voxel spacing of 0 x 0 x 0 mm"),
        ({"srow_x": [np.nan, 0, 0, 0]}, "its affine holds NaN or infinity"),
        ({"srow_x": [1, 0, 0, 1e30]}, r"first voxel 1e\+30 mm from the origin; expected at most 1e\+06 mm"),
        ({"srow_y": [1, 0, 0, 0]}, "voxel spacing of 1.41421 x 0 x 1 mm"),
        ({"srow_y": [0, 1, 1, 0], "srow_z": [0, 1, 1, 0]}, "its affine is singular"),
        ({"srow_x": [0.001, 0, 0, 0]}, "0.001 x 1 x 1 mm; expected 0.05 to 20 mm"),
        ({"srow_x": [1000, 0, 0, 0]}, "1000 x 1 x 1 mm"),
        ({"sform_code": 0, "qform_code": 1, "quatern_b": np.nan}, "NaN|cannot be understood"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz"])
def test_unusable_header(tmp_path, fields, match, name):
    refused(factories.write_bytes(tmp_path / name, factories.with_header(**fields)), match)
