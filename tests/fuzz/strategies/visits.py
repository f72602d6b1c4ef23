"""What a program may send to the Space."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.fuzz.strategies.scans import NAMES, damaged_files, damaged_headers, gzip_streams, label_files
from tests.fuzz.strategies.values import HARD_FLOATS, HARD_INTEGERS, json_values, texts

GOOD = "good"
"""Stands for a good scan of the field it is given in."""

UPLOADS, THEIRS = "{uploads}", "{uploads}/" + "0" * 64
"""Stand for the folder of all uploads, and for that of one that is somebody else's."""

PLACES = (
    UPLOADS, f"{UPLOADS}/", f"{UPLOADS}/.", THEIRS, f"{THEIRS}/..", f"{THEIRS}/../" + "0" * 64,
    "/etc/passwd", "../../etc/passwd", "/proc/self/environ", "/dev/zero", "/", "", ".", "file:///etc/passwd",
    "http://127.0.0.1:9/scan.nii.gz", "https://example.org/scan.nii.gz", "hf://model/file", "a\0b", "x" * 5000,
)  # fmt: skip

_numbers = st.sampled_from(HARD_INTEGERS) | st.sampled_from(HARD_FLOATS) | st.integers(-3, 30)
_steps = st.just(2) | st.just(2) | _numbers
_sources = st.sampled_from(("none", "none", "ensemble", "measured", "", "None")) | texts


@st.composite
def segmentations(draw: st.DrawFn) -> dict[str, Any]:
    """A call of `/segment`: files as bytes (uploaded) or None, and settings within and out of their ranges."""
    contents = damaged_headers() | damaged_files | gzip_streams() | label_files() | st.just(b"") | st.none()
    files = {name: draw(st.just(GOOD) | st.just(GOOD) | contents) for name in NAMES[:4]}
    if draw(st.booleans()):
        files |= dict.fromkeys(NAMES[:3], GOOD)
    return {"files": files, "steps": draw(_steps), "seed": draw(st.just(0) | _numbers), "source": draw(_sources)}


thresholds = st.sampled_from(HARD_FLOATS) | st.floats(0, 1) | st.floats()

_files = st.none() | st.builds(
    lambda place, stream: {"path": place, "is_stream": stream, "meta": {"_type": "gradio.FileData"}},
    st.sampled_from(PLACES), st.booleans(),
)  # fmt: skip
_fields = _files | _files | _numbers | texts | json_values


@st.composite
def payloads(draw: st.DrawFn) -> dict[str, Any]:
    """A call over HTTP: which endpoint by which route, and its JSON, of the right form or of none."""
    endpoint = draw(st.sampled_from(("segment", "example", "mask_at_threshold", "nonsense")))
    route = draw(st.sampled_from(("call", "queue", "run", "file", "upload_progress")))
    count = {"segment": 7, "example": 2, "mask_at_threshold": 1}.get(endpoint, 1) + draw(
        st.sampled_from((0, 0, 0, -1, 1))
    )
    fields = draw(st.lists(_fields, min_size=max(0, count), max_size=max(0, count)))
    body = draw(st.just({"data": fields}) | st.just({"data": fields}) | json_values)
    return {"endpoint": endpoint, "route": route, "body": body, "place": draw(st.sampled_from(PLACES))}
