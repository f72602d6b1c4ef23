"""Seconds from the click on "Try the simulated example" to the mask and to the 3D view, in a real browser.

    python benchmarks/measure_space.py --runs 3 --output benchmarks/results/space.json

Needs the `dev` extra and a Chromium (`CHROMIUM` names one; by default /usr/bin/chromium), on the same cores.
"""

import argparse
import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from recoseg_hf.files import write_json

APP = Path(__file__).resolve().parents[1] / "spaces_demo" / "app.py"
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
OPTIONS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--use-gl=angle",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
]
LONG = 600_000  # ms


@contextlib.contextmanager
def running_space() -> Iterator[tuple[str, float]]:
    """Start the Space; its address, and the seconds until it answered."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, str(APP)], env=os.environ | {"GRADIO_SERVER_PORT": str(port)})
    try:
        url = f"http://127.0.0.1:{port}/"
        while True:
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except (urllib.error.URLError, TimeoutError):
                if process.poll() is not None:
                    raise RuntimeError("the Space did not start; its own words are above") from None
                time.sleep(0.2)
        yield url, time.perf_counter() - started
    finally:
        process.terminate()
        process.wait(timeout=60)


def click_once(browser: Browser, url: str) -> dict[str, float]:
    """One visit: seconds from the click to the mask and to the 3D view."""
    with visit(browser, url) as page:
        started = time.perf_counter()
        page.click("#example")
        page.wait_for_selector("#panels path.wt", state="attached")
        mask = time.perf_counter() - started
        page.wait_for_selector("canvas[data-volumes]")
        return {"mask": mask, "viewer": time.perf_counter() - started}


def move_once(browser: Browser, url: str) -> dict[str, float]:
    """One visit without the 3D view, drawn by the processor where there is no graphics card: seconds a key takes."""
    with visit(browser, url, without="**/niivue.umd.js") as page:
        page.click("#example")
        page.wait_for_selector("#panels path.wt", state="attached")
        return _press_keys(page)


@contextlib.contextmanager
def visit(browser: Browser, url: str, without: str | None = None) -> Iterator[Page]:
    """Open the page; `without` is what it asks for in vain."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    page.set_default_timeout(LONG)
    if without:
        page.route(without, lambda route: route.abort())
    page.goto(url)
    page.wait_for_selector("#example")
    yield page
    page.close()


def _press_keys(page: Page) -> dict[str, float]:
    slice_seconds = _until_changed(page, "#panels .place b", lambda: page.keyboard.press("ArrowRight"), "#slice")
    threshold_seconds = _until_changed(
        page, "#summary .wt b", lambda: [page.keyboard.press("ArrowRight") for _ in range(5)], "#threshold"
    )
    return {"next_slice": slice_seconds, "new_threshold": threshold_seconds}


def _until_changed(page, selector: str, act, slider: str) -> float:
    page.locator(f"{slider} input[type=range]").focus()
    before = page.inner_text(selector)
    started = time.perf_counter()
    act()
    page.wait_for_function(
        "([selector, before]) => document.querySelector(selector).innerText !== before", arg=[selector, before]
    )
    return time.perf_counter() - started


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with running_space() as (url, to_start), sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        runs = [click_once(browser, url) | move_once(browser, url) for _ in range(options.runs)]
        browser.close()
    result = {
        "runs": options.runs,
        "seconds_to_start": to_start,
        "seconds_median": {name: statistics.median(run[name] for run in runs) for name in runs[0]},
        "seconds": runs,
        "cores": len(os.sched_getaffinity(0)),
        "load_before": load,  # processes that wanted a core in the minute before: 0 on an idle machine
    }
    write_json(options.output, result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
