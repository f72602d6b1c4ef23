"""What the paper prints: Table 1 of ReCoSeg++ (arXiv 2508.01058), as data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from recoseg_hf.evaluation.audit import read_results


def paper_table() -> Any:
    """Return the table as results to audit; it prints no n."""
    return read_results(Path(__file__).with_name("published.json"))
