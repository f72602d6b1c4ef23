"""The whole-volume flow with a tiny real pipeline: grids, determinism, errors."""

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest

from recoseg_hf.errors import InputError
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.volume import Volume
from recoseg_hf.inference import predict_case, with_threshold
from recoseg_hf.pipeline.conventions import region_masks
from tests.factories import intensities
from tests.inference.cases import SHAPE, make_case
from tests.tiny import tiny_pipeline as three_regions

MAPS = ("mask", "probability", "t1ce", "residual")


def reoriented(volume: Volume, orientation: str) -> Volume:
    """The same scan stored with other axes, by nibabel."""
    image = nib.Nifti1Image(volume.data, volume.affine)
    target = nib.orientations.axcodes2ornt(orientation)
    turned = image.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(volume.affine), target))
    return Volume(np.asarray(turned.dataobj), turned.affine)


@pytest.fixture(scope="module")
def case() -> Case:
    return make_case()


@pytest.fixture(scope="module")
def prediction(tiny_pipeline, case):
    return predict_case(tiny_pipeline, case)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (1.3, 0.9, 2.5)], ids=["1 mm", "other spacing"])
@pytest.mark.parametrize("orientation", ["LPS", "PIR", "SAL"])
def test_orientation_changes_no_voxel(tiny_pipeline, orientation, spacing):
    case = make_case(spacing)
    prediction = predict_case(tiny_pipeline, case)
    turned = Case("sub-01", **{name: reoriented(volume, orientation) for name, volume in case.volumes().items()})
    assert turned.flair.orientation == orientation
    result = predict_case(tiny_pipeline, turned)
    for name in MAPS:
        expected, found = getattr(prediction, name), getattr(result, name)
        assert found.orientation == orientation
        back = reoriented(found, "RAS")
        assert np.array_equal(back.data, expected.data), name
        assert np.allclose(back.affine, expected.affine)
    assert result.report["results"] == prediction.report["results"]


def test_results_lie_on_the_case_grid_and_in_the_brain(case, prediction):
    brain = (case.flair.data != 0) | (case.t1.data != 0) | (case.t2.data != 0)
    for name in MAPS:
        volume = getattr(prediction, name)
        assert volume.shape == SHAPE
        assert np.array_equal(volume.affine, case.flair.affine)
        assert not volume.data[~brain].any()
    assert prediction.mask.data.dtype == np.uint8
    assert {getattr(prediction, name).data.dtype for name in MAPS[1:]} == {np.dtype(np.float32)}
    assert 0 < prediction.mask.data.sum() < brain.sum()  # or the tests of equal masks would say nothing
    assert prediction.uncertainty is None


def test_synthetic_t1ce_has_the_units_of_the_source(tiny_pipeline, case, prediction):
    tenfold = replace(case, t1ce=Volume(case.t1ce.data * 10, case.t1ce.affine))
    result = predict_case(tiny_pipeline, tenfold)
    assert np.allclose(result.t1ce.data, 10 * prediction.t1ce.data, rtol=1e-4)
    low, high = np.percentile(case.t1ce.data[case.flair.data != 0], [1, 99])
    values = prediction.t1ce.data[prediction.t1ce.data != 0]
    assert low - 1e-2 <= values.min() < values.max() <= high + 1e-2


def test_every_region_of_the_model_is_there(tiny_pipeline, case, prediction):
    assert tuple(prediction.region_probabilities) == tiny_pipeline.region_names
    assert prediction.region_probabilities["wt"] is prediction.probability
    for volume in prediction.region_probabilities.values():
        assert volume.shape == case.flair.shape
        assert 0 <= volume.data.min() <= volume.data.max() <= 1


def test_a_model_of_three_regions_gives_labels_and_their_volumes(case):
    pipeline = three_regions(regions="wt,tc,et", mask_threshold=0.45)
    result = predict_case(pipeline, case)
    parts = region_masks(result.labels.data)
    assert np.array_equal(parts["wt"], result.mask.data != 0)
    enhances = (result.region_probabilities["et"].data > 0.5) & parts["wt"]
    assert np.array_equal(parts["et"], enhances)
    assert 0 < parts["et"].sum() < parts["tc"].sum() < parts["wt"].sum()  # or the test would say nothing
    volumes = result.report["results"]
    assert volumes["enhancing_tumour_volume_ml"] == pytest.approx(parts["et"].sum() / 1000, abs=1e-3)
    assert volumes["tumour_core_volume_ml"] == pytest.approx(parts["tc"].sum() / 1000, abs=1e-3)


def test_a_model_of_the_whole_tumour_alone_gives_none(prediction):
    assert prediction.labels is None
    assert prediction.report["results"].keys() == {"tumour_voxels", "tumour_volume_ml"}


def test_seed_decides(tiny_pipeline, case, prediction):
    same = predict_case(tiny_pipeline, case, slice_batch_size=16, seed=0)
    other = predict_case(tiny_pipeline, case, seed=1)
    assert np.array_equal(same.t1ce.data, prediction.t1ce.data)
    assert np.array_equal(same.mask.data, prediction.mask.data)
    assert not np.array_equal(other.t1ce.data, prediction.t1ce.data)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 2.5), (0.7, 0.7, 1.0)])
