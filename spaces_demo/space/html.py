"""What a result looks like on the page: volumes, and a slice of each map with the mask's outlines."""

from __future__ import annotations

import base64
import functools
import io
from html import escape
from typing import Any

from PIL import Image

from recoseg_hf.inference.browsing import SliceBrowser
from recoseg_hf.inference.drawing import heat_bar
from recoseg_hf.inference.report import volume_ml
from recoseg_hf.inference.views import RESIDUAL_CAPTIONS
from space.session import Result

_SCALE_BAR_MM = 50
_VOLUMES = {
    "wt": ("Whole tumour", "core and oedema", "tumour_volume_ml"),
    "tc": ("Tumour core", "enhancing tumour and what it encloses", "tumour_core_volume_ml"),
    "et": ("Enhancing tumour", "takes up contrast agent", "enhancing_tumour_volume_ml"),
}
_OUTLINES = {"wt": "whole tumour", "tc": "core", "et": "enhancing", "reference": "simulated truth"}
_SOURCES = {
    "measured": "The residual is the difference between the synthetic and the given T1ce.",
    "ensemble": "The residual is the spread over {samples} synthetic T1ce.",
    "none": "The segmentation did without a residual (source: none).",
}


_ENDED = {
    None: "<b>Being refined</b>",
    "stable": "Refined until the mask was stable",
    "time": "Refined for as long as there was time",
    "rounds": "Refined as far as it goes",
}


def summary(result: Result) -> str:
    """Say how much tumour there is, where the residual came from, and what to beware of."""
    report = result.prediction.report
    settings = report["settings"]
    cards = [
        _card(key, title, report["results"][name], note)
        for key, (title, note, name) in _VOLUMES.items()
        if name in report["results"]
    ]
    if result.case.seg is not None:
        truth = volume_ml(result.case.seg.data != 0, result.case.seg)
        cards.append(_card("reference", "Simulated truth", truth, "whole tumour, as simulated"))
    source = _SOURCES[settings["residual_source"]].format(samples=settings["num_samples"])
    if result.case.t1ce is None:
        source = f"No T1ce was given. {source}"
    made = [f"Model {report['model']['name']}", f"threshold {settings['mask_threshold']:g}"]
    if settings["num_inference_steps"]:
        made.append(_steps(settings["num_inference_steps"]))
    made.append(f"seed {settings['seed']}")
    rounds = _refinement(report.get("refinement"))
    warnings = "".join(f"<li>{escape(text)}</li>" for text in report["warnings"])
    return (
        f'<section class="summary" aria-label="Result" aria-live="polite"><ul class="volumes">{"".join(cards)}</ul>'
        f'<p class="made">{escape(source)} {escape(" · ".join(made))}.</p>{rounds}'
        + (f'<ul class="warnings">{warnings}</ul>' if warnings else "")
        + "</section>"
    )


def _refinement(told: dict[str, Any] | None) -> str:
    """Say how far a result is that is refined in rounds; nothing of another."""
    if told is None:
        return ""
    last = told["rounds"][-1]
    said = [_ENDED[told["ended"]]]
    if last["steps"]:
        counts = [_steps(last["steps"])]
        counts += [f"{last['samples']} samples"] if last["samples"] > 1 else []
        said.append(f"{', '.join(counts)}, {last['seconds']:.1f} s")
    if last["dice"] is not None:
        said.append(f"Dice {last['dice']:.3f} to the mask before")
    busy = ' aria-busy="true"' if told["ended"] is None else ""
    return f'<p class="rounds"{busy}>{" · ".join(said)}.</p>'


def _steps(count: int) -> str:
    return f"{count} step{'s'[: count != 1]}"


def _card(key: str, title: str, millilitres: float, note: str) -> str:
    number = f"<b>{millilitres:.1f} <small>mL</small></b>"
    return f'<li class="{key}"><span>{title}</span>{number}<small>{note}</small></li>'


