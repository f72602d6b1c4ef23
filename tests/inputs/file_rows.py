"""Rows 1 to 34 that are no plain refusal: files and headers."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from recoseg_hf import Case, InputError, predict_case, read_volume
from recoseg_hf.imaging.check import check_case
from recoseg_hf.imaging.grids import grid_distance
from tests import factories
from tests.inputs.bench import Bench
from tests.inputs.damages import DAMAGES, each_scan, header, path, scan
from tests.inputs.rows import row


def t1_is_read(bench: Bench) -> None:
    """T1 of the damaged case has the voxels of the good one."""
    np.testing.assert_array_equal(bench.read().t1.data, scan())


@row(1)
def path_missing(bench):
    bench.damaged("path_missing")
    files = {name: bench.file(name) for name in ("flair", "t1", "t2")}
    listed = r"the folder holds sub-01_flair\.nii\.gz, sub-01_seg\.nii\.gz, sub-01_t1ce"
    bench.refused("sub-01_t1.nii.gz", "no such file", "a NIfTI file", listed, lambda: Case.from_files(**files))
    code, findings = bench.check(*(f"--{name}={file}" for name, file in files.items()))
    assert (code, findings[0]["found"]) == (3, "no such file")


@row(7)
def plain_named_gz(bench):
    t1_is_read(bench.damaged("plain_named_gz"))
    (warning,) = bench.warnings()
    assert warning.startswith("it is not compressed though its name ends in .gz; Rename it")
    told = predict_case(bench.pipeline, bench.read()).report["warnings"]
    assert told == ["The file of t1: it is not compressed though its name ends in .gz; read by its content."]


@row(8)
def gz_named_nii(bench):
    t1_is_read(bench.damaged("gz_named_nii"))
    (warning,) = bench.warnings()
    assert warning.startswith("it is compressed though its name does not end in .gz; Rename it")


@row(9)
def dicom_folder(bench):
    shutil.rmtree(bench.folder)
    bench.folder.mkdir()
    (bench.folder / "IM0001").write_bytes(bytes(128) + b"DICM" + bytes(1000))
    found = "no file for flair and t1 and t2; the folder holds IM0001"
    bench.refused("", found, "names that end in", "Convert the DICOM series with dcm2niix")


@row(14)
def unicode_path_and_results_that_keep_it(bench):
    t1_is_read(bench.damaged("unicode_path"))
    output = bench.folder.parent / "Ergebnis für 脳 1"
    assert bench.predict(bench.folder, "-o", output).exit_code == 0
    assert (output / "sub-01_mask.nii.gz").is_file()


@row(15)
def upper_case(bench):
    t1_is_read(bench.damaged("upper_case"))
    assert bench.warnings() == []


@row(16)
def unreadable_file(bench):
    with as_somebody(bench) as folder:
        file = path(folder)
        file.chmod(0)
        with pytest.raises(InputError) as caught:
            Case.from_folder(folder)
    assert str(caught.value) == f"{file}: it may not be read; expected a readable file. Check its permissions."


@row(16)
def unreadable_folder(bench):
    with as_somebody(bench) as folder:
        folder.chmod(0)
        (problem,) = check_case(folder).problems
        folder.chmod(0o755)
    assert "it cannot be read (Permission denied)" in str(problem)


@row(16)
def output_folder_that_may_not_be_written(bench):
    with as_somebody(bench) as folder:
        output = folder.parent / "out"
        output.mkdir()
        output.chmod(0o555)
        # The model that is not there is never asked for: the folder is looked at first.
        result = bench.recoseg("predict", folder, "-o", output, "--model", "nowhere")
    assert result.exit_code == 3
    assert f"{output}: " in result.stderr
    assert "expected a writable folder. Free space, check permissions, or choose another one." in result.stderr


@contextlib.contextmanager
def as_somebody(bench: Bench):
    """Give a copy of the case to a user who is not root, and be that user: root may read and write everything."""
    with tempfile.TemporaryDirectory() as root:
        folder = Path(shutil.copytree(bench.folder, Path(root) / "sub-01"))
        with pytest.raises(InputError):
            Case.from_folder(folder / "nothing")  # loads what reading needs, as long as everything may be read
        if os.name != "posix" or os.geteuid() != 0:
            yield folder
            return
        nobody = 65534
        for place in (root, folder, *folder.iterdir()):
            os.chown(place, nobody, nobody)
        os.setresuid(nobody, nobody, 0)
        try:
            yield folder
        finally:
            os.setresuid(0, 0, 0)


@row(18)
def fourth_axis_of_one(bench):
    t1_is_read(bench.damaged("fourth_axis_of_one"))


@row(20)
def fifth_axis_of_one(bench):
    """All axes after the third of length one: still one volume, whatever the header calls it."""
    for more in range(1, 5):
        header(bench.folder, dim=[3 + more, *scan().shape, 1, 1, 1, 1])
        t1_is_read(bench)
    assert bench.warnings() == []
    header(bench.folder, dim=[5, 12, 10, 4, 2, 1, 1, 1])
    found = r"it is 4D and holds 2 volumes \(shape 12 x 10 x 4 x 2 x 1\)"
    bench.refused("sub-01_t1.nii.gz", found, "one 3D volume", "Split it")


@row(21)
def negative_size(bench):
    header(bench.folder, dim=[3, 12, -10, 8, 1, 1, 1, 1])
    bench.refused("sub-01_t1.nii.gz", "it holds no voxels", "at least one voxel", "Export the scan again")


@row(22)
def single_slice(bench):
    bench.damaged("single_slice")
    (warning,) = bench.warnings()
    assert warning.startswith("it is a single slice; The mask has no volume to speak of, and distances are those in")
    prediction = predict_case(bench.pipeline, bench.read())
    assert prediction.mask.shape == (12, 10, 1)
    assert any("a single slice" in warning for warning in prediction.report["warnings"])


@row(25)
def big_endian(bench):
    t1_is_read(bench.damaged("big_endian"))


@row(25)
def every_real_type(bench):
    whole = np.rint(scan() / 2)
    for dtype in ("uint8", "int16", ">i2", "float64"):
        np.testing.assert_array_equal(
            read_volume(factories.save(bench.file(), whole.astype(dtype))).data, whole.astype(np.float32)
        )


@row(26)
def slope_that_scales_nothing(bench):
    for slope in (0, np.nan, np.inf):
        header(bench.folder, scl_slope=slope, scl_inter=3)
        t1_is_read(bench)


@row(29)
def pixdim_of_nan(bench):
    header(bench.folder, pixdim=[1, np.nan, 1, 1, 0, 0, 0, 0])
    found = r"its voxel spacing \(pixdim\) holds NaN"
    bench.refused("sub-01_t1.nii.gz", found, "finite numbers", "Convert the original scan again")


@row(31)
def a_qform_that_is_rounded(bench):
    """A quaternion in float32 is not exact, least so near LPS: what rounding alone moves is not refused."""
    cosine, sine = np.cos(3e-4), np.sin(3e-4)
    matrix = np.diag([15.0, 15.0, 15.0, 1.0])
    matrix[:2, :2] = 15 * np.array([[-cosine, sine], [-sine, -cosine]])
    for seed, name in enumerate(factories.MODALITIES):
        image = nib.Nifti1Image(scan(seed), matrix)
        image.set_sform(matrix, 1)
        image.set_qform(matrix, 1)
        nib.save(image, bench.file(name))
    bench.file("seg").unlink()
    assert 1e-3 < grid_distance(scan().shape, *(image.get_sform(), image.get_qform())) < 1
    assert [warning.split(";")[0] for warning in bench.warnings()] == ["its voxels are 15 x 15 x 15 mm"]


@row(31)
def a_qform_that_is_only_written_otherwise(bench):
    """The sform decides: a qform that the standard gives a meaning, or that makes no sense, is no reason to refuse."""
    for fields in ({"pixdim": [0, 1, 1, 1, 0, 0, 0, 0]}, {"pixdim": [1, -1, 1, 1, 0, 0, 0, 0]}):
        header(bench.folder, qform_code=1, **fields)
        t1_is_read(bench)
        assert bench.warnings() == []
    header(bench.folder, qform_code=1, quatern_d=1.5)
    t1_is_read(bench)
    (warning,) = bench.warnings()
    assert warning.startswith("the quaternion of its qform has length 1.5; The sform is used where there is one;")
    (told,) = predict_case(bench.pipeline, bench.read()).report["warnings"]
    assert told == "The file of t1: the quaternion of its qform has length 1.5; an sform goes before it."
    header(bench.folder, sform_code=0, qform_code=1, quatern_d=1.5)
    found = r"\(the quaternion of its qform has length 1\.5, and there is no sform\)"
    bench.refused("sub-01_t1.nii.gz", found, "a valid NIfTI header", "Convert the original scan again")


def two_forms(bench: Bench, moved: float) -> None:
    """Move T1's qform by some mm to the right."""
    image = nib.Nifti1Image(scan(), factories.affine())
    image.set_sform(factories.affine(), 1)
    image.set_qform(factories.affine(origin=(moved, 0, 0)), 1)
    nib.save(image, bench.file())


