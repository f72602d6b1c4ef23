"""Where the tumour lies, in whatever orientation and spacing the scan is."""

from dataclasses import replace

import numpy as np
import pytest

from recoseg_hf.imaging.volume import Volume
from recoseg_hf.inference import Prediction
from recoseg_hf.inference.page.findings import location, location_rows, volumes
from recoseg_hf.inference.page.scene import Scene
from tests.factories import affine
from tests.inference.test_prediction import reoriented

SHAPE = (40, 44, 30)


def ellipsoid(centre, radii) -> np.ndarray:
    places = np.indices(SHAPE)
    return sum(((place - c) / r) ** 2 for place, c, r in zip(places, centre, radii, strict=True)) < 1


def scene(mask: np.ndarray, orientation="RAS", spacing=1.0) -> Scene:
    """A scene without scans, its brain an ellipsoid around (20, 22, 15)."""
    matrix = affine("RAS", (spacing,) * 3, (-8.0, 3.0, 5.0))
    brain = ellipsoid((20, 22, 15), (17, 19, 12)).astype(np.float32)
    given = {"mask": Volume(mask.astype(np.uint8), matrix), "probability": Volume(brain, matrix)}
    turned = {name: reoriented(volume, orientation) for name, volume in given.items()}
    return Scene.of(Prediction(**turned), None)


@pytest.fixture(scope="module")
def mask():
    return ellipsoid((28, 18, 19), (4.5, 5.5, 3.5))


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "PIL"])
def test_place_does_not_depend_on_orientation(mask, orientation):
    found = location(scene(mask, orientation))
    assert found["slices"] == {"first": 17, "last": 23, "most": 20, "count": 30}
    assert np.allclose(found["from_middle_mm"], (8, -4, 4))
    assert np.allclose(found["world_mm"], (-8 + 28, 3 + 18, 5 + 19))
    assert found["extent_mm"] == [9, 11, 7]
    assert found["right_share"] == 1


def test_place_in_words(mask):
    rows = location_rows(location(scene(mask)))
    assert rows["Side"] == "100% on the patient's right (of the middle of the brain's width)"
    assert rows["Axial slices"] == "17 to 23 of 30, counted from below; most in slice 20"
    assert rows["Centre, from the brain's middle"] == "8 mm to the right, 4 mm to the back, 4 mm up"
    assert rows["Extent"] == "9 mm across, 11 mm front to back, 7 mm high"
    assert rows["Centre, in scan coordinates"] == "+20, +21, +24 mm (right, front, top; RAS)"


def test_slices_are_counted_in_the_scan_and_lengths_in_mm(mask):
    found = location(scene(mask, "LPS", spacing=2.0))
    assert found["slices"] == {"first": 17, "last": 23, "most": pytest.approx(20, abs=1), "count": 30}
    assert np.allclose(found["from_middle_mm"], (16, -8, 8), atol=0.6)
    assert found["extent_mm"] == [18, 22, 14]


def test_a_tumour_in_the_middle():
    rows = location_rows(location(scene(ellipsoid((20, 22, 15), (5, 5, 5)))))
    assert rows["Centre, from the brain's middle"] == "less than 3 mm away"
    assert rows["Side"] == "half on either side (of the middle of the brain's width)"


def test_a_tumour_on_the_left():
    rows = location_rows(location(scene(ellipsoid((17, 22, 15), (5, 5, 5)))))
    assert rows["Side"].endswith("% on the patient's left (of the middle of the brain's width)")
    assert rows["Centre, from the brain's middle"] == "3 mm to the left"


def test_no_tumour_has_no_place():
    assert location(scene(np.zeros(SHAPE, bool))) is None


def test_volumes_are_the_reports():
    results = {"tumour_voxels": 12, "tumour_volume_ml": 1.5, "enhancing_tumour_volume_ml": 0.4}
    empty = Volume(np.zeros(SHAPE, np.uint8), np.eye(4))
    prediction = Prediction(empty, replace(empty, data=np.zeros(SHAPE, np.float32)), report={"results": results})
    assert [(volume["key"], volume["ml"]) for volume in volumes(prediction)] == [("wt", 1.5), ("et", 0.4)]