def panels(result: Result, position: int) -> str:
    """Show one axial slice of every map side by side, `position` counted from 0 at the bottom of the brain."""
    browser = result.browser
    outlines = browser.outlines(position)
    shown = [
        _panel(browser, position, "flair", "flair", "FLAIR", "as given"),
        _given_t1ce(browser, position),
        _synthetic(browser, position),
        _residual(result, position),
        _panel(browser, position, "mask", "flair", "Mask outline", "on FLAIR", outlines=outlines),
    ]
    place = (
        f"Slice {browser.own_slices[position]} of {browser.own_count} · height {browser.height_mm(position):+.0f} mm"
    )
    keys = "".join(f'<span class="key {name}">{_OUTLINES[name]}</span>' for name in browser.regions)
    return (
        f'<section class="slices" aria-label="Axial slice"><p class="place"><b>{place}</b>'
        f'<span class="legend">{keys}</span></p><div class="panels">{"".join(shown)}</div></section>'
    )


def _given_t1ce(browser: SliceBrowser, position: int) -> str:
    if "t1ce" not in browser.levels:
        return _empty("T1ce", "not given")
    return _panel(browser, position, "t1ce", "t1ce", "T1ce", "as given")


def _synthetic(browser: SliceBrowser, position: int) -> str:
    if "synthetic" not in browser.levels:
        return _empty("Synthetic T1ce", "this model makes none")
    return _panel(
        browser, position, "synthetic", "synthetic", "Synthetic T1ce", "computed, not measured", stamp="SYNTHETIC"
    )


def _residual(result: Result, position: int) -> str:
    browser = result.browser
    if "residual" not in browser.levels:
        return _empty("Residual", "not used")
    caption = RESIDUAL_CAPTIONS[result.prediction.report["settings"]["residual_source"]]
    bar = f'<div class="bar"><span>0</span><img src="{_bar()}" alt=""><span>{browser.limit:.2f}</span></div>'
    return _panel(browser, position, "residual", "residual", "Residual", caption, below=bar)


def _panel(
    browser: SliceBrowser,
    position: int,
    kind: str,
    name: str,
    title: str,
    caption: str,
    *,
    outlines: dict[str, str] | None = None,
    stamp: str = "",
    below: str = "",
) -> str:
    width, height = browser.size
    alt = f"{title}, axial slice {browser.own_slices[position]}"
    paths = "".join(f'<path class="outline {region}" d="{path}"/>' for region, path in (outlines or {}).items())
    lines = f'<svg viewBox="0 0 {2 * width} {2 * height}" aria-hidden="true">{paths}</svg>' if paths else ""
    return (
        f'<figure class="panel {kind}">'
        f"<figcaption>{_enlarger(kind, title)}<small>{escape(caption)}</small></figcaption>"
        f'<div class="frame" style="aspect-ratio:{width}/{height}">'
        f'<img src="{_data_uri(browser.picture(name, position))}" alt="{escape(alt)}">{lines}'
        '<i class="side right">R</i><i class="side left">L</i><i class="side front">A</i><i class="side back">P</i>'
        + (f'<i class="stamp">{stamp}</i>' if stamp else "")
        + f'<i class="scale" style="width:{100 * _SCALE_BAR_MM / width:.1f}%">{_SCALE_BAR_MM // 10} cm</i></div>'
        f"{below}</figure>"
    )


def _enlarger(kind: str, title: str) -> str:
    """Return a title that enlarges its picture; which is large is kept beside the pictures, for the next slice."""
    toggle = f"const all=document.getElementById('panels');all.dataset.large=all.dataset.large==='{kind}'?'':'{kind}'"
    return f'<button type="button" title="Enlarge or reduce" onclick="{toggle}">{title}</button>'


def _empty(title: str, reason: str) -> str:
    return (
        f'<figure class="panel absent"><figcaption>{title}<small>{reason}</small></figcaption>'
        f'<div class="frame"><p>{reason}</p></div></figure>'
    )


def _data_uri(image: Image.Image) -> str:
    """Return a picture without loss; level 1 takes a third of the time and little more room."""
    stream = io.BytesIO()
    image.save(stream, format="PNG", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(stream.getvalue()).decode('ascii')}"


@functools.cache
def _bar() -> str:
    return _data_uri(heat_bar((8, 256)).rotate(-90, expand=True))
