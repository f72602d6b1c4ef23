"""Fields that check what programs send: scans are uploaded and never fetched, settings lie within their range."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import gradio as gr
from gradio_client.utils import is_http_url_like

from recoseg_hf import InputError
from space import words
from space.gate import check_upload


def scan_field(label: str, **settings: Any) -> gr.File:
    """Return a field for one file that was uploaded.

    Gradio would fetch an address that a program gives in place of a file, whole into memory and whatever its size:
    the limit on uploads does not count there. And it takes for an upload whatever lies in the folder of all uploads,
    that folder itself included.
    """
    field = gr.File(label=label, file_count="single", **settings)
    to_cache = field.async_move_resource_to_block_cache

    async def uploaded_alone(place: str | Path | None) -> str | None:
        if place is not None and is_http_url_like(str(place)):
            raise words.told(f"{label}: an address was given; expected an uploaded file. Download it first.")
        if place is not None:
            refuse(str(place))
        return await to_cache(place)

    def refuse(place: str) -> None:
        try:
            check_upload(label, place, field.GRADIO_CACHE)
        except InputError as error:
            raise words.told(str(error)) from None

    def to_path(upload: Any) -> str | None:
        if upload is None:
            return None
        refuse(upload.path)  # again: static files and what is called a stream come past the cache
        return upload.path

    field.async_move_resource_to_block_cache = uploaded_alone
    # Gradio's own leaves an empty temporary file behind for every scan, which nothing ever deletes.
    field.preprocess = to_path
    return field


def checked(field: gr.Slider | gr.Number | gr.Radio) -> gr.Slider | gr.Number | gr.Radio:
    """Let a field refuse what is out of its range in words that name it.

    Gradio's own say "Value 30 is greater than maximum value 20" and not which; what is no number at all fails later.
    """
    to_value = field.preprocess

    def refused_by_name(payload: Any) -> Any:
        numeric = isinstance(payload, int | float) and not isinstance(payload, bool)
        empty = payload is None and not isinstance(field, gr.Slider)
        finite = not numeric or -math.inf < payload < math.inf  # false of NaN too, and no whole number is too large
        if not finite or (not empty and isinstance(field, gr.Radio) == numeric):
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
