"""Fields for scans: what a visitor uploads, and nothing that this machine would have to fetch."""

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
    return field
