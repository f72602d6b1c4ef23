"""The page: all of it in one file, the same bytes every time, and nothing taken for what it is not."""

import base64
import hashlib
import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from recoseg_hf.imaging.volume import Volume
from recoseg_hf.inference import predict_case, write_page
from recoseg_hf.inference.page import render_page
from tests.inference.cases import SHAPE, make_case
from tests.pages import Page


@pytest.fixture(scope="module")
def case():
    return make_case()


@pytest.fixture(scope="module")
def prediction(tiny_pipeline, case):
    """A tiny model's, with a mask and labels of known shape in place of its own."""
    mask = np.zeros(SHAPE, np.uint8)
    mask[12:16, 8:14, 3:6] = 1
    labels = mask * 2
    labels[13:15, 9:12, 4] = 4
    made = predict_case(tiny_pipeline, case)
    results = {"tumour_voxels": 72, "tumour_volume_ml": 0.072, "tumour_core_volume_ml": 1.25}
    results |= {"enhancing_tumour_volume_ml": 0.006}
    grid = case.flair.affine
    return replace(
        made, mask=Volume(mask, grid), labels=Volume(labels, grid), report=made.report | {"results": results}
    )


@pytest.fixture(scope="module")
def html(prediction, case):
    return render_page(prediction, case)


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def viewer_of(html: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', html)[1])


def picture(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.split(",")[1])))


