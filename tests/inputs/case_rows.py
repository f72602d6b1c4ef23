"""Rows 35 to 55 that are no plain refusal: cases, intensities and labels."""

import shutil

import numpy as np

from recoseg_hf import predict_case
from tests import factories
from tests.inputs.bench import Bench
from tests.inputs.damages import scan
from tests.inputs.file_rows import t1_is_read
from tests.inputs.rows import row


def finite(bench: Bench):
    """Predict the case; every volume of the result is finite."""
    case = bench.read()
    prediction = predict_case(bench.pipeline, case)
    for name in ("mask", "probability", "t1ce", "residual"):
        volume = getattr(prediction, name)
        assert volume.shape == case.flair.shape
        assert np.isfinite(volume.data).all(), name
    return prediction


@row(35)
def rounded_affine(bench):
    t1_is_read(bench.damaged("rounded_affine"))
    np.testing.assert_array_equal(bench.read().t1.affine, factories.affine())


@row(38)
def mirrored_with_its_header(bench):
    t1_is_read(bench.damaged("mirrored_with_its_header"))
    assert bench.warnings() == []


@row(41)
def same_file_twice(bench):
    files = {
        "flair": bench.file("flair"),
        "t1": bench.file(),
        "t2": bench.folder / ".." / "sub-01" / bench.file().name,
    }
    code, findings = bench.check(*(f"--{name}={file}" for name, file in files.items()))
    assert (code, findings[0]["found"]) == (3, "it was given for t1 and for t2")


@row(42)
def swapped_modalities_are_not_noticed_by_check(bench):
    """Names alone say which scan is which; that they may lie is documented, and `recoseg doctor` warns of it."""
    bench.damaged("swapped")
    assert bench.warnings() == []
    np.testing.assert_array_equal(bench.read().t1.data, scan(3))
    assert "Swapped modalities are not noticed here" in bench.recoseg("check", "--help").stdout.replace("\n  ", " ")


@row(42)
def names_and_not_their_order_decide(bench):
    for name, new in {"flair": "4_flair", "t1": "3_t1", "t2": "2_t2", "t1ce": "1_t1ce"}.items():
        bench.file(name).rename(bench.folder / f"{new}.nii.gz")
    case = bench.read()
    for seed, name in enumerate(factories.MODALITIES):
        np.testing.assert_array_equal(getattr(case, name).data, factories.intensities(seed=seed))


@row(43)
def other_names(bench):
    t1_is_read(bench.damaged("other_names"))
    assert bench.read().t1ce is not None


@row(43)
def segmentation_misnamed_as_in_brats_2020_case_355(bench):
    misnamed = bench.file("seg").rename(bench.folder / "W39_1998.09.19_Segm.nii.gz")
    (warning,) = bench.warnings()
    assert warning == "it may be the segmentation, but its name does not say so; Rename it if it is; it was left out."
    assert bench.check()[1][-1]["file"] == str(misnamed)
    result = bench.recoseg("prepare", bench.folder.parent, bench.folder.parent.parent / "slices")
    assert result.exit_code == 3
    assert f"{bench.folder}: no seg; expected T1ce and segmentation. " in result.stderr
    assert "A segmentation is called _seg or _dseg" in result.stderr


@row(44)
def with_skull(bench):
    bench.damaged("with_skull")
    (warning,) = bench.warnings()
    assert warning == "only 0% of it is zero; Strip the skull first: the models know stripped brains alone."


@row(45)
def thick_slices(bench):
    bench.damaged("thick_slices")
    (warning,) = bench.warnings()
    assert warning == "its voxels are 1 x 1 x 3 mm; It is resampled for the model and back, with loss of detail."


@row(46)
def infinite(bench):
    data = scan()
    data[2, 2, 2], data[3, 3, 3] = np.inf, -np.inf
    factories.save(bench.file(), data)
    found = r"2 voxels are NaN or infinite, the first at index \(2, 2, 2\)"
    bench.refused("sub-01_t1.nii.gz", found, "finite intensities", "set them to 0 if they are background")


@row(47)
def constant(bench):
    factories.save(bench.file(), np.full(factories.SHAPE, 7.5, np.float32))
    bench.refused("sub-01_t1.nii.gz", r"every voxel is 7\.5", "an MRI volume with contrast", "export was complete")


@row(48)
def empty_edge_slices(bench):
    prediction = finite(bench.damaged("empty_edge_slices"))
    assert not prediction.mask.data[:, :, [0, -1]].any()


@row(49)
def negative_and_outlier(bench):
    finite(bench.damaged("negative_and_outlier"))


@row(50)
def odd_size(bench):
    prediction = finite(bench.damaged("odd_size"))
    assert prediction.mask.shape == (13, 11, 7)


@row(51)
def both_schemes(bench):
    for values in ((1, 2, 4), (1, 2, 3)):
        factories.save(bench.file("seg"), factories.labels(values=values))
        np.testing.assert_array_equal(bench.read().seg.data, factories.labels(values=values))


@row(52)
def unknown_labels_of_another_program(bench):
    shutil.copy(bench.file("t1"), bench.file("seg"))
    code, findings = bench.check()
    assert code == 3
    assert "voxels lie between labels" in findings[0]["found"]


@row(53)
def scaled_labels(bench):
    bench.damaged("scaled_labels")
    np.testing.assert_array_equal(bench.read().seg.data, factories.labels())
    assert (bench.read().seg.data == 4).any()
