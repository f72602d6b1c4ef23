"""F16: no Hub: a revision that was fetched before works; of one that was fetched in part the missing file is named."""

import json
import os
import shutil
import socket
import subprocess
import sys

import pytest

REVISION = "0123456789abcdef0123456789abcdef01234567"
CLIENT = """
import json, sys, warnings
from pathlib import Path
from recoseg_hf import load_pipeline
from recoseg_hf.errors import RecosegError

def told(*arguments, **options):
    try:
        pipeline = load_pipeline(*arguments, device="cpu", **options)
    except RecosegError as error:
        return f"{type(error).__name__}: {error}"
    return pipeline.config.image_size

kept = Path(sys.argv[1])
found = {"pinned": told("org/tiny", revision=sys.argv[2]), "branch": told("org/tiny")}
(kept / "segmenter" / "diffusion_pytorch_model.safetensors").unlink()
found["no weights"] = told("org/tiny", revision=sys.argv[2])
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def answers(tiny_model, tmp_path_factory):
    """What a process says that has a model in its cache, and a Hub at an address where nobody listens."""
    home = tmp_path_factory.mktemp("home")
    repository = home / "hub" / "models--org--tiny"
    kept = shutil.copytree(tiny_model, repository / "snapshots" / REVISION)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(REVISION)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}"
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    environment |= {"HF_HOME": str(home), "HF_ENDPOINT": nobody, "HF_HUB_DISABLE_TELEMETRY": "1"}
    arguments = [sys.executable, "-c", CLIENT, str(kept), REVISION]
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", ["pinned", "branch"])
def test_f16_what_was_fetched_before_works(answers, name):
    assert answers[name] == 16


def test_f16_the_missing_file_is_named(answers):
    assert "segmenter" in answers["no weights"]
    assert "diffusion_pytorch_model.safetensors" in answers["no weights"]
    assert answers["no weights"].startswith("CheckpointError: ")
