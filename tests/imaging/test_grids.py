import numpy as np
import pytest

from recoseg_hf.imaging import grids
from tests import factories


def ramp(shape, matrix):
    """Image whose value is a linear function of the position in mm, which linear interpolation must reproduce."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    world = index @ matrix[:3, :3].T + matrix[:3, 3]
    return (world @ [1.0, 2.0, -3.0] + 100).astype(np.float32)


def rotation(degrees):
    angle = np.deg2rad(degrees)
    matrix = np.eye(4)
    matrix[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    return matrix


class TestDistance:
    def test_shift(self):
        assert grids.grid_distance((5, 5, 5), np.eye(4), factories.affine(origin=(3, 4, 0))) == pytest.approx(5)

    def test_spacing_counts_at_the_far_corner(self):
        other = factories.affine(spacing=(1.1, 1, 1))
        assert grids.grid_distance((11, 5, 5), np.eye(4), other) == pytest.approx(1.0)


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "PIR", "SAL", "AIL"])
class TestAxisOrder:
    def test_ras_and_back(self, orientation):
        data, matrix = factories.intensities(), factories.affine(orientation, origin=(5, -6, 7))
        ras, ras_affine = grids.to_ras(data, matrix)
        np.testing.assert_allclose(ras_affine[:3, :3], np.eye(3))
        np.testing.assert_array_equal(grids.from_ras(ras, matrix), data)

    def test_every_voxel_keeps_its_place(self, orientation):
        matrix = factories.affine(orientation, origin=(5, -6, 7))
        data, ras_affine = grids.to_ras(ramp((4, 5, 6), matrix), matrix)
        np.testing.assert_allclose(data, ramp(data.shape, ras_affine), atol=1e-4)

    def test_grid_alone_gives_the_same(self, orientation):
        data, matrix = factories.intensities(), factories.affine(orientation)
        shape, affine = grids.ras_grid(data.shape, matrix)
        ras, ras_affine = grids.to_ras(data, matrix)
        assert shape == ras.shape
        np.testing.assert_array_equal(affine, ras_affine)


class TestCoveringGrid:
    def test_covers_the_outer_edges(self):
        shape, affine = grids.covering_grid((10, 10, 5), factories.affine(spacing=(0.5, 2, 3), origin=(1, 2, 3)), 1.0)
        assert shape == (5, 20, 15)
        # Edges of the source: 0.75 to 5.75, 1 to 21, 1.5 to 16.5 mm; half a voxel inside lie the first centres.
        np.testing.assert_allclose(affine[:3, 3], [1.25, 1.5, 2.0])

    def test_rotated_corners_are_inside(self):
        matrix = rotation(30)
        shape, affine = grids.covering_grid((20, 10, 5), matrix, 1.0)
        corners = np.array([[x, y, z, 1] for x in (-0.5, 19.5) for y in (-0.5, 9.5) for z in (-0.5, 4.5)])
        index = (np.linalg.inv(affine) @ matrix @ corners.T)[:3].T
        assert (index >= -0.5 - 1e-6).all()
        assert (index <= np.array(shape) - 0.5 + 1e-6).all()

    def test_too_large(self):
        with pytest.raises(ValueError, match=r"1 mm grid over .* exceeds 134,217,728 voxels"):
            grids.covering_grid((200, 200, 200), factories.affine(spacing=(10, 10, 10)), 1.0)


class TestResample:
    @pytest.mark.parametrize("source", [factories.affine("PIR", (2, 1.5, 3), (4, 5, 6)), rotation(20)])
    def test_a_linear_image_is_reproduced(self, source):
        data = ramp((16, 14, 12), source)
        target = source @ factories.affine(spacing=(0.7, 0.9, 0.8), origin=(3.3, 2.2, 4.4))
        result = grids.resample(data, source, (9, 8, 7), target, "linear")
        np.testing.assert_allclose(result, ramp((9, 8, 7), target), atol=1e-3)

    def test_thin_slabs_change_nothing(self, monkeypatch):
        data, target = factories.intensities(), factories.affine(spacing=(0.6, 0.7, 0.8))
        whole = grids.resample(data, np.eye(4), (15, 12, 9), target, "linear")
        monkeypatch.setattr(grids, "_SLAB_VOXELS", 1)
        sliced = grids.resample(data, np.eye(4), (15, 12, 9), target, "linear")
        np.testing.assert_allclose(sliced, whole, atol=1e-3)

    def test_zero_outside_and_edge_value_in_the_outer_half_voxel(self):
        data = np.full((4, 4, 4), 7, dtype=np.float32)
        target = factories.affine(spacing=(0.25, 1, 1), origin=(-1, 0, 0))
        line = grids.resample(data, np.eye(4), (20, 1, 1), target, "linear")[:, 0, 0]
        np.testing.assert_allclose(line, [0] * 2 + [7] * 17 + [0], atol=1e-5)

    def test_nearest_invents_no_label(self):
        labels = factories.labels()
        result = grids.resample(labels, np.eye(4), (30, 25, 20), factories.affine(spacing=(0.4, 0.4, 0.4)), "nearest")
        assert set(np.unique(result)) == {0, 1, 2, 4}

    def test_nearest_breaks_ties_alike(self):
        # Halving the resolution puts every target centre midway between two voxels.
        labels = np.arange(16, dtype=np.float32).reshape(16, 1, 1)
        target = factories.affine(spacing=(2, 1, 1), origin=(0.5, 0, 0))
        result = grids.resample(labels, np.eye(4), (8, 1, 1), target, "nearest")[:, 0, 0]
        np.testing.assert_array_equal(result, np.arange(0, 16, 2))

    def test_antialiasing_averages_what_the_coarse_grid_cannot_hold(self):
        stripes = np.zeros((64, 8, 8), dtype=np.float32)
        stripes[::2] = 100  # finer than a 2 mm grid can show: sampled as it is, its centres would see only one colour
        target = factories.affine(spacing=(2, 1, 1))
        aliased = grids.resample(stripes, np.eye(4), (32, 8, 8), target, "linear")
        smooth = grids.resample(stripes, np.eye(4), (32, 8, 8), target, "linear", antialias=True)
        assert (aliased == 100).all()
        np.testing.assert_allclose(smooth[2:-2], 50, atol=10)
        assert np.ptp(smooth[2:-2, 4, 4]) < 1e-3

    def test_antialiasing_leaves_other_axes_and_constants_alone(self):
        data = ramp((24, 6, 6), np.eye(4))
        target = factories.affine(spacing=(3, 1, 1))
        result = grids.resample(data, np.eye(4), (8, 6, 6), target, "linear", antialias=True)
        np.testing.assert_allclose(result[2:-2], ramp((8, 6, 6), target)[2:-2], atol=1e-2)
