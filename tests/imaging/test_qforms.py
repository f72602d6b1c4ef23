"""Qforms as files in use have them: read as they are meant, and no reason to refuse a file whose sform decides."""

import nibabel as nib
import numpy as np
import pytest
from nibabel.quaternions import angle_axis2mat

from recoseg_hf.errors import InputError
from recoseg_hf.imaging.grids import grid_distance
from recoseg_hf.imaging.nifti import read_header, read_nifti
from recoseg_hf.imaging.qforms import read_qform, rounding_mm
from tests import factories

DATA = factories.intensities()
LPS = factories.affine("LPS")
HEAD = (240, 240, 155)


@pytest.fixture
def save(tmp_path):
    """Save a file of both forms, LPS with a quaternion of length 1, and overwrite fields of its header."""

    def saved(sform=LPS, qform=LPS, **fields):
        content = factories.raw_bytes(DATA, LPS)
        header = nib.Nifti1Header(bytes(content[:348]), check=False)
        header.set_qform(qform, 1)
        header.set_sform(LPS if sform is None else sform, 0 if sform is None else 1)
        for name, value in fields.items():
            header[name] = value
        content[:348] = header.binaryblock
        return factories.write_bytes(tmp_path / "x.nii", content)

    return saved


@pytest.mark.parametrize("sform", [LPS, None], ids=["both forms", "qform alone"])
@pytest.mark.parametrize(
    "fields",
    [
        {"pixdim": [0, 1, 1, 1, 0, 0, 0, 0]},
        {"pixdim": [1, -1, 1, 1, 0, 0, 0, 0]},
        {"pixdim": [1, -1, -1, -1, 0, 0, 0, 0]},
        {"quatern_d": 1.0000002},
    ],
    ids=["qfac of 0", "negative spacing", "all negative", "quaternion longer by rounding"],
)
def test_read_as_meant_and_without_a_doubt(save, sform, fields):
    path = save(sform, **fields)
    data, affine = read_nifti(path)
    np.testing.assert_array_equal(data, DATA)
    np.testing.assert_allclose(affine, LPS, atol=1e-6)
    geometry = read_header(path)
    assert (geometry.forms_differ, geometry.qform_trouble) == (False, "")


def test_qfac_of_minus_one_turns_the_third_axis(save):
    np.testing.assert_allclose(read_nifti(save(None, qform=factories.affine("LPI")))[1], factories.affine("LPI"))


@pytest.mark.parametrize(
    ("fields", "trouble"),
    [
        ({"quatern_d": 1.0005}, "the quaternion of its qform has length 1.0005"),
        ({"quatern_d": 2.0}, "the quaternion of its qform has length 2"),
        ({"quatern_b": np.nan}, "its qform holds NaN or infinity"),
        ({"qoffset_x": np.inf}, "its qform holds NaN or infinity"),
    ],
)
def test_a_good_sform_decides_and_the_qform_is_doubted(save, fields, trouble):
    path = save(factories.affine("RAS"), **fields)  # the qform, if it could be read, would lie elsewhere
    np.testing.assert_array_equal(read_nifti(path)[1], factories.affine("RAS"))
    assert read_header(path).qform_trouble == trouble


def test_a_quaternion_a_little_too_long_is_read_where_it_decides(save):
    path = save(None, quatern_d=1.0005)
    np.testing.assert_allclose(read_nifti(path)[1], LPS, atol=1e-6)
    assert read_header(path).qform_trouble == "the quaternion of its qform has length 1.0005"


def test_one_that_cannot_be_read_and_decides_is_named(save):
    found = r"cannot be understood \(the quaternion of its qform has length 2, and there is no sform\)"
    with pytest.raises(InputError, match=found):
        read_nifti(save(None, quatern_d=2.0))


def test_a_header_without_qform_code_is_not_asked_for_one(save):
    assert read_header(save(qform_code=0, quatern_d=np.nan)).qform_trouble == ""


def test_rounding_stays_within_its_bound_and_explains_half_a_millimetre():
    generator = np.random.default_rng(0)
    distances, bounds = [], []
    for _ in range(300):
        axis = np.array([0, 0, 1]) + generator.normal(size=3) * 10 ** generator.uniform(-6, 1)
        matrix = np.eye(4)
        matrix[:3, :3] = angle_axis2mat(np.pi - 10 ** generator.uniform(-6, 0), axis)
        matrix[:3, 3] = generator.uniform(-150, 150, 3)
        header = nib.Nifti1Header()
        header.set_sform(matrix, 1)
        header.set_qform(matrix, 1)
        distances.append(grid_distance(HEAD, header.get_sform(), read_qform(header)[0]))
        bounds.append(rounding_mm(header, HEAD, matrix))
    assert (np.array(distances) <= bounds).all()
    assert 0.2 < max(distances) < max(bounds) < 1
    assert min(bounds) < 2e-3  # and is no excuse where rounding does little


@pytest.mark.parametrize(("moved", "differ"), [(5e-4, False), (2e-3, True), (0.9, True)])
def test_between_a_thousandth_and_a_millimetre_is_doubted(save, moved, differ):
    straight = factories.affine("RAS")
    path = save(straight, factories.affine("RAS", origin=(moved, 0, 0)))
    np.testing.assert_array_equal(read_nifti(path)[1], straight)
    assert read_header(path).forms_differ == differ
