"""The 3D viewer: NiiVue, shipped with the Space, fed with small volumes inside the page itself."""

from __future__ import annotations

import base64
import json
import tempfile
from pathlib import Path

from recoseg_hf import Volume, write_volume
from recoseg_hf.inference.browsing import SliceBrowser
from space.settings import HERE, STATIC

TITLES = {"flair": "FLAIR", "t1ce": "T1ce", "synthetic": "Synthetic T1ce"}

TEMPLATE = (HERE / "space" / "viewer.html").read_text(encoding="utf-8")
SCRIPT = (
    (HERE / "space" / "viewer.js").read_text(encoding="utf-8").replace("NIIVUE_FILE", str(STATIC / "niivue.umd.js"))
)


def viewer_scene(browser: SliceBrowser) -> str:
    """Return all that the viewer shows of a result, as JSON."""
    first, last = browser.own_slices[0], browser.own_slices[-1]
    maps = [name for name in (*TITLES, "residual") if name in browser.levels]
    return json.dumps(
        {
            "volumes": {name: _packed(browser.volume(name)) for name in maps},
            "titles": {name: TITLES[name] for name in maps if name in TITLES},
            "tumour": _packed(browser.tumour()),
            "heights": {own: browser.height_mm(browser.position_of(own)) for own in range(first, last + 1)},
            "start": browser.own_slices[browser.start],
            "focus": browser.focus,
        }
    )


def viewer_mask(browser: SliceBrowser) -> str:
    """Return the tumour alone, as JSON: for a threshold that has moved."""
    return json.dumps({"tumour": _packed(browser.tumour())})


def _packed(volume: Volume) -> str:
    """Return a volume as a compressed NIfTI file in base64."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "volume.nii.gz"
        write_volume(file, volume)
        return base64.b64encode(file.read_bytes()).decode("ascii")