def test_threshold_is_applied_on_the_own_grid(tiny_pipeline, spacing):
    case = make_case(spacing)
    result = predict_case(tiny_pipeline, case, mask_threshold=0.45)
    assert result.mask.shape == SHAPE
    assert np.array_equal(result.mask.data, result.probability.data > 0.45)
    assert result.mask.data.any()
    assert not result.mask.data[case.flair.data == 0].any()
    assert result.report["results"]["tumour_volume_ml"] == pytest.approx(
        result.mask.data.sum() * np.prod(spacing) / 1000, abs=1e-3
    )


@pytest.mark.parametrize("threshold", [0.3, 0.55])
def test_another_threshold_needs_no_second_run(case, threshold):
    pipeline = three_regions(regions="wt,tc,et", seed_threshold=0.52, region_threshold=0.4)
    other = predict_case(pipeline, case, mask_threshold=0.48)
    expected = predict_case(pipeline, case, mask_threshold=threshold)
    found = with_threshold(pipeline, other, case, threshold)
    assert not np.array_equal(other.mask.data, expected.mask.data)
    assert np.array_equal(found.mask.data, expected.mask.data)
    assert np.array_equal(found.labels.data, expected.labels.data)
    assert found.report | {"seconds": None} == expected.report | {"seconds": None}
    assert found.probability is other.probability


def test_an_empty_mask_at_another_threshold_is_warned_of(tiny_pipeline, case, prediction):
    emptied = with_threshold(tiny_pipeline, prediction, case, 0.999)
    assert emptied.report["warnings"][-1] == "No tumour was found: the mask is empty."
    assert "No tumour" not in " ".join(prediction.report["warnings"])


@pytest.mark.parametrize("threshold", [0.0, 1.0, float("nan")])
def test_a_threshold_at_the_ends_is_refused(tiny_pipeline, case, prediction, threshold):
    with pytest.raises(InputError, match=r"^threshold: it is .*; expected a number between 0 and 1"):
        with_threshold(tiny_pipeline, prediction, case, threshold)


def test_samples_give_a_spread(tiny_pipeline, case):
    result = predict_case(tiny_pipeline, case, num_samples=2)
    assert result.uncertainty.shape == SHAPE
    assert result.uncertainty.data.max() > 0
    assert result.report["settings"]["num_samples"] == 2


def test_progress_ends_at_the_total(tiny_pipeline, case):
    seen = []
    predict_case(tiny_pipeline, case, slice_batch_size=4, progress=lambda done, total: seen.append((done, total)))
    brain_slices = int((case.flair.data != 0).any(axis=(0, 1)).sum())
    assert seen == sorted(seen)
    assert seen[-1] == (2 * brain_slices, 2 * brain_slices)


@pytest.mark.parametrize("source", ["none", "ensemble"])
def test_without_t1ce_the_caller_must_choose(tiny_pipeline, source):
    case = make_case(t1ce=None)
    with pytest.raises(InputError, match=r"^case sub-01: no T1ce was given .*; expected .*\. Give t1ce, or choose"):
        predict_case(tiny_pipeline, case)
    result = predict_case(tiny_pipeline, case, residual_source=source, num_inference_steps=4)
    assert (result.residual is None) == (source == "none")
    assert result.report["settings"]["residual_source"] == source
    assert "No T1ce was given" in result.report["warnings"][0]


def test_a_scan_at_fault_is_named(tiny_pipeline, tmp_path):
    flat = Volume(np.where(intensities(SHAPE) > 0, 7, 0).astype(np.float32), make_case().flair.affine)
    case = make_case(t2=flat)
    with pytest.raises(InputError, match=r"^case sub-01, t2: intensities are constant"):
        predict_case(tiny_pipeline, case)
    with pytest.raises(InputError, match=r"odd_t2\.nii\.gz: intensities are constant"):
        predict_case(tiny_pipeline, replace(case, sources={"t2": tmp_path / "odd_t2.nii.gz"}))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"num_inference_steps": 0}, r"num_inference_steps=0; expected 1 to 1000\. Check the scans and the settings"),
        ({"mask_threshold": 1.0}, r"mask_threshold=1\.0; expected"),
        ({"residual_source": "guess"}, "residual_source='guess'; expected one of measured, ensemble, none"),
    ],
)
def test_a_setting_at_fault_is_named(tiny_pipeline, case, setting, message):
    with pytest.raises(InputError, match=message):
        predict_case(tiny_pipeline, case, **setting)


def test_memory_that_runs_out_in_python_itself_is_told(case):
    pipeline = three_regions()

    def hungry(*given, **settings):
        raise MemoryError  # without a message, as Python raises it

    pipeline.preprocess = hungry
    with pytest.raises(InputError, match=r"more memory than cpu has left \(MemoryError\); expected memory for a"):
        predict_case(pipeline, case)
