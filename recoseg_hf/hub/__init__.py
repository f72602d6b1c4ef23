"""A model as others get it: exported to a folder that proves itself, carded with measured numbers alone, pushed in one
commit.

Light to import: torch and huggingface_hub come in with the first call.
"""

from recoseg_hf.hub.card import render_card
from recoseg_hf.hub.export import export_model
from recoseg_hf.hub.names import CARD, SITE_CARD, TRAINING_RECORD
from recoseg_hf.hub.push import Pushed, push_folder, push_model
from recoseg_hf.hub.run_folder import published_contents, published_files
from recoseg_hf.hub.verify import verify_export
from recoseg_hf.hub.weights import save_half

__all__ = [
    "CARD",
    "SITE_CARD",
    "TRAINING_RECORD",
    "Pushed",
    "export_model",
    "published_contents",
    "published_files",
    "push_folder",
    "push_model",
    "render_card",
    "save_half",
    "verify_export",
]
