"""Figures in the page itself: as data, without what a PNG may carry beside its pixels."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from recoseg_hf.errors import InputError


def caption(file: Path) -> str:
    """A file's name as a caption: `calibration_curve.png` is "Calibration curve"."""
    words = file.stem.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]


def embedded(file: Path) -> dict[str, object]:
    """A picture as `src` (data URI), `width`, `height` and `caption`.

    The pixels are written anew: the text in a PNG may name a file, and so a subject.

    Raises:
        InputError: it is no PNG that can be read.
    """
    from PIL import Image

    try:
        with Image.open(file, formats=["PNG"]) as image:
            image.load()
            image.info.clear()
            stream = io.BytesIO()
            image.save(stream, "PNG", optimize=True)
            size = image.size
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(file, f"no picture ({error})", "a PNG", "Draw it again, or move it away.") from error
    data = base64.b64encode(stream.getvalue()).decode("ascii")
    return {
        "src": f"data:image/png;base64,{data}",
        "width": size[0],
        "height": size[1],
        "caption": caption(file),
    }