@row(31)
def forms_that_differ_a_little(bench):
    two_forms(bench, 0.5)
    t1_is_read(bench)
    (warning,) = bench.warnings()
    assert warning.startswith("its sform and qform place a voxel 0.5 mm apart; The sform is used")


@row(31)
def an_sform_that_spm_moved(bench):
    """What the remedy says to run makes the file readable, whichever of the two is right."""
    two_forms(bench, 3.0)
    with pytest.raises(InputError, match="place a voxel 3 mm apart") as caught:
        bench.read()
    assert "Coregister: Estimate of SPM, say, may move the sform alone" in caught.value.remedy
    command = re.search('python -c "([^"]+)"', caught.value.remedy)[1]
    assert command.count("set_qform") == 1
    for kept, program in ((0.0, command), (3.0, command.replace("set_qform", "set_sform"))):
        fixed = bench.folder / "OUT.nii.gz"
        program = program.replace("IN.nii.gz", str(bench.file())).replace("OUT.nii.gz", str(fixed))
        subprocess.run([sys.executable, "-c", program], check=True)
        volume = read_volume(fixed)
        np.testing.assert_array_equal(volume.data, scan())
        np.testing.assert_array_equal(volume.affine, factories.affine(origin=(kept, 0, 0)))
        assert not any("sform" in doubt.found for doubt in check_case(fixed).doubts)


