"""Fields that check what programs send: scans are uploaded and never fetched, settings lie within their range."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from gradio_client.utils import is_http_url_like

from space import words


def scan_field(label: str, **settings: Any) -> gr.File:
    """Return a field for one file.

    Gradio would fetch an address that a program gives in place of a file, whole into memory and whatever its size:
    the limit on uploads does not count there.
    """
    field = gr.File(label=label, file_count="single", **settings)
    to_cache = field.async_move_resource_to_block_cache

    async def uploaded_alone(place: str | Path | None) -> str | None:
        if place is not None and is_http_url_like(str(place)):
            raise words.told(f"{label}: an address was given; expected an uploaded file. Download it first.")
        return await to_cache(place)

    field.async_move_resource_to_block_cache = uploaded_alone
    # Gradio's own leaves an empty temporary file behind for every scan, which nothing ever deletes.
    field.preprocess = lambda upload: None if upload is None else str(upload.path)
    return field


def checked(field: gr.Slider | gr.Number | gr.Radio) -> gr.Slider | gr.Number | gr.Radio:
    """Let a field refuse what is out of its range in words that name it.

    Gradio's own say "Value 30 is greater than maximum value 20" and not which; what is no number at all fails later.
    """
    to_value = field.preprocess

    def refused_by_name(payload: Any) -> Any:
        numeric = isinstance(payload, int | float) and not isinstance(payload, bool)
        empty = payload is None and not isinstance(field, gr.Slider)
        if not empty and isinstance(field, gr.Radio) == numeric:
            raise _refused(field, payload)
        try:
            return to_value(payload)
        except gr.Error:
            raise _refused(field, payload) from None

    field.preprocess = refused_by_name
    return field


def _refused(field: gr.Slider | gr.Number | gr.Radio, payload: Any) -> gr.Error:
    if isinstance(field, gr.Radio):
        expected = " or ".join(str(value) for _, value in field.choices)
    else:
        expected = f"a number from {field.minimum:,} to {field.maximum:,}"
    return words.told(f"{field.label}: {str(payload)[:40]!r} was given; expected {expected}.")
