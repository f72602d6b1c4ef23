"""Figures in the page itself: as data, without what a PNG may carry beside its pixels."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from recoseg_hf.errors import InputError

_CAPTIONS = {
    "synthesis": "Input, measured T1ce, synthetic T1ce and residual (the paper's Figure 2)",
    "masks": "Slice, reference, prediction and overlay (the paper's Figures 3 and 4)",
    "thresholds": "Predictions at thresholds 0.3, 0.4 and 0.5 (the paper's Figure 5)",
    "cues": "Precision and recall of the residual as a cue, beside cues that need no model",
    "calibration": "Calibration: how often a voxel of a given probability is tumour",
    "dice_by_threshold": "Whole-tumour Dice at every threshold of the probability",
    "steps": "Whole-tumour Dice against denoising steps and seconds",
}


def caption(file: Path) -> str:
    """What a figure shows, by its file's name; of one that is not known the name itself, in words."""
    if file.stem in _CAPTIONS:
        return _CAPTIONS[file.stem]
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
