"""What the Space allows: sizes, times, and how it is served."""

import os
from pathlib import Path

import gradio as gr

HERE = Path(__file__).resolve().parents[1]
STATIC = HERE / "static"
EXAMPLE = Path(os.environ.get("RECOSEG_EXAMPLE", HERE / "example"))
"""Folder of the case that is shown in one click; the one shipped is simulated."""

TIME_TO_LIVE = int(os.environ.get("RECOSEG_TIME_TO_LIVE", 30 * 60))
"""Seconds after which files and results are deleted."""

MAX_STEPS = 20
"""More denoising steps would keep others waiting; the embedded model takes far fewer."""

REFINING_SECONDS = int(os.environ.get("RECOSEG_REFINING_SECONDS", 30))
"""For the nets, where a visitor wants the result refined; others wait meanwhile."""

MAX_SEED = 2**31 - 1

MAX_VOXELS = 256**3
"""Of a scan. The library reads larger ones; here several visitors share one machine's memory."""

MAX_BYTES = 8 * MAX_VOXELS + 2**20
"""Of a scan's file once decompressed: as many voxels in double precision, and what stands before them."""

MOST_SLICES = 2**15
"""That a NIfTI header can declare along one axis."""

MOST_BYTES = 4 * 2**30
"""Of all visitors' results together, in memory."""

CACHE = (min(5 * 60, TIME_TO_LIVE), TIME_TO_LIVE)
"""How often files are looked through, and the age at which they go, in seconds."""

_SOFT, _SOFT_DARK = "#515c66", "#aab4bd"  # as far from their grounds as small print needs (WCAG 2.2: 4.5 to 1)
THEME = gr.themes.Default(
    primary_hue="blue", font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
).set(
    body_text_color_subdued=_SOFT,
    body_text_color_subdued_dark=_SOFT_DARK,
    block_info_text_color=_SOFT,
    block_info_text_color_dark=_SOFT_DARK,
    block_label_text_color=_SOFT,
    block_label_text_color_dark=_SOFT_DARK,
)

QUEUE = {"max_size": 8, "default_concurrency_limit": 1}

LAUNCH = {
    "max_file_size": "64mb",
    "state_session_capacity": 64,  # tickets; what they stand for is bounded by MOST_BYTES
    "allowed_paths": [],
    "show_error": False,  # what a visitor is told is in `space.words`
    "share": False,
    "run_history": False,  # it would keep scans in the browser
    "enable_monitoring": False,
    "mcp_server": False,
    "ssr_mode": False,
    "footer_links": ["api"],
    "theme": THEME,
    "css_paths": [STATIC / "space.css"],
}
