import nibabel as nib
import numpy as np
import pytest

from recoseg_hf.errors import InputError
from recoseg_hf.imaging.volume import (
    Volume,
    from_canonical,
    read_labels,
    read_volume,
    scan_to_canonical,
    to_canonical,
    write_volume,
)
from tests import factories

ORIENTATIONS = ["RAS", "LPS", "PIR", "SLA", "IAR"]


def volume(orientation="RAS", spacing=(1.0, 1.0, 1.0), origin=(0.0, 0.0, 0.0), shape=factories.SHAPE):
    return Volume(factories.intensities(shape), factories.affine(orientation, spacing, origin))


def turned(source, orientation):
    """The same scan stored with its axes in another order and direction."""
    image = nib.as_closest_canonical(nib.Nifti1Image(source.data, source.affine))
    ras = nib.orientations.axcodes2ornt("RAS")
    image = image.as_reoriented(nib.orientations.ornt_transform(ras, nib.orientations.axcodes2ornt(orientation)))
    return Volume(np.asarray(image.dataobj), image.affine)


class TestVolume:
    def test_facts_about_the_grid(self):
        scan = volume("LPS", (0.5, 2, 4))
        assert scan.shape == (12, 10, 8)
        assert scan.voxel_spacing == (0.5, 2.0, 4.0)
        assert scan.orientation == "LPS"
        assert scan.voxel_volume_ml == pytest.approx(0.004)

    @pytest.mark.parametrize(
        ("data", "match"),
        [
            (np.zeros((4, 4), np.float32), r"float32 of shape \(4, 4\); expected 3D"),
            (np.zeros((4, 4, 4)), r"float64 of shape \(4, 4, 4\); expected 3D float32 or uint8"),
        ],
    )
    def test_other_data_is_refused(self, data, match):
        with pytest.raises(ValueError, match=match):
            Volume(data, np.eye(4))

    def test_other_affine_is_refused(self):
        with pytest.raises(ValueError, match=r"shape \(3, 3\); expected \(4, 4\)"):
            Volume(factories.intensities(), np.eye(3))


class TestFiles:
    def test_round_trip(self, tmp_path):
        scan = volume("PIR", (0.5, 2, 4), (1, 2, 3))
        write_volume(tmp_path / "x.nii.gz", scan)
        again = read_volume(tmp_path / "x.nii.gz")
        np.testing.assert_array_equal(again.data, scan.data)
        np.testing.assert_allclose(again.affine, scan.affine)

    def test_labels_round_trip(self, tmp_path):
        mask = Volume(factories.labels(), factories.affine("LPS"))
        write_volume(tmp_path / "x.nii.gz", mask)
        again = read_labels(tmp_path / "x.nii.gz")
        np.testing.assert_array_equal(again.data, mask.data)
        assert again.data.dtype == np.uint8

    def test_stored_type_can_be_chosen(self, tmp_path):
        scan = Volume(np.rint(factories.intensities()), np.eye(4))
        write_volume(tmp_path / "x.nii", scan, dtype="int16")
        assert nib.load(tmp_path / "x.nii").get_data_dtype() == np.int16
        np.testing.assert_array_equal(read_volume(tmp_path / "x.nii").data, scan.data)

    @pytest.mark.filterwarnings("ignore:invalid value encountered in cast")
    @pytest.mark.parametrize("value", [0.5, 300, -1])
    def test_a_type_that_cannot_hold_the_values_is_refused(self, tmp_path, value):
        with pytest.raises(ValueError, match="the values do not fit uint8"):
            write_volume(tmp_path / "x.nii", Volume(np.full((3, 3, 3), value, np.float32), np.eye(4)), dtype=np.uint8)
        assert list(tmp_path.iterdir()) == []

    def test_nan_and_constant_scans_are_refused_but_an_empty_mask_is_fine(self, tmp_path):
        path = factories.save(tmp_path / "x.nii", np.zeros(factories.SHAPE, np.uint8))
        with pytest.raises(InputError, match=r"x\.nii: every voxel is 0"):
            read_volume(path)
        assert not read_labels(path).data.any()


class TestCanonicalExact:
    @pytest.mark.parametrize("orientation", ORIENTATIONS)
    def test_orientation_leaves_no_trace(self, orientation):
        scan = volume(origin=(10.25, -20, 30.5))
        canonical = to_canonical(turned(scan, orientation))
        np.testing.assert_array_equal(canonical.data, scan.data)
        np.testing.assert_allclose(canonical.affine, scan.affine)
        assert canonical.orientation == "RAS"
        assert canonical.data.flags.f_contiguous

    @pytest.mark.parametrize("orientation", ORIENTATIONS)
    def test_a_mask_comes_back_voxel_for_voxel(self, orientation):
        scan = turned(volume(origin=(10.25, -20, 30.5)), orientation)
        canonical = to_canonical(scan)
        mask = Volume((canonical.data > 250).astype(np.uint8), canonical.affine)
        back = from_canonical(mask, scan)
        np.testing.assert_array_equal(back.data, scan.data > 250)
        np.testing.assert_array_equal(back.affine, scan.affine)
        assert back.data.dtype == np.uint8

    def test_float32_noise_in_the_header_causes_no_interpolation(self):
        scan = volume(spacing=(1.0000001, 0.99999994, 1.0000002))
        np.testing.assert_array_equal(to_canonical(scan).data, scan.data)

    def test_other_spacings_can_be_canonical(self):
        scan = volume("LPS", (2, 2, 2))
        np.testing.assert_array_equal(to_canonical(scan, spacing=2.0).data, scan.data[::-1, ::-1])


