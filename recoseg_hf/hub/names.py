"""What the files of a published model are called."""

from recoseg_hf.inference.saving import MODEL_MANIFEST

INDEX = "model_index.json"
CARD = "README.md"
CARD_VALUES = "card_values.json"
SITE_CARD = "site_card.md"
SITE_VALUES = "site_card.json"
TRAINING_RECORD = "training.json"
LICENSE = "LICENSE.md"
PREPROCESSING = "preprocessing.json"
MANIFEST = MODEL_MANIFEST
EXAMPLE = "example.png"
HANDLER = "handler.py"
REQUIREMENTS = "requirements.txt"
ENDPOINT = "endpoint"
NETS = ("synthesizer", "segmenter")
PARTS = (*NETS, "scheduler")
HALF = "fp16"
