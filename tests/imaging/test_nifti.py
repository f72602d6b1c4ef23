import gzip
import os
import tracemalloc

import nibabel as nib
import numpy as np
import pytest
from nibabel.quaternions import angle_axis2mat

from recoseg_hf.errors import InputError
from recoseg_hf.imaging import nifti
from recoseg_hf.imaging.nifti import read_header, read_nifti, read_with_range, write_nifti
from tests import factories

DATA = factories.intensities()


def refused(path, match):
    """Read, and check that the error names the file and says what is wrong."""
    with pytest.raises(InputError, match=match) as caught:
        read_nifti(path)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


class TestGoodFiles:
    @pytest.mark.parametrize("dtype", ["uint8", "int16", ">i2", "uint16", "int32", "float32", ">f4", "float64"])
    def test_every_real_type_gives_the_same_values(self, tmp_path, dtype):
        values = np.rint(DATA / 2).astype(dtype)
        path = factories.save(tmp_path / "x.nii.gz", values)
        data, affine = read_nifti(path)
        np.testing.assert_array_equal(data, values.astype(np.float32))
        assert data.dtype == np.float32
        np.testing.assert_array_equal(affine, factories.affine())

    def test_slope_and_intercept_are_applied(self, tmp_path):
        image = nib.Nifti1Image(np.rint(DATA / 2).astype(np.uint8), factories.affine())
        image.header.set_slope_inter(2.5, -7)
        nib.save(image, tmp_path / "x.nii")
        stored = nib.load(tmp_path / "x.nii").dataobj.get_unscaled()
        np.testing.assert_allclose(read_nifti(tmp_path / "x.nii")[0], stored * 2.5 - 7, rtol=1e-6)

    @pytest.mark.parametrize("slope", [None, 2.5, -2.5])
    @pytest.mark.parametrize("dtype", ["uint8", "int16", ">i2", ">f4"])
    def test_the_range_is_that_of_all_pieces(self, tmp_path, monkeypatch, dtype, slope):
        monkeypatch.setattr(nifti, "_CHUNK", 64)
        image = nib.Nifti1Image(np.rint(DATA / 2).astype(dtype), factories.affine())
        image.header.set_slope_inter(slope, None if slope is None else -7)
        nib.save(image, tmp_path / "x.nii.gz")
        data, _, ends = read_with_range(tmp_path / "x.nii.gz")
        assert ends == (data.min(), data.max())
        assert ends[0] < ends[1]

    @pytest.mark.parametrize("place", [0, 700, -1])
    def test_the_range_is_no_number_where_a_voxel_is_none(self, tmp_path, monkeypatch, place):
        monkeypatch.setattr(nifti, "_CHUNK", 64)
        data = DATA.copy()
        data.ravel()[place] = np.nan
        assert np.isnan(read_with_range(factories.save(tmp_path / "x.nii", data))[2]).all()

    @pytest.mark.parametrize("slope", [0, np.nan, np.inf])
    def test_unusable_slope_means_no_scaling(self, tmp_path, slope):
        path = factories.write_bytes(tmp_path / "x.nii", factories.with_header(scl_slope=slope, scl_inter=3))
        np.testing.assert_array_equal(read_nifti(path)[0], DATA)

    def test_nifti2(self, tmp_path):
        nib.save(nib.Nifti2Image(DATA, factories.affine("LPS")), tmp_path / "x.nii.gz")
        data, affine = read_nifti(tmp_path / "x.nii.gz")
        np.testing.assert_array_equal(data, DATA)
        np.testing.assert_array_equal(affine, factories.affine("LPS"))

    def test_fourth_axis_of_one_is_dropped(self, tmp_path):
        np.testing.assert_array_equal(read_nifti(factories.save(tmp_path / "x.nii", DATA[..., None]))[0], DATA)

    @pytest.mark.parametrize("name", ["x.nii", "x.nii.gz"])
    @pytest.mark.parametrize("longer", [16, 2**20 + 192, 2**24 - 16])
    def test_extensions_before_the_voxels_are_passed_over(self, tmp_path, name, longer):
        content = factories.with_header(vox_offset=352 + longer)
        content[352:352] = b"text" * (longer // 4)
        np.testing.assert_array_equal(read_nifti(factories.write_bytes(tmp_path / name, content))[0], DATA)
        factories.write_bytes(tmp_path / name, content[:1000])
        refused(tmp_path / name, f"it ends after 1,000 of {len(content):,} bytes")

    def test_single_slice_is_a_volume(self, tmp_path):
        assert read_nifti(factories.save(tmp_path / "x.nii", DATA[:, :, 4:5]))[0].shape == (12, 10, 1)

    @pytest.mark.parametrize(("name", "compress"), [("x.nii", True), ("x.nii.gz", False), ("x.NII.GZ", True)])
    def test_content_and_not_the_name_tells_what_is_compressed(self, tmp_path, name, compress):
        path = factories.write_bytes(tmp_path / name, factories.raw_bytes(), compress=compress)
        np.testing.assert_array_equal(read_nifti(path)[0], DATA)

    def test_space_accent_and_cjk_in_the_path(self, tmp_path):
        path = factories.save(tmp_path / "Anne é 脳" / "flair 1.nii.gz", DATA)
        np.testing.assert_array_equal(read_nifti(path)[0], DATA)

    def test_qform_is_used_when_there_is_no_sform(self, tmp_path):
        image = nib.Nifti1Image(DATA, None)
        image.set_qform(factories.affine("LPS", origin=(5, 6, 7)), code=1)
        image.set_sform(None, code=0)
        nib.save(image, tmp_path / "x.nii")
        np.testing.assert_allclose(
            read_nifti(tmp_path / "x.nii")[1], factories.affine("LPS", origin=(5, 6, 7)), atol=1e-5
        )


class TestPaths:
    def test_missing_file_lists_what_is_there(self, tmp_path):
        factories.save(tmp_path / "sub_flair.nii.gz", DATA)
        message = refused(tmp_path / "flair.nii.gz", "no such file; expected a NIfTI file")
        assert "the folder holds sub_flair.nii.gz" in message

    def test_long_listings_are_cut(self, tmp_path):
        for i in range(20):
            (tmp_path / f"{i:02}").touch()
        assert "10, 11 and 8 more" in refused(tmp_path / "x.nii", "no such file")

    def test_missing_folder(self, tmp_path):
        refused(tmp_path / "nowhere" / "x.nii", "the folder .*nowhere does not exist")

    def test_folder(self, tmp_path):
        (tmp_path / "scans").mkdir()
        refused(tmp_path / "scans", "it is a folder; the folder is empty")

    def test_dicom_folder(self, tmp_path):
        (tmp_path / "scans").mkdir()
        (tmp_path / "scans" / "1.dcm").touch()
        refused(tmp_path / "scans", "Convert the DICOM series with dcm2niix")

    def test_empty_file(self, tmp_path):
        (tmp_path / "x.nii.gz").touch()
        refused(tmp_path / "x.nii.gz", "the file is empty")

    @pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
    def test_unreadable_file(self, tmp_path):
        path = factories.save(tmp_path / "x.nii", DATA)
        path.chmod(0)
        refused(path, "it may not be read")

    @pytest.mark.parametrize(
        ("content", "match"),
        [
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "Git LFS pointer.*git lfs pull"),
            (b"<!DOCTYPE html><html>Please log in</html>", "web page.*The download failed"),
            (bytes(128) + b"DICM" + bytes(600), "DICOM.*dcm2niix"),
            (b"PK\x03\x04" + bytes(600), "zip archive.*Unpack it"),
            (b"nonsense" * 100, "does not begin with a NIfTI header but with b'nonsense'"),
            (b"short", "does not begin with a NIfTI header but with b'short'"),
        ],
    )
    def test_other_kinds_of_file(self, tmp_path, content, match):
        refused(factories.write_bytes(tmp_path / "x.nii.gz", content, compress=False), match)

    def test_header_without_its_image_file(self, tmp_path):
        path = factories.write_bytes(tmp_path / "x.nii", factories.with_header(magic=b"ni1"))
        refused(path, "expected a single-file NIfTI-1 or NIfTI-2 volume")