def test_it_is_one_whole_file_that_asks_for_nothing(html, page):
    assert not page.open
    assert "http" not in html.replace("http-equiv", "")
    policy = next(tag["content"] for tag in page.all("meta") if "content" in tag and "default-src" in tag["content"])
    script = html.rsplit("<script>", 1)[1].split("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy.startswith("default-src 'none'")
    assert f"script-src 'sha256-{digest}'" in policy
    links = [value for _, tag in page.tags for name, value in tag.items() if name in ("src", "href")]
    assert links
    assert all(link.startswith("data:image/") for link in links)


def test_the_same_result_gives_the_same_bytes(prediction, case, html, tmp_path):
    file = write_page(prediction, case, tmp_path / "new" / "page.html")
    assert file.read_bytes() == html.encode()
    later = replace(prediction, report=prediction.report | {"seconds": {"read": 9.9}})
    assert render_page(later, case) == html


def test_it_says_what_was_found_and_how(page, prediction):
    text = re.sub(r"\s+", " ", " ".join(page.text))
    report = prediction.report
    for said in (
        "Not a medical device", "Whole tumour 0.1 mL", "Tumour core 1.2 mL", "4 to 6 of 9, counted from below",
        "4 mm across, 6 mm front to back, 3 mm high", report["model"]["weights_sha256"], "DDIMScheduler, v_prediction",
        f"torch {report['versions']['torch']}", "20 x 22 x 9 voxels of 1 x 1 x 1 mm, axes RAS",
    ):  # fmt: skip
        assert said in text
    assert page.all("title") == [{}]
    assert "sub-01: tumour segmentation (research only)" in text


def test_warnings_come_before_the_result(prediction, case):
    report = prediction.report | {"warnings": ["No T1ce was given & <that> matters."]}
    html = render_page(replace(prediction, report=report), case)
    assert html.index("No T1ce was given &amp; &lt;that&gt; matters.") < html.index(">Result<")


def test_every_slice_of_the_brain_is_there_and_the_first_shown_has_most_tumour(html, page):
    viewer = viewer_of(html)
    assert [shown["own"] for shown in viewer["slices"]] == list(range(2, 9))  # an ellipsoid of 9 slices
    assert viewer["count"] == 9
    assert viewer["profile"] == [0, 0, 0.24, 0.24, 0.24, 0, 0]
    slider = next(tag for tag in page.all("input") if tag["type"] == "range")
    assert (slider["value"], slider["max"]) == ("2", "6")
    assert viewer["slices"][3]["outlines"].keys() == {"wt", "tc", "et"}
    assert viewer["slices"][0]["outlines"] == {}
    assert {name for shown in viewer["slices"] for name in shown["pictures"]} == {
        "flair", "t1ce", "synthetic", "residual",
    }  # fmt: skip


def test_thick_slices_are_shown_once(prediction, case):
    stretched = np.diag([1.0, 1.0, 4.0, 1.0])
    volumes = {name: Volume(volume.data, stretched) for name, volume in case.volumes().items()}
    maps = {name: Volume(getattr(prediction, name).data, stretched) for name in ("mask", "labels", "t1ce", "residual")}
    viewer = viewer_of(render_page(replace(prediction, **maps), replace(case, **volumes)))
    assert [shown["own"] for shown in viewer["slices"]] == list(range(2, 10))  # interpolation widens the brain


def test_pictures_hold_pixels_alone_and_colour_only_the_residual(html):
    pictures = {name: picture(uri) for name, uri in viewer_of(html)["slices"][3]["pictures"].items()}
    assert {name: image.mode for name, image in pictures.items()} == {
        "flair": "L", "t1ce": "L", "synthetic": "L", "residual": "RGB",
    }  # fmt: skip
    assert not any(image.getexif() or "comment" in image.info for image in pictures.values())


def test_the_synthetic_picture_is_marked_wherever_it_is_shown(page):
    shown = sum("Synthetic T1ce" in (tag.get("aria-label") or "") for tag in page.all("svg"))
    assert shown == page.text.count("SYNTHETIC") > 1


def test_right_is_on_the_left(prediction, case):
    bright = np.zeros(SHAPE, np.float32)
    bright[5:, 5:17, 2:7] = 100
    bright[15:, 5:17, 2:7] = 900  # the patient's right
    scan = Volume(bright, case.flair.affine)
    viewer = viewer_of(render_page(prediction, replace(case, flair=scan, t1=scan, t2=scan, t1ce=None)))
    shown = np.asarray(picture(viewer["slices"][2]["pictures"]["flair"])).astype(int)
    left, right = np.array_split(shown, 2, axis=1)
    assert left.mean() > right.mean() + 50


def test_without_tumour_it_says_so(prediction, case):
    empty = Volume(np.zeros(SHAPE, np.uint8), case.flair.affine)
    html = render_page(replace(prediction, mask=empty, labels=None), case)
    assert "No tumour was found." in html
    assert "That does not show that there is none." in html
    assert viewer_of(html)["profile"] == [0] * 7


@pytest.mark.parametrize(
    ("missing", "maps"),
    [
        ({"t1ce": None}, {"flair", "t1ce", "residual"}),
        ({"residual": None}, {"flair", "t1ce", "synthetic"}),
        ({"t1ce": None, "residual": None, "labels": None}, {"flair", "t1ce"}),
    ],
)
def test_a_model_that_makes_less(prediction, case, missing, maps):
    html = render_page(replace(prediction, **missing), case)
    assert viewer_of(html)["slices"][0]["pictures"].keys() == maps
    assert not Page(html).open


def test_without_scans_the_result_alone_is_shown(prediction):
    html = render_page(prediction, None)
    assert viewer_of(html)["slices"][0]["pictures"].keys() == {"synthetic", "residual"}
    assert "outlines on Synthetic T1ce" in html
    bare = render_page(replace(prediction, t1ce=None, residual=None), None)
    assert viewer_of(bare)["slices"][0]["pictures"].keys() == {"probability"}


def test_a_reference_is_outlined_and_measured(prediction, case):
    html = render_page(prediction, replace(case, seg=prediction.mask))
    assert "reference" in viewer_of(html)["slices"][3]["outlines"]
    assert "Whole tumour, as given with the case" in html


def test_a_name_cannot_end_the_script(prediction, case):
    report = prediction.report | {"subject": "</script><b>x"}
    html = render_page(replace(prediction, report=report), case)
    assert "</script><b>" not in html
