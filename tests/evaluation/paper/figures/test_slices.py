"""Which slice is shown, which way round, in which colours."""

import numpy as np
import pytest

from recoseg_hf.evaluation.paper.figures.measuring import examples
from recoseg_hf.evaluation.paper.figures.slices import (
    AGREED,
    INVENTED,
    MISSED,
    REFERENCE,
    View,
    outlined,
    tinted,
)
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.volume import Volume
from tests import factories

SHAPE = (40, 30, 8)


def case(orientation: str = "LPS", tumour: bool = True) -> Case:
    """A block of brain with a tumour at the patient's right front, largest in slice 5."""
    data = np.zeros(SHAPE, np.float32)
    data[5:35, 5:25] = 100 + np.arange(20)[:, None]
    seg = np.zeros(SHAPE, np.uint8)
    if tumour:
        seg[28:33, 20:24, 5], seg[28:30, 20:24, 4] = 2, 2  # RAS: high X is right, high Y is front
    turned = [np.ascontiguousarray(one[::-1, ::-1]) if orientation == "LPS" else one for one in (data, seg)]
    matrix = factories.affine(orientation, origin=(39, 29, 0) if orientation == "LPS" else (0, 0, 0))
    scans = {name: Volume(turned[0] * (place + 1), matrix) for place, name in enumerate(("flair", "t1", "t2"))}
    return Case("simulated", **scans, seg=Volume(turned[1], matrix))


class TestView:
    @pytest.mark.parametrize("orientation", ["LPS", "RAS"])
    def test_the_patients_right_is_on_the_left_and_the_front_at_the_top(self, orientation):
        subject = case(orientation)
        view = View.of(subject)
        rows, columns = np.nonzero(view.plane(subject.seg))
        height, width = view.plane(subject.seg).shape
        assert columns.max() < width / 2
        assert rows.max() < height / 2

    def test_the_slice_is_that_of_the_largest_reference(self):
        view = View.of(case())
        assert (view.position, view.height_mm) == (5, 5)

    def test_without_a_tumour_the_slice_is_the_brains(self):
        assert View.of(case(tumour=False)).position in range(SHAPE[2])

    def test_a_panel_has_the_shape_of_what_it_shows(self):
        view = View.of(case())
        assert view.window == (0, 40, 0, 30)
        assert view.scan(case().flair).size == view.size == (120, 90)

    def test_the_zoom_holds_the_tumour_in_a_panel_of_the_same_size(self):
        subject = case()
        view = View.of(subject)
        seg = np.zeros(SHAPE, bool)
        seg[28:33, 20:24, 5] = True
        zoom = view.zoomed(seg, margin_mm=2, at_least_mm=4)
        assert zoom.window == (25, 36, 18, 26)  # 8 high with the margin, so 11 wide where the view has 40 by 30
        assert zoom.plane(subject.seg).sum() == 2 * 20
        assert zoom.size == pytest.approx(view.size, abs=3)

    def test_a_zoom_stays_within_the_view_and_needs_something_to_show(self):
        view = View.of(case())
        corner = np.zeros(SHAPE, bool)
        corner[39, 29, 5] = True
        assert view.zoomed(corner, at_least_mm=20).window == (12, 40, 9, 30)
        assert view.zoomed(np.ones(SHAPE, bool)).window == view.window
        assert view.zoomed(np.zeros(SHAPE, bool)) is view


class TestColours:
    def test_agreement_misses_and_inventions_are_told_apart(self):
        view = View.of(case())
        ground = view.mask(np.zeros((30, 40), bool)).point([0] * 768)
        predicted, reference = np.zeros((30, 40), bool), np.zeros((30, 40), bool)
        predicted[:20], reference[10:] = True, True
        panel = np.asarray(tinted(ground, predicted, reference)).astype(int)
        for row, colour, opacity in ((15, INVENTED, 0.62), (45, AGREED, 0.32), (75, MISSED, 0.62)):
            assert panel[row, 60] == pytest.approx(opacity * np.array(colour), abs=2)

    def test_an_outline_is_drawn_on_a_copy(self):
        view = View.of(case())
        ground = view.scan(case().flair)
        mask = np.zeros((30, 40), bool)
        mask[10:20, 10:20] = True
        panel = outlined(ground, {REFERENCE: mask})
        assert REFERENCE in {colour for _, colour in panel.getcolors(2**16)}
        assert REFERENCE not in {colour for _, colour in ground.getcolors(2**16)}


@pytest.mark.parametrize(
    ("dice", "chosen"),
    [([0.9, 0.1, 0.5, 0.7, 0.8], [1, 3, 0]), ([0.9, None, 0.2], [2, 0]), ([0.4], [0]), ([None], []), ([], [])],
)
def test_examples_are_the_lowest_the_median_and_the_highest(dice, chosen):
    assert examples(dice) == chosen
