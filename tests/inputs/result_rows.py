"""Rows 56 to 62: metrics of masks that are empty or apart, likeness of flat images, and what is written."""

import json

import nibabel as nib
import numpy as np
import pytest

from recoseg_hf import predict_case, write_prediction
from recoseg_hf.evaluation.synthesis_comparison import compare_synthesis
from recoseg_hf.imaging.volume import Volume
from tests import factories
from tests.inputs.bench import Bench
from tests.inputs.damages import DAMAGES, scan
from tests.inputs.rows import row

EMPTY = np.zeros(factories.SHAPE, np.uint8)
DIAGONAL = float(np.linalg.norm(factories.SHAPE))
"""Of the grid in mm, voxel edges included: the penalty for a mask that is not there."""


def corner(*, at_the_end: bool = False) -> np.ndarray:
    """A mask of 2 x 2 x 2 voxels in one corner or in the opposite one."""
    mask = EMPTY.copy()
    place = slice(-2, None) if at_the_end else slice(None, 2)
    mask[place, place, place] = 1
    return mask


def evaluated(bench: Bench, prediction: np.ndarray, reference: np.ndarray) -> dict:
    """What `recoseg evaluate --full` says of the case, beside one that is perfect."""
    root = bench.folder.parent.parent
    masks, references = root / "masks", root / "references"
    for subject, pair in {"sub-01": (prediction, reference), "sub-02": (corner(), corner())}.items():
        factories.save(masks / f"{subject}_mask.nii.gz", pair[0])
        factories.save(references / subject / f"{subject}_seg.nii.gz", pair[1])
    result = bench.recoseg("evaluate", masks, references, "--full", "-o", root / "metrics.json")
    assert (result.exit_code, result.stderr) == (0, "")
    return json.loads((root / "metrics.json").read_text())


def hd95(result: dict) -> dict:
    return result["subjects"][0]["surface"]


@row(56)
def both_empty(bench):
    result = evaluated(bench, EMPTY, EMPTY)
    assert result["subjects"][0]["dice"] is None
    assert (hd95(result)["hd95_mm"], hd95(result)["hd95_penalized_mm"]) == (None, None)
    dice = result["volume"]["dice"]
    assert (dice["value"], dice["n"], dice["n_undefined"]) == (1, 1, 1)
    assert result["outcomes"] == {"both_empty": 1, "overlap": 1}


@row(57)
def empty_reference(bench):
    result = evaluated(bench, corner(), EMPTY)
    assert (result["subjects"][0]["dice"], result["subjects"][0]["false_positive_ml"]) == (0, pytest.approx(0.008))
    assert (result["volume"]["dice"]["value"], result["volume"]["dice"]["n"]) == (0.5, 2)


@row(58)
def empty_prediction(bench):
    result = evaluated(bench, EMPTY, corner())
    assert result["subjects"][0]["dice"] == 0
    assert hd95(result)["hd95_mm"] is None
    assert hd95(result)["hd95_penalized_mm"] == pytest.approx(DIAGONAL, rel=0.2)
    assert result["volume"]["dice"]["value"] == 0.5


@row(59)
def disjoint(bench):
    result = evaluated(bench, corner(at_the_end=True), corner())
    assert result["subjects"][0]["dice"] == 0
    assert 0 < hd95(result)["hd95_mm"] < DIAGONAL


@row(60)
def flat_and_equal_images(bench):
    real, flat = (Volume(data, factories.affine()) for data in (scan(), np.full(factories.SHAPE, 5, np.float32)))
    same = compare_synthesis(real, real)
    assert (same["psnr"], same["ssim"]) == (None, pytest.approx(1))  # a PSNR without error is infinite, no number
    assert same["data_range"] > 0
    for pair in ((real, flat), (flat, real)):
        scores = compare_synthesis(*pair)
        assert json.loads(json.dumps(scores, allow_nan=False)) == scores


@row(61)
def outputs_on_the_input_s_grid_without_its_header(bench):
    DAMAGES["other_axes"].do(bench.folder)
    for name in ("flair", "t1", "t2", "t1ce"):
        image = nib.load(bench.file(name))
        image = nib.Nifti1Image(np.asarray(image.dataobj), image.affine, image.header)
        image.header["descrip"], image.header["db_name"] = b"DOE^JOHN 19700101", b"PAT123"
        nib.save(image, bench.file(name))
    case = bench.read()
    output = bench.folder.parent.parent / "out"
    files = write_prediction(predict_case(bench.pipeline, case), case, output)
    mask = nib.load(files["mask"])
    assert (mask.shape, mask.get_data_dtype()) == (case.flair.shape, np.uint8)
    np.testing.assert_allclose(mask.affine, nib.load(bench.file("flair")).affine)
    assert set(np.unique(mask.dataobj)) <= {0, 1}
    assert (int(mask.header["sform_code"]), int(mask.header["qform_code"])) == (1, 1)
    for file in output.iterdir():
        content = nib.load(file).header.binaryblock if file.name.endswith(".nii.gz") else file.read_bytes()
        assert b"DOE" not in content, file.name
        assert b"PAT123" not in content, file.name


@row(62)
def earlier_result(bench):
    output = bench.folder.parent.parent / "out"
    assert bench.predict(bench.folder, "-o", output).exit_code == 0
    before = {file.name: file.read_bytes() for file in output.iterdir()}
    again = bench.predict(bench.folder, "-o", output, "--seed=1")
    assert again.exit_code == 3
    assert "already holds sub-01" in again.stderr
    assert {file.name: file.read_bytes() for file in output.iterdir()} == before
    assert bench.predict(bench.folder, "-o", output, "--seed=1", "--overwrite").exit_code == 0
    assert json.loads((output / "sub-01_report.json").read_text())["settings"]["seed"] == 1
