"""A stranger's process: loads an exported folder without recoseg_hf, as diffusers loads code of a repository.

    python -P stranger.py FOLDER INPUTS.npz RESULTS.npz

`verify` runs this file as a program, in a process of its own and never by importing it; before that it has made sure
that every Python file of the folder is a byte copy of the package's own. It is the only file of the library that says
`trust_remote_code`.
"""

import sys

sys.modules["recoseg_hf"] = None  # any import of it fails from here on

import numpy as np  # noqa: E402
import torch  # noqa: E402
from diffusers import DiffusionPipeline  # noqa: E402


def main(folder: str, inputs: str, results: str) -> None:
    """Load, run once, and save what came out."""
    pipeline = DiffusionPipeline.from_pretrained(
        folder, custom_pipeline="pipeline_recoseg", trust_remote_code=True, use_safetensors=True
    )
    pipeline.set_progress_bar_config(disable=True)
    with np.load(inputs) as images:
        output = pipeline(**images, num_inference_steps=1, generator=torch.Generator().manual_seed(0))
    fields = {name: getattr(output, name) for name in ("probability", "t1ce", "residual")}
    code = np.array(type(pipeline).__module__)
    np.savez(results, code=code, **{name: value for name, value in fields.items() if value is not None})


if __name__ == "__main__":
    main(*sys.argv[1:])
