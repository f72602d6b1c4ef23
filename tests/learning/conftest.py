"""A tiny BraTS-style folder and the slice data set made of it."""

import json
from pathlib import Path

import pytest
from accelerate.state import AcceleratorState

from recoseg_hf.learning.slices import SliceSettings, prepare_dataset
from tests import factories

SHAPE = (14, 12, 7)
SPLIT = {"train": ["sub-01", "sub-02"], "validation": ["sub-03"]}
SETTINGS = SliceSettings(image_size=16, field_of_view=16)


@pytest.fixture(scope="session")
def brats_like(tmp_path_factory) -> Path:
    """Three simulated subjects and `splits.json`."""
    root = tmp_path_factory.mktemp("cases")
    for number, subject in enumerate(("sub-01", "sub-02", "sub-03")):
        for seed, modality in enumerate(factories.MODALITIES):
            file = root / subject / f"{subject}_{modality}.nii.gz"
            factories.save(file, factories.intensities(SHAPE, seed + 10 * number))
        factories.save(root / subject / f"{subject}_seg.nii.gz", factories.labels(SHAPE))
    (root / "splits.json").write_text(json.dumps(SPLIT | {"sites": {"sub-01": "A"}}))
    return root


@pytest.fixture(scope="session")
def prepared(brats_like, tmp_path_factory) -> Path:
    """Folder of the slice data set made of `brats_like`."""
    folder = tmp_path_factory.mktemp("data") / "slices"
    prepare_dataset(brats_like, folder, brats_like / "splits.json", SETTINGS)
    return folder


@pytest.fixture
def fresh_accelerate():
    """Accelerate keeps one state per process; each run here is a process of its own, in effect."""
    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)
