"""The overview picture: the right slices, the right way round, legible whatever is missing."""

from dataclasses import replace

import numpy as np
import pytest

from recoseg_hf.imaging.volume import Volume
from recoseg_hf.inference import Prediction, draw_overview
from recoseg_hf.inference.drawing import draw_outline, grey, heat, heat_bar, radiological
from recoseg_hf.inference.views import choose_slices
from tests.inference.cases import SHAPE, make_case
from tests.inference.test_prediction import reoriented

REPORT = {
    "subject": "sub-01",
    "model": {"name": "tiny"},
    "settings": {
        "residual_source": "measured",
        "num_inference_steps": 2,
        "scheduler": "DDIMScheduler",
        "mask_threshold": 0.5,
        "seed": 0,
    },
    "results": {"tumour_volume_ml": 0.1},
}


@pytest.fixture(scope="module")
def case():
    return make_case()


@pytest.fixture(scope="module")
def prediction(case) -> Prediction:
    mask = np.zeros(SHAPE, np.uint8)
    mask[12:16, 8:14, 3:6] = 1
    soft = Volume(case.flair.data / 500, case.flair.affine)
    return Prediction(Volume(mask, case.flair.affine), soft, t1ce=case.t1ce, residual=soft, report=REPORT)


def turned(volume: Volume | None, orientation: str) -> Volume | None:
    return None if volume is None else reoriented(volume, orientation)


def test_slices_lie_through_the_tumour():
    mask = np.zeros((10, 10, 60), bool)
    mask[2:8, 2:8, 20:41] = True
    mask[1:9, 1:9, 33] = True
    assert choose_slices(mask, np.ones_like(mask)) == [37, 33, 24]


def test_slices_of_a_flat_tumour_are_apart():
    mask = np.zeros((10, 10, 60), bool)
    mask[2:8, 2:8, 30:32] = True
    assert choose_slices(mask, np.ones_like(mask)) == [34, 30, 26]


def test_slices_without_tumour_are_central():
    brain = np.zeros((10, 10, 60), bool)
    brain[2:8, 2:8, 10:50] = True
    low, middle, high = choose_slices(np.zeros_like(brain), brain)[::-1]
    assert 10 < low < middle < high < 49
    assert middle == 29


def test_slices_stay_inside_a_thin_volume():
    mask = np.ones((4, 4, 2), bool)
    assert choose_slices(mask, mask) == [1, 0]


def test_view_is_radiological():
    axial = np.zeros((3, 4))  # (X to the right, Y to the front)
    axial[2, 3] = 1  # right and front
    axial[0, 0] = 2  # left and back
    assert radiological(axial)[0, 0] == 1
    assert radiological(axial)[3, 2] == 2


def test_grey_and_heat_span_their_window():
    ramp = np.tile(np.linspace(-1, 3, 5), (5, 1))
    levels = np.asarray(grey(ramp, (0, 2), (5, 5)))
    assert levels[0, :, 0].tolist() == [0, 0, 127, 255, 255]
    colours = np.asarray(heat(ramp, 2, (5, 5))).astype(int)
    assert colours[0, 0].tolist() == [0, 0, 4]
    assert (np.diff(colours[0].sum(axis=1)) >= 0).all()
    bar = np.asarray(heat_bar((3, 100)))
    assert bar[-1, 0].tolist() == [0, 0, 4]
    assert bar[0].astype(int).sum() > bar[-1].astype(int).sum()


@pytest.mark.parametrize("scale", [0.8, 1, 1.9, 8])
def test_outline_is_not_filled(scale):
    mask = np.zeros((30, 30), bool)
    mask[8:22, 8:22] = True
    image = grey(np.zeros((30, 30)), (0, 1), (round(30 * scale),) * 2)
    draw_outline(image, mask, (255, 200, 0))
    red = np.asarray(image)[..., 0]
    middle, edge = round(15 * scale), round(8 * scale)
    assert red[middle, middle] == 0
    assert red[: round(5 * scale)].max() == 0
    assert red[middle, edge - 2 : edge + 2].max() > 100
    assert 2 <= (red[middle] > 100).sum() <= 12


def test_picture_is_wide_dark_and_shows_every_panel(case, prediction):
    picture = draw_overview(case, prediction)
    assert picture.width == 1600
    pixels = np.asarray(picture)
    assert pixels[:10].max() < 32
    assert (np.ptp(pixels.astype(int), axis=2) > 80).any()  # outline and heat map are in colour


def test_orientation_changes_no_pixel(case, prediction):
    volumes = {name: turned(volume, "PIL") for name, volume in case.volumes().items()}
    maps = {name: turned(getattr(prediction, name), "PIL") for name in ("mask", "probability", "t1ce", "residual")}
    picture = draw_overview(replace(case, **volumes), replace(prediction, **maps))
    assert np.array_equal(np.asarray(picture), np.asarray(draw_overview(case, prediction)))


def test_tumour_on_the_patients_left_is_on_the_right_of_the_image(case, prediction):
    yellow = []
    for side in (slice(4, 7), slice(13, 16)):  # the patient's left (x small in RAS), then right
        mask = np.zeros(SHAPE, np.uint8)
        mask[side, 10:13, 3:6] = 1
        picture = np.asarray(draw_overview(case, replace(prediction, mask=Volume(mask, case.flair.affine))))
        marked = (np.abs(picture[130:].astype(int) - (255, 204, 0)).sum(axis=2) < 60).nonzero()
        yellow.append(marked[1].mean())
    assert yellow[0] > yellow[1] + 20


@pytest.mark.parametrize(
    "missing",
    [{"t1ce": None}, {"residual": None}, {"t1ce": None, "residual": None}],
)
def test_missing_maps_leave_a_frame(case, prediction, missing):
    picture = draw_overview(case, replace(prediction, **missing))
    assert picture.size == draw_overview(case, prediction).size


def test_missing_t1ce_and_a_reference_are_shown(case, prediction):
    with_reference = replace(case, t1ce=None, seg=prediction.mask)
    picture = np.asarray(draw_overview(with_reference, replace(prediction, mask=Volume(
        np.zeros(SHAPE, np.uint8), case.flair.affine
    ))))  # fmt: skip
    blue = np.abs(picture[130:].astype(int) - (70, 190, 255)).sum(axis=2) < 60
    assert blue.any()
