"""Our own code holds no call that runs what a file says; and the search for such calls finds each of them."""

from pathlib import Path

import pytest

from tests.security.dangers import dangers, sources

ROOT = Path(__file__).parents[2]
ALLOWED = {
    "recoseg_hf/hub/stranger.py": ["trust_remote_code=True"],  # in a process of its own, after code and hashes
}

PATTERNS = {
    "import pickle": "import pickle",
    "import pickle as p": "import pickle",
    "from pickle import loads": "import pickle",
    "def f():\n    import joblib": "import joblib",
    "import dill.source": "import dill.source",
    "import marshal": "import marshal",
    "import torch\ntorch.load('x')": "torch.load without weights_only=True",
    "import torch\ntorch.load('x', weights_only=flag)": "torch.load without weights_only=True",
    "from torch import load as read\nread('x')": "torch.load without weights_only=True",
    "import numpy as np\nnp.load('x', allow_pickle=True)": "allow_pickle=True",
    "import numpy as np\nnp.load('x', allow_pickle=value)": "allow_pickle=value",
    "import yaml\nyaml.load(text, Loader=yaml.SafeLoader)": "yaml.load",
    "from yaml import unsafe_load\nunsafe_load(text)": "yaml.unsafe_load",
    "eval('1')": "eval",
    "exec(code)": "exec",
    "__import__(name)": "__import__",
    "import subprocess\nsubprocess.run('ls', shell=True)": "shell=True",
    "import os\nos.system('ls')": "os.system",
    "from os import popen\npopen('ls')": "os.popen",
    "import tarfile": "import tarfile",
    "import zipfile": "import zipfile",
    "archive.extractall(folder)": "extractall",
    "import shutil\nshutil.unpack_archive(file)": "extractall",
    "load('x', trust_remote_code=True)": "trust_remote_code=True",
    "load('x', trust_remote_code=given)": "trust_remote_code=given",
    "load('x', use_safetensors=False)": "use_safetensors=False",
    "accelerator.register_for_checkpointing(x)": "register_for_checkpointing",
    "import requests\nrequests.get('x')": "requests.get at import",
    "import urllib.request\npage = urllib.request.urlopen('x')": "urllib.request.urlopen at import",
    "from diffusers import DiffusionPipeline\nDiffusionPipeline.from_pretrained('x')": (
        "DiffusionPipeline without use_safetensors=True"
    ),
}
HARMLESS = """
import torch, subprocess, json, yaml
torch.load("x", weights_only=True)
subprocess.run(["ls"], shell=False)
model.eval()
re.compile("x")
yaml.safe_load(text)
json.loads(text)
def fetch():
    import urllib.request
    urllib.request.urlopen("x")
"""


@pytest.mark.parametrize("code", PATTERNS)
def test_each_pattern_is_found(code):
    assert PATTERNS[code] in [what for _, what in dangers(code)]


def test_what_is_harmless_is_not():
    assert dangers(HARMLESS) == []


def test_our_code_holds_none():
    files = sources(ROOT)
    assert len(files) > 200
    found = {}
    for file in files:
        name = file.relative_to(ROOT).as_posix()
        named = [what for _, what in dangers(file.read_text(encoding="utf-8"))]
        if named != ALLOWED.get(name, []):
            found[name] = named
    assert found == {}


def test_the_notebook_holds_none():
    import json

    for file in (ROOT / "notebooks").glob("*.ipynb"):
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        code = "".join("".join(cell["source"]) + "\n" for cell in cells if cell["cell_type"] == "code")
        plain = "\n".join(line for line in code.splitlines() if not line.lstrip().startswith(("%", "!")))
        assert dangers(plain) == [], file.name
