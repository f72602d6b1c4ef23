"""Render the embedded default's card from its record and `benchmarks/results/*.json`.

python benchmarks/write_card.py
"""

from pathlib import Path

from recoseg_hf.hub import render_card
from recoseg_hf.pipeline.pipeline_recoseg import EMBEDDED_MODEL

if __name__ == "__main__":
    print(render_card(EMBEDDED_MODEL, Path(__file__).resolve().parent / "results"))
