"""Good folders that examples are damaged copies of: made once a process, deleted at its end."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

from tests.factories import MODALITIES, affine, intensities, labels, save
from tests.tiny import tiny_net, tiny_pipeline

SHAPE = (6, 7, 3)
SUBJECT = "sub-01"


@functools.cache
def home() -> Path:
    """The folder of all of them."""
    folder = Path(tempfile.mkdtemp(prefix="recoseg-fuzz-rooms-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def case() -> Path:
    """A case of a few voxels."""
    folder = home() / "cases" / SUBJECT
    for seed, name in enumerate(MODALITIES):
        save(folder / f"{SUBJECT}_{name}.nii.gz", intensities(SHAPE, seed), affine())
    save(folder / f"{SUBJECT}_seg.nii.gz", labels(SHAPE), affine())
    return folder


@functools.cache
def model() -> Path:
    """A model folder, of nets with random weights."""
    folder = home() / "model"
    tiny_pipeline(regions="wt,tc,et", mask_threshold=0.48).save_pretrained(folder)
    return folder


@functools.cache
def loaded():
    """The model, loaded."""
    from recoseg_hf.inference import load_pipeline

    pipeline = load_pipeline(model(), device="cpu")
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@functools.cache
def result() -> Path:
    """What `recoseg predict` writes."""
    from recoseg_hf import Case, write_prediction
    from recoseg_hf.inference import predict_case

    read = Case.from_folder(case(), SUBJECT)
    write_prediction(predict_case(loaded(), read), read, home() / "result")
    return home() / "result"


@functools.cache
def checkpoint() -> Path:
    """A complete checkpoint."""
    import torch

    from recoseg_hf.learning.checkpoints import TrainingState, save_checkpoint

    net = tiny_net(1, 1)
    optimizer = torch.optim.AdamW(net.parameters())
    weights = {"net": dict(list(net.state_dict().items())[:2])}
    state = {
        "state": {0: {"step": 1.0, "exp_avg": torch.ones(2)}},
        "param_groups": optimizer.state_dict()["param_groups"],
    }
    return save_checkpoint(home() / "run", TrainingState(7, weights, state, {"best": 0.5}), keep=1)
