"""The Space as a person uses it, in a real browser: skipped where there is none (`CHROMIUM` names one)."""

import gzip
import os
from contextlib import contextmanager
from pathlib import Path

import nibabel as nib
import pytest

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
# WebGL in software: machines that run tests have no screen.
OPTIONS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]
LONG = 120_000  # ms; the machine may be busy

pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason=f"no browser at {CHROMIUM}")


@pytest.fixture(scope="module")
def chromium():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=str(CHROMIUM), args=OPTIONS)
        yield browser
        browser.close()


@contextmanager
def visitor(chromium, space, **settings):
    """A page that has loaded, and fails if it asks anybody else for anything or breaks."""
    asked, broken = [], []
    page = chromium.new_page(**settings)
    page.set_default_timeout(LONG)
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: broken.append(str(error)))
    page.goto(space.url)
    page.wait_for_selector("#example")
    yield page
    page.close()
    assert [url for url in asked if not url.startswith((space.url, "data:", "blob:"))] == []
    assert not broken


def wait_for_another(page, selector: str, text: str) -> None:
    changed = "([selector, text]) => document.querySelector(selector).innerText !== text"
    page.wait_for_function(changed, arg=[selector, text])


def test_from_upload_to_download(chromium, space):
    with visitor(chromium, space, viewport={"width": 1280, "height": 900}) as page:
        page.click("#segment")
        toast = page.wait_for_selector(".toast-body")
        assert "FLAIR file: no file was given" in toast.inner_text()
        page.locator(".toast-close").first.click()
        for name, file in space.case.items():
            page.set_input_files(f"#file_{name} input[type=file]", file)
            page.wait_for_selector(f"#file_{name} .file-preview")
        page.click("#segment")
        page.wait_for_selector("#panels .panel")
        assert page.locator("#panels .panel").count() == 5
        assert page.locator("#panels .mask path.wt").count() == 1
        volume = page.inner_text("#summary .wt b")
        place = page.inner_text("#panels .place b")
        page.wait_for_selector("canvas[data-volumes='3']")

        page.locator("#slice input[type=range]").focus()
        page.keyboard.press("ArrowRight")
        wait_for_another(page, "#panels .place b", place)

        number = page.locator("#threshold input[type=number]")
        number.fill("0.5")
        number.press("Enter")
        wait_for_another(page, "#summary .wt b", volume)
        assert "threshold 0.5" in page.inner_text("#summary")

        page.click("#prepare")
        link = page.locator("#downloads a[download='case_mask.nii.gz']")
        with page.expect_download() as download:
            link.click()
        mask = nib.Nifti1Image.from_bytes(gzip.decompress(Path(download.value.path()).read_bytes()))
        assert f"{mask.dataobj[...].sum() / 1000:.1f}" == page.inner_text("#summary .wt b").split()[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_it_without_scrolling_sideways(chromium, space, scheme):
    with visitor(chromium, space, viewport={"width": 390, "height": 844}, color_scheme=scheme) as page:
        page.click("#example")
        page.wait_for_selector("#panels .panel")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.locator("#panels .mask").bounding_box()["width"] > 300
        dark = page.evaluate("document.body.classList.contains('dark')")
        assert dark == (scheme == "dark")


_WATCH = """() => {
  window.seen = [];
  new MutationObserver(() => {
    const shown = document.querySelector('#summary .rounds')?.innerText;
    if (shown && shown !== window.seen.at(-1)) window.seen.push(shown);
  }).observe(document.getElementById('summary'), { childList: true, subtree: true, characterData: true });
}"""


def test_a_refined_result_is_seen_early_and_then_better(chromium, space):
    with visitor(chromium, space, viewport={"width": 1280, "height": 900}) as page:
        page.click("#settings button")
        page.check("#refine input")
        page.evaluate(_WATCH)
        page.click("#example")
        page.wait_for_selector("#summary .rounds:not([aria-busy])")
        seen = page.evaluate("window.seen")
        assert seen[0].startswith("Being refined · 1 step, ")
        assert len(seen) > 2
        assert all(text.startswith("Being refined · ") for text in seen[:-1])
        assert seen[-1].startswith("Refined until the mask was stable · ")
        page.wait_for_selector("canvas[data-volumes='3']")
        assert page.locator("#panels .panel").count() == 5
        steps = seen[-1].removeprefix("Refined until the mask was stable · ").split(",")[0]
        assert f" · {steps} · " in page.inner_text("#summary .made")

        page.uncheck("#refine input")
        page.click("#example")
        page.wait_for_selector("#summary .rounds", state="detached")
        assert page.locator("#panels .panel").count() == 5