@row(32)
def sheared(bench):
    bench.damaged("sheared")
    (warning,) = bench.warnings()
    assert warning.startswith("its axes miss the right angle by 11.3 degrees; It is resampled for the model and back")
    prediction = predict_case(bench.pipeline, bench.read())
    np.testing.assert_allclose(prediction.mask.affine, bench.read().flair.affine)
    assert prediction.report["warnings"][0].startswith("The axes miss the right angle by 11.3 degrees")


@row(33)
def metres(bench):
    bench.damaged("metres")
    code, findings = bench.check()
    problems = [finding for finding in findings if finding["severity"] == "error"]
    assert code == 3
    assert [Path(problem["file"]).name for problem in problems] == [
        f"sub-01_{name}.nii.gz" for name in ("flair", "t1", "t2", "t1ce", "seg")
    ]
    for problem in problems:
        assert problem["found"] == "its affine gives a voxel spacing of 0.001 x 0.001 x 0.001 mm"
        assert problem["expected"] == "0.05 to 20 mm"
        assert "NIfTI counts in millimetres" in problem["remedy"]
    header(bench.folder, sform_code=0, qform_code=1, pixdim=[1, 0, 1, 1, 0, 0, 0, 0])
    with pytest.raises(InputError, match=r"_t1\.nii\.gz: .*spacing of 0 x 1 x 1 mm"):
        bench.read()


@row(34)
def other_axes(bench):
    before = predict_case(bench.pipeline, bench.read())
    DAMAGES["other_axes"].do(bench.folder)
    after = predict_case(bench.pipeline, bench.read())
    assert after.mask.orientation == "PIR"
    for name in ("mask", "probability", "t1ce", "residual"):
        straight, turned = getattr(before, name).data, getattr(after, name).data
        np.testing.assert_array_equal(np.transpose(turned, (2, 0, 1))[:, ::-1, ::-1], straight)


@row(34)
def left_posterior(bench):
    each_scan(bench.folder, lambda data: data[::-1, ::-1], factories.affine("LPS", origin=(11, 9, 0)))
    case = bench.read()
    assert case.flair.orientation == "LPS"
    np.testing.assert_array_equal(case.t1.data[::-1, ::-1], scan())
