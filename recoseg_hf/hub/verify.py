"""An exported folder proves itself: a stranger's process loads it and gets what the installed class gets."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import recoseg_hf
from recoseg_hf.errors import InputError
from recoseg_hf.hub.inspection import inspect_folder
from recoseg_hf.hub.manifest import listed_files
from recoseg_hf.hub.python_files import code_files

if TYPE_CHECKING:
    from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline

_STRANGER = Path(__file__).with_name("stranger.py")
_TOLERANCE = 1e-4  # of each map's range: two processes may share the work of a sum differently


def verify_export(folder: str | Path) -> None:
    """Check an exported folder as it lies there: its files, what is in them, and that a stranger can use it.

    Raises:
        InputError: a file was changed or must not be published, the code is not this version's, or a process without
            the package cannot load the folder or gets another result.
    """
    from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline

    folder = Path(folder)
    listed_files(folder)
    inspect_folder(folder)
    pipeline = ReCoSegPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    verify_code(folder, pipeline)


def verify_code(folder: Path, pipeline: ReCoSegPipeline) -> None:
    """Load a folder in a process that cannot import `recoseg_hf` and compare one small forward pass.

    Code is run only if each Python file is a byte copy of this installation's.

    Args:
        folder: Hub-shaped, with the code beside `model_index.json`.
        pipeline: the same weights in the installed class, float32 on the CPU.

    Raises:
        InputError: the code is another, or the process fails or gets another result.
    """
    import torch

    check_code(folder)
    images = sample_images(pipeline)
    expected = pipeline(**images, num_inference_steps=1, generator=torch.Generator().manual_seed(0))
    with tempfile.TemporaryDirectory(prefix="recoseg-verify-") as scratch:
        inputs, results = Path(scratch) / "inputs.npz", Path(scratch) / "results.npz"
        np.savez(inputs, **images)
        _run(folder, inputs, results)
        with np.load(results) as found:
            for name in sorted(set(found.files) - {"code"}):
                _compare(folder, name, found[name], np.asarray(getattr(expected, name)))


def check_code(folder: Path) -> None:
    """Refuse a folder whose Python files are not those of this installation.

    Raises:
        InputError: naming the file.
    """
    ours = code_files()
    found = {file.relative_to(folder).as_posix() for file in folder.rglob("*.py")}
    for name in sorted(found | ours.keys()):
        if name not in found:
            if name.startswith("endpoint/") or name == "handler.py":
                continue  # exported without an endpoint
            raise InputError(folder / name, "no such file", "the pipeline's code", "Export the model again.")
        if name not in ours or (folder / name).read_bytes() != ours[name].read_bytes():
            expected = f"the file of recoseg_hf {recoseg_hf.__version__}"
            raise InputError(folder / name, "its code is another", expected, "Export the model again.")


def sample_images(pipeline: ReCoSegPipeline) -> dict[str, np.ndarray]:
    """Three small slices, (3, 24, 24) by modality: enough for every layer to be run once."""
    rng = np.random.default_rng(0)
    inside = np.zeros((3, 24, 24), bool)
    inside[:, 3:21, 4:20] = True
    names = ("flair", "t1", "t2", "t1ce")
    return {name: np.where(inside, 300 + rng.normal(0, 60, inside.shape), 0).astype(np.float32) for name in names}


def _run(folder: Path, inputs: Path, results: Path) -> None:
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",  # everything is in the folder, or it is not complete
        "HF_MODULES_CACHE": str(inputs.parent / "modules"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    # -P: the folder of the program stays off the path, where its siblings would be taken for modules of those names.
    command = [sys.executable, "-P", str(_STRANGER), str(folder.resolve()), str(inputs), str(results)]
    done = subprocess.run(command, cwd=inputs.parent, env=environment, capture_output=True, text=True, check=False)
    if done.returncode or not results.is_file():
        reason = (done.stderr.strip().splitlines() or ["it ended without a word"])[-1]
        raise InputError(
            folder,
            f"a process without recoseg_hf cannot use it ({reason})",
            "a folder that diffusers loads with its own code",
            "Check the versions of torch and diffusers, and DIFFUSERS_DISABLE_REMOTE_CODE.",
        )


def _compare(folder: Path, name: str, found: np.ndarray, expected: np.ndarray) -> None:
    tolerance = _TOLERANCE * max(1.0, float(np.abs(expected.astype(float)).max()))
    if found.shape != expected.shape or not np.allclose(found, expected, rtol=0, atol=tolerance):
        remedy = "Report this as a fault of recoseg_hf."
        raise InputError(folder, f"without recoseg_hf its {name} is another", "the same result", remedy)
