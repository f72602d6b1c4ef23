"""The page in a real browser: it opens from disk, asks for nothing, and its slider, keys and switches work."""

import shutil

import pytest

from recoseg_hf.inference import predict_case, write_page
from tests.inference.cases import make_case

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def file(tiny_pipeline, tmp_path_factory):
    case = make_case()
    return write_page(predict_case(tiny_pipeline, case), case, tmp_path_factory.mktemp("page") / "page.html")


@pytest.fixture(scope="module")
def browser():
    driver = pytest.importorskip("playwright.sync_api").sync_playwright
    if not CHROMIUM:
        pytest.skip("no Chromium is installed")
    with driver() as running:
        opened = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield opened
        opened.close()


@pytest.fixture
def tab(browser, file):
    """The opened page; whatever went wrong in it, or was asked for beyond the file, fails the test."""
    found = browser.new_page(viewport={"width": 390, "height": 800})
    wrong = []
    found.on("pageerror", lambda error: wrong.append(str(error)))
    found.on("console", lambda message: wrong.append(message.text))
    found.on("request", lambda request: request.url.startswith("data:") or wrong.append(request.url))
    found.goto(file.as_uri())
    yield found
    found.close()
    assert wrong == [file.as_uri()]


def picture(tab, name: str) -> str:
    return tab.get_attribute(f".viewer figure[data-map={name}]:not(.large) image", "href")


def test_slices_follow_the_slider_and_the_keys(tab):
    slider, where = tab.locator("#slice"), tab.locator("#where")
    slider.evaluate("element => { element.value = 0; element.dispatchEvent(new Event('input')); }")
    lowest = picture(tab, "t1ce")
    assert where.inner_text().startswith("2 of 9 (z +6 mm")
    tab.locator("h1").click()
    tab.keyboard.press("ArrowRight")
    assert where.inner_text().startswith("3 of 9 (z +7 mm")
    assert picture(tab, "t1ce") != lowest
    tab.keyboard.press("ArrowLeft")
    assert picture(tab, "t1ce") == lowest
    assert slider.get_attribute("aria-valuetext") == where.inner_text()


def test_outlines_switch_on_and_off(tab):
    shown = "getComputedStyle(document.querySelector('.viewer figure{} path.wt').parentNode).display"
    assert tab.evaluate(shown.format("[data-map=t1ce]")) == "none"
    tab.check("#everywhere")
    assert tab.evaluate(shown.format("[data-map=t1ce]")) == "inline"
    tab.uncheck("[data-shows=wt]")
    paths = tab.locator(".viewer path.wt").evaluate_all("paths => paths.map(path => path.style.display)")
    assert set(paths) == {"none"}


def test_a_picture_is_shown_large_and_nothing_is_wider_than_a_phone(tab):
    tab.click(".viewer figure[data-map=residual] button")
    assert tab.locator(".viewer figure.large").count() == 1
    assert tab.locator(".viewer figure.large").get_attribute("data-map") == "residual"
    assert tab.get_attribute(".viewer figure.large button", "aria-pressed") == "true"
    assert tab.evaluate("document.documentElement.scrollWidth") == 390


def test_paper_gets_the_sheet_in_place_of_the_viewer(tab):
    assert tab.locator(".sheet").is_hidden()
    tab.emulate_media(media="print")
    assert tab.locator(".sheet").is_visible()
    assert tab.locator(".viewer").is_hidden()