@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz"])
@pytest.mark.parametrize("dtype", [np.float32, np.int16])
def test_reading_takes_memory_for_the_voxels_once(tmp_path, name, dtype):
    path = factories.write_bytes(tmp_path / name, factories.raw_bytes(np.zeros((256, 256, 128), dtype)))
    read_nifti(factories.save(tmp_path / "small.nii.gz", DATA))
    tracemalloc.start()
    try:
        data, _ = read_nifti(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert data.nbytes < peak < data.nbytes + 6 * 2**20  # a copy of the stored int16 voxels would be 16 MiB more


class TestDamage:
    @pytest.fixture
    def packed(self):
        return bytearray(gzip.compress(bytes(factories.raw_bytes()), mtime=0))

    def test_truncated_gzip(self, tmp_path, packed):
        path = factories.write_bytes(tmp_path / "x.nii.gz", packed[: len(packed) // 2], compress=False)
        refused(path, "compressed data is broken.*Copy or download it again")

    def test_flipped_byte_in_stored_block(self, tmp_path):
        # Stored, not deflated: the stream stays valid and only the checksum at its end can tell.
        packed = bytearray(gzip.compress(bytes(factories.raw_bytes()), compresslevel=0, mtime=0))
        packed[len(packed) // 2] ^= 0xFF
        refused(factories.write_bytes(tmp_path / "x.nii.gz", packed, compress=False), "CRC check failed")

    def test_wrong_checksum(self, tmp_path, packed):
        packed[-8] ^= 0xFF
        refused(factories.write_bytes(tmp_path / "x.nii.gz", packed, compress=False), "CRC check failed")

    @pytest.mark.parametrize("name", ["x.nii", "x.nii.gz"])
    def test_fewer_voxels_than_declared(self, tmp_path, name):
        path = factories.write_bytes(tmp_path / name, factories.raw_bytes()[:-4])
        refused(path, "it ends after 4,188 of 4,192 bytes")

    def test_too_much_after_the_voxels(self, tmp_path):
        path = factories.write_bytes(tmp_path / "x.nii.gz", factories.raw_bytes() + bytes(2**20))
        np.testing.assert_array_equal(read_nifti(path)[0], DATA)
        factories.write_bytes(path, factories.raw_bytes() + bytes(2**20 + 1))
        refused(
            path, "goes on for more than 1,048,576 bytes after its voxels; expected a file that ends with its voxels"
        )


class TestWrite:
    def test_round_trip(self, tmp_path):
        matrix = factories.affine("PIR", (0.9, 1.1, 3), (10, -20, 30))
        write_nifti(tmp_path / "x.nii.gz", DATA, matrix)
        data, affine = read_nifti(tmp_path / "x.nii.gz")
        np.testing.assert_array_equal(data, DATA)
        np.testing.assert_allclose(affine, matrix, rtol=1e-6)

    def test_other_readers_see_the_same(self, tmp_path):
        labels = factories.labels()
        write_nifti(tmp_path / "x.nii.gz", labels, factories.affine("LPS"))
        image = nib.load(tmp_path / "x.nii.gz")
        np.testing.assert_array_equal(np.asarray(image.dataobj), labels)
        assert image.get_data_dtype() == np.uint8
        assert image.header.get_xyzt_units()[0] == "mm"
        assert (int(image.header["sform_code"]), int(image.header["qform_code"])) == (1, 1)
        np.testing.assert_allclose(image.get_qform(), image.get_sform(), atol=1e-5)

    def test_sheared_affine_is_kept_in_the_sform_alone(self, tmp_path):
        matrix = factories.affine()
        matrix[0, 1] = 0.3
        write_nifti(tmp_path / "x.nii", DATA, matrix)
        image = nib.load(tmp_path / "x.nii")
        np.testing.assert_allclose(image.affine, matrix, rtol=1e-6)
        assert int(image.header["qform_code"]) == 0

    def test_a_qform_is_written_only_where_it_says_the_same(self, tmp_path):
        sheared, oblique = factories.affine(), np.eye(4)
        sheared[0, 1] = 9e-4  # 0.2 mm over a head, which our own reader would warn of
        oblique[:3, :3] = angle_axis2mat(3.14, (0.001, 0.002, 1))
        for matrix, code in (sheared, 0), (oblique, 1), (factories.affine("LPS"), 1):
            write_nifti(tmp_path / "x.nii", DATA, matrix)
            assert int(nib.load(tmp_path / "x.nii").header["qform_code"]) == code
            assert not read_header(tmp_path / "x.nii").forms_differ

    def test_same_volume_gives_same_bytes(self, tmp_path):
        for name in ("a.nii.gz", "b.nii.gz"):
            write_nifti(tmp_path / name, DATA, factories.affine())
        assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()

    def test_no_text_in_the_header(self, tmp_path):
        write_nifti(tmp_path / "x.nii", DATA, factories.affine())
        header = nib.load(tmp_path / "x.nii").header
        assert [header[name].item() for name in ("descrip", "aux_file", "db_name", "intent_name")] == [b""] * 4

    def test_other_endings_are_refused(self, tmp_path):
        with pytest.raises(ValueError, match=r"x\.mha: a NIfTI file's name ends in"):
            write_nifti(tmp_path / "x.mha", DATA, factories.affine())
