import numpy as np
import pytest

from recoseg_hf.errors import InputError
from recoseg_hf.imaging.voxels import as_labels, check_intensities
from tests import factories


class TestIntensities:
    def test_good_volume_passes(self):
        check_intensities("t1.nii", factories.intensities())

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    def test_count_and_first_index_of_what_is_not_finite(self, value):
        data = factories.intensities()
        data[3, 4, 5] = data[7, 0, 0] = value
        with pytest.raises(InputError, match=r"t1.nii: 2 voxels are NaN or infinite, the first at index \(3, 4, 5\)"):
            check_intensities("t1.nii", data)

    @pytest.mark.parametrize("value", [0, 7.5])
    def test_constant_volume(self, value):
        with pytest.raises(InputError, match=f"every voxel is {value:g}; expected an MRI volume with contrast"):
            check_intensities("t1.nii", np.full((4, 4, 4), value, dtype=np.float32))


class TestLabels:
    @pytest.mark.parametrize("values", [(), (1, 2, 4), (1, 2, 3), (2,)])
    def test_both_schemes_and_empty_masks(self, values):
        labels = factories.labels(values=values)
        result = as_labels("seg.nii", labels.astype(np.float32))
        np.testing.assert_array_equal(result, labels)
        assert result.dtype == np.uint8

    def test_rounding_of_scaled_floats_is_undone(self):
        data = factories.labels().astype(np.float32) * np.float32(1.0000001)
        np.testing.assert_array_equal(as_labels("seg.nii", data), factories.labels())

    @pytest.mark.parametrize(
        ("value", "match"),
        [
            (2.5, r"1 voxel lies between labels \(the first is 2.5\).*nearest neighbour"),
            (7, r"unknown labels 7 \(1 voxel\).*Map the file"),
            (-1, r"unknown labels -1 \(1 voxel\)"),
            (255, r"unknown labels 255 \(1 voxel\)"),
            (3, "labels 3 and 4 both occur"),
            (np.nan, "1 voxel is NaN"),
        ],
    )
    def test_others_are_refused(self, value, match):
        data = factories.labels().astype(np.float32)
        data[0, 0, 0] = value
        with pytest.raises(InputError, match=match):
            as_labels("seg.nii", data)

    def test_many_unknown_labels_are_cut_short(self):
        with pytest.raises(InputError, match=r"unknown labels 10 .*, 14 \(1 voxel\) and 15 more"):
            as_labels("seg.nii", np.arange(10, 30, dtype=np.float32).reshape(4, 5, 1))
