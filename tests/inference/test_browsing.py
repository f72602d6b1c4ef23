"""A predicted case, scrolled through: what is drawn is what was found, in every orientation."""

import numpy as np
import pytest

from recoseg_hf.imaging.volume import Volume
from recoseg_hf.inference import predict_case, with_threshold
from recoseg_hf.inference.browsing import SliceBrowser
from recoseg_hf.inference.drawing import radiological
from tests.factories import affine
from tests.inference.cases import SHAPE, make_case
from tests.tiny import tiny_pipeline as three_regions


@pytest.fixture(scope="module")
def case():
    seg = np.zeros(SHAPE, np.uint8)
    seg[8:11, 9:12, 4:6] = 4
    return make_case(seg=Volume(seg, affine("RAS", origin=(-8.0, 3.0, 5.0))))


@pytest.fixture(scope="module")
def pipeline():
    return three_regions(regions="wt,tc,et")


@pytest.fixture(scope="module")
def prediction(pipeline, case):
    return predict_case(pipeline, case, mask_threshold=0.48)


@pytest.fixture(scope="module")
def browser(prediction, case):
    return SliceBrowser.of(prediction, case)


def test_it_holds_the_brain_and_a_border(browser, case):
    filled = np.flatnonzero((case.flair.data != 0).any(axis=(0, 1)))
    assert browser.own_slices == [place + 1 for place in filled]
    assert browser.own_count == SHAPE[2]
    assert browser.count == len(filled)
    assert browser.height_mm(0) == 5 + filled[0]


def test_levels_lie_where_the_scan_does(browser, case):
    first = np.rint(browser.affine[:3, 3] - case.flair.affine[:3, 3]).astype(int)
    box = tuple(slice(start, start + size) for start, size in zip(first, browser.levels["flair"].shape, strict=True))
    shown, scan = browser.levels["flair"].astype(int), case.flair.data[box]
    assert np.corrcoef(shown.ravel(), scan.ravel())[0, 1] > 0.99
    assert browser.levels["flair"].dtype == np.uint8


def test_both_t1ce_share_one_scale(browser, prediction, case):
    low, high = np.percentile(case.t1ce.data[case.flair.data != 0], (0.5, 99.5))
    expected = 255 * np.clip((prediction.t1ce.data[:, :, 4] - low) / (high - low), 0, 1)
    position = browser.own_slices.index(5)
    assert np.abs(browser.levels["synthetic"][:, :, position] - expected[browser.box[:2]]).max() < 1.01


def test_a_picture_is_turned_for_viewing(browser):
    picture = browser.picture("flair", browser.start)
    assert picture.size == browser.size
    expected = radiological(browser.levels["flair"][:, :, browser.start])
    assert np.array_equal(np.asarray(picture), expected)
    colours = np.asarray(browser.picture("residual", browser.start))
    assert (colours[..., 0] != colours[..., 2]).any()  # the heat map is no grey


def test_it_starts_where_the_tumour_is_largest(browser, prediction):
    largest = prediction.mask.data.sum(axis=(0, 1)).argmax()
    assert browser.own_slices[browser.start] == largest + 1
    assert browser.outlines(browser.start)["wt"].startswith("M")
    assert browser.focus[2] == browser.height_mm(browser.start)


def test_own_slices_lead_to_positions(browser):
    assert [browser.position_of(own) for own in browser.own_slices] == list(range(browser.count))
    assert browser.position_of(-5) == 0
    assert browser.position_of(500) == browser.count - 1


def test_a_thick_slice_leads_to_its_middle(pipeline):
    thick = make_case((1.0, 1.0, 5.0))
    shown = SliceBrowser.of(predict_case(pipeline, thick), thick)
    within = [position for position, own in enumerate(shown.own_slices) if own == 5]
    assert len(within) == 5
    assert shown.position_of(5) == within[2]


def test_regions_are_nested_for_a_viewer(browser):
    tumour = browser.tumour()
    assert np.array_equal(tumour.data > 0, browser.regions["wt"])
    assert np.array_equal(tumour.data > 2, browser.regions["et"])
    assert tumour.shape == browser.volume("flair").shape


def test_another_mask_changes_the_regions_alone(browser, pipeline, prediction, case):
    other = with_threshold(pipeline, prediction, case, 0.6)
    shown, fresh = browser.with_mask(other), SliceBrowser.of(other, case)
    assert not np.array_equal(shown.regions["wt"], browser.regions["wt"])
    for name in ("wt", "tc", "et", "reference"):
        assert np.array_equal(shown.regions[name], fresh.regions[name]), name
    assert shown.levels is browser.levels


def test_without_tumour_it_starts_in_the_middle(browser, pipeline, prediction, case):
    empty = browser.with_mask(with_threshold(pipeline, prediction, case, 0.999))
    assert not empty.regions["wt"].any()
    assert empty.start == empty.count // 2
    assert empty.outlines(empty.start).keys() <= {"reference"}


def test_without_t1ce_and_residual_neither_is_there(pipeline):
    alone = make_case(t1ce=None)
    shown = SliceBrowser.of(predict_case(pipeline, alone, residual_source="none"), alone)
    assert shown.levels.keys() == {"flair", "synthetic"}
    assert shown.limit is None
