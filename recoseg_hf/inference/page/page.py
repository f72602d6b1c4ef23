"""The page of one case: one file that asks nothing of anybody, in light and dark, on a phone and on paper."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recoseg_hf.files import atomic_write
from recoseg_hf.inference.page.findings import location, location_rows, volumes
from recoseg_hf.inference.page.provenance import provenance
from recoseg_hf.inference.page.scene import Scene
from recoseg_hf.inference.page.slices import SlicePainter, bar_uri, shown_positions, tumour_profile
from recoseg_hf.inference.report import volume_ml
from recoseg_hf.inference.views import RESIDUAL_CAPTIONS

if TYPE_CHECKING:
    from recoseg_hf.imaging.case import Case
    from recoseg_hf.inference.prediction import Prediction

_TEMPLATE, _STYLE, _SCRIPT = "page.html.jinja", "page.css", "viewer.js"
_OUTLINES = {"wt": "Whole tumour", "tc": "Core", "et": "Enhancing", "reference": "Reference"}


def write_page(prediction: Prediction, case: Case | None, file: str | Path, scene: Scene | None = None) -> Path:
    """Write a case's result as one HTML page that needs no other file and no network.

    It shows the warnings, the volumes, where the tumour lies, every slice of the brain with the mask's outlines, and
    how the result came about. The same prediction and case always give the same bytes. It names the subject as
    `prediction.report` does, and no path, but it shows the scans: it belongs where they may be.

    Args:
        prediction: what is shown; its report too.
        case: as given to `predict_case`; None leaves the measured scans out of the pictures.
        file: to write, `.html`.
        scene: `Scene.of` these two, where it is at hand.

    Returns:
        The file.

    Raises:
        OSError: it cannot be written.
    """
    page = render_page(prediction, case, scene)
    file = Path(file)
    with atomic_write(file) as temporary:
        temporary.write_text(page, encoding="utf-8", newline="\n")
    return file


def render_page(prediction: Prediction, case: Case | None = None, scene: Scene | None = None) -> str:
    """Return the page that `write_page` writes."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    here = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(here), undefined=StrictUndefined, autoescape=True, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    script = (here / _SCRIPT).read_text(encoding="utf-8")
    values = _values(prediction, case, scene or Scene.of(prediction, case))
    return environment.get_template(_TEMPLATE).render(
        values,
        style=Markup((here / _STYLE).read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=_csp_hash(script),
        data=Markup(_inline_json(values["viewer"])),
    )


def _values(prediction: Prediction, case: Case | None, scene: Scene) -> dict[str, Any]:
    report, source = prediction.report, prediction.report["settings"]["residual_source"]
    positions, painter = shown_positions(scene), SlicePainter(scene)
    drawn = {position: painter.slice(position) for position in positions}
    sheet = [drawn.get(position) or painter.slice(position) for position in scene.key_positions]
    profile, found = tumour_profile(scene, positions), location(scene)
    return {
        "subject": report["subject"],
        "model": report["model"]["name"],
        "version": report["versions"]["recoseg_hf"],
        "warnings": report["warnings"],
        "threshold": report["settings"]["mask_threshold"],
        "volumes": _volumes(prediction, case),
        "place": location_rows(found) if found else None,
        "panels": _panels(scene, source),
        "regions": [{"key": key, "title": _OUTLINES[key]} for key in _OUTLINES if key in scene.regions],
        "size": scene.size,
        "opening": drawn[scene.key_position],
        "opening_index": positions.index(scene.key_position),
        "every": positions[1] - positions[0] if len(positions) > 1 else 1,
        "sheet": sheet,
        "slice_count": scene.own_shape[2],
        "profile": profile,
        "profile_path": _hills(profile),
        "bar": bar_uri(),
        "limit": painter.heat_limit,
        "residual_words": RESIDUAL_CAPTIONS[source],
        "has_synthetic": prediction.t1ce is not None,
        "has_inner": "tc" in scene.regions,
        "has_reference": "reference" in scene.regions,
        "provenance": provenance(report),
        "viewer": {"slices": [*drawn.values()], "count": scene.own_shape[2], "profile": profile},
    }


def _volumes(prediction: Prediction, case: Case | None) -> list[dict[str, Any]]:
    found = volumes(prediction)
    if case is not None and case.seg is not None:
        title, note = "Reference", "Whole tumour, as given with the case"
        found.append({"key": "reference", "title": title, "note": note, "ml": volume_ml(case.seg.data != 0, case.seg)})
    return found


def _panels(scene: Scene, source: str) -> list[dict[str, Any]]:
    """Name the pictures of a slice, from left to right; the last has the outlines always."""
    columns = {
        "flair": ("FLAIR", "as given", ""),
        "t1ce": ("T1ce", "as given", ""),
        "synthetic": ("Synthetic T1ce", "computed, not measured", "SYNTHETIC"),
        "residual": ("Residual", RESIDUAL_CAPTIONS[source], ""),
        "probability": ("Probability", "of whole tumour, 0 to 1", ""),
    }
    shown = [
        {"map": name, "title": title, "caption": caption, "mark": mark, "outlined": False}
        for name, (title, caption, mark) in columns.items()
        if name in scene.maps
    ]
    ground = next(panel for panel in shown if panel["map"] in ("flair", "synthetic", "probability"))
    outlined = {"title": "Mask", "caption": f"outlines on {ground['title']}", "outlined": True}
    return [*shown, ground | outlined]


def _hills(profile: Sequence[float]) -> str:
    """Return the tumour's area along the slices as a path in a box one high, one wide for each slice."""
    top = max(profile) or 1.0
    points = "".join(f"L{place + 0.5:g} {1 - area / top:.3g}" for place, area in enumerate(profile))
    return f"M.5 1{points}L{len(profile) - 0.5:g} 1z"


def _csp_hash(script: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode('ascii')}"


def _inline_json(values: Any) -> str:
    """Return JSON that nothing in it can end the script element early."""
    return json.dumps(values, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