class TestCanonicalResampled:
    @pytest.mark.parametrize("spacing", [(1, 1, 5), (0.5, 0.5, 0.5), (0.9, 0.9, 3)])
    @pytest.mark.parametrize("orientation", ["RAS", "PIR"])
    def test_position_is_kept(self, spacing, orientation):
        blob = np.zeros((40, 36, 30), np.float32)
        blob[10:30, 9:27, 8:22] = 100
        scan = Volume(blob, factories.affine(orientation, spacing, (7, -9, 11)))
        canonical = to_canonical(scan)
        assert canonical.voxel_spacing == (1.0, 1.0, 1.0)
        np.testing.assert_allclose(centre_of_mass(canonical), centre_of_mass(scan), atol=0.05)
        volumes = [v.data.sum() * v.voxel_volume_ml for v in (canonical, scan)]
        assert volumes[0] == pytest.approx(volumes[1], rel=0.03)

    def test_result_has_the_grid_of_the_source(self):
        scan = volume("PIL", (0.9, 1.1, 3), (5, 6, 7))
        back = from_canonical(to_canonical(scan), scan)
        assert back.shape == scan.shape
        np.testing.assert_array_equal(back.affine, scan.affine)

    def test_thick_slices_come_back_nearly_unchanged(self):
        rng = np.random.default_rng(0)
        scan = Volume(rng.uniform(100, 200, (12, 10, 6)).astype(np.float32), factories.affine("LPS", (1, 1, 5)))
        back = from_canonical(to_canonical(scan), scan)
        np.testing.assert_allclose(back.data, scan.data, atol=0.01)

    def test_oblique_block_of_labels_survives(self):
        labels = np.zeros((40, 40, 20), np.uint8)
        labels[10:30, 12:28, 5:15] = 4
        matrix = factories.affine("LPS")
        angle = np.deg2rad(12)
        matrix[:3, :3] = [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
        scan = Volume(labels, matrix)
        back = from_canonical(to_canonical(scan), scan).data
        dice = 2 * ((back == 4) & (labels == 4)).sum() / ((back == 4).sum() + (labels == 4).sum())
        assert set(np.unique(back)) == {0, 4}
        assert dice > 0.95

    def test_linear_labels_are_refused(self):
        mask = Volume(factories.labels(), np.eye(4))
        with pytest.raises(ValueError, match="would mix labels; expected order='nearest'"):
            to_canonical(mask, order="linear")

    def test_an_absurd_field_of_view_is_refused(self):
        scan = Volume(factories.intensities((60, 60, 60)), factories.affine(spacing=(20, 20, 20)))
        with pytest.raises(InputError, match=r"1 mm grid over .* exceeds .* voxels; expected the size of a head"):
            to_canonical(scan)


def centre_of_mass(scan):
    index = np.stack(np.meshgrid(*(np.arange(n) for n in scan.shape), indexing="ij"), axis=-1)
    centre = (index * scan.data[..., None]).sum(axis=(0, 1, 2)) / scan.data.sum()
    return scan.affine[:3, :3] @ centre + scan.affine[:3, 3]


def test_real_cases_read_at_their_own_size(brats_dir):
    path = next(iter(sorted(brats_dir.glob("*/*_flair.nii.gz"))))
    scan = read_volume(path)
    assert (scan.shape, scan.orientation, scan.voxel_spacing) == ((240, 240, 155), "LPS", (1.0, 1.0, 1.0))
    np.testing.assert_allclose(scan.data, nib.load(path).get_fdata(), rtol=1e-6)
    np.testing.assert_array_equal(from_canonical(to_canonical(scan), scan).data, scan.data)


class TestScanToCanonical:
    """A skull-stripped scan keeps its brain's size and its intensities, whatever grid it comes on."""

    @staticmethod
    def _ball(spacing: float, angle: float = 0.0) -> Volume:
        size = int(48 / spacing)
        places = (np.indices((size, size, size), dtype=np.float32) + 0.5) * spacing - 24
        distance = np.sqrt((places**2).sum(axis=0))
        data = np.where(distance < 18, 500 - 10 * distance, 0).astype(np.float32)
        cosine, sine = np.cos(angle), np.sin(angle)
        affine = np.diag([spacing, spacing, spacing, 1.0])
        affine[:2, :2] = spacing * np.array([[cosine, -sine], [sine, cosine]])
        return Volume(data, affine)

    @pytest.mark.parametrize(("spacing", "angle"), [(0.5, 0.0), (0.6, 0.0), (1.0, 0.2), (1.5, 0.0)])
    def test_brain_stays_as_large_and_as_bright(self, spacing, angle):
        native, found = self._ball(1.0), scan_to_canonical(self._ball(spacing, angle))
        brain, expected = found.data[found.data != 0], native.data[native.data != 0]
        assert brain.size == pytest.approx(expected.size, rel=0.03)
        assert np.percentile(brain, 1) == pytest.approx(np.percentile(expected, 1), rel=0.03)
        assert np.median(brain) == pytest.approx(np.median(expected), rel=0.03)

    def test_a_regular_scan_is_only_turned(self):
        native = self._ball(1.0)
        assert np.array_equal(scan_to_canonical(native).data, to_canonical(native).data)
