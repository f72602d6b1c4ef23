"""The room's files beside `model_index.json`, loaded in a process that knows nothing of `recoseg_hf`."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from recoseg_hf.pipeline import pipeline_recoseg
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline
from tests.tiny import brain_slices, tiny_pipeline

ROOM = Path(pipeline_recoseg.__file__).parent
CODE = [file for file in ROOM.glob("*.py") if file.name != "__init__.py"]

STRANGER = """
import json, sys
sys.modules["recoseg_hf"] = None  # any import of it fails
import numpy as np, torch
from diffusers import DiffusionPipeline

folder, images, results = sys.argv[1:]
report = {}
try:
    DiffusionPipeline.from_pretrained(folder, custom_pipeline="pipeline_recoseg")
except ValueError as error:
    report["untrusted"] = str(error)
pipeline = DiffusionPipeline.from_pretrained(folder, custom_pipeline="pipeline_recoseg", trust_remote_code=True)
pipeline.set_progress_bar_config(disable=True)
output = pipeline(**np.load(images), generator=torch.Generator().manual_seed(0))
try:
    type(pipeline).from_pretrained()
except ValueError as error:
    report["nameless"] = str(error)
pipeline.save_pretrained(folder + "-again")
np.savez(results, probability=output.probability, t1ce=output.t1ce)
report["module"] = type(pipeline).__module__
report["ours"] = [name for name in sys.modules if name.startswith("recoseg_hf.")]
print(json.dumps(report))
"""


@pytest.fixture(scope="module")
def visit(tmp_path_factory):
    """What the stranger found, its results, and the pipeline they came from."""
    base = tmp_path_factory.mktemp("hub")
    pipeline, images = tiny_pipeline(), brain_slices()
    pipeline.save_pretrained(base / "model")
    for file in CODE:
        shutil.copyfile(file, base / "model" / file.name)
    np.savez(base / "images.npz", **images)
    environment = os.environ | {
        "HF_MODULES_CACHE": str(base / "modules"),
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }
    environment.pop("PYTHONPATH", None)
    done = subprocess.run(
        [sys.executable, "-c", STRANGER, "model", "images.npz", "results.npz"],
        cwd=base, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return base, json.loads(done.stdout.splitlines()[-1]), pipeline


def test_the_stranger_ran_the_copy_and_nothing_of_the_package(visit):
    _, report, _ = visit
    assert report["module"].startswith("diffusers_modules.")
    assert report["ours"] == []


def test_the_copy_gives_the_packages_result(visit):
    base, _, pipeline = visit
    expected = pipeline(**brain_slices(), generator=torch.Generator().manual_seed(0))
    with np.load(base / "results.npz") as found:
        assert np.allclose(found["probability"], expected.probability, atol=1e-6)
        assert np.allclose(found["t1ce"], expected.t1ce, atol=1e-3)


def test_without_trust_no_code_runs(visit):
    _, report, _ = visit
    assert "trust_remote_code=True" in report["untrusted"]


def test_a_copy_has_no_embedded_default(visit):
    _, report, _ = visit
    assert report["nameless"].startswith("from_pretrained() without a name needs the installed package")


def test_what_the_copy_saved_loads_in_the_package_without_trust(visit):
    base, _, pipeline = visit
    index = json.loads((base / "model-again" / "model_index.json").read_text())
    assert index["_class_name"] == "ReCoSegPipeline"
    assert "diffusers_modules" not in json.dumps(index)
    loaded = ReCoSegPipeline.from_pretrained(base / "model-again")
    assert torch.equal(loaded.segmenter.conv_in.weight, pipeline.segmenter.conv_in.weight)


def test_the_package_ignores_code_beside_the_weights(visit):
    base, _, _ = visit
    assert type(ReCoSegPipeline.from_pretrained(base / "model")) is ReCoSegPipeline
