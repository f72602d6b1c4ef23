"""One slice of a case through a system with the paper's settings: 1000 denoising steps, timed.

    python benchmarks/sample_paper_settings.py CASE_DIR --output benchmarks/results/paper_settings.json

The nets have fresh weights unless `--model` names a trained run: this shows that the settings run, and what they cost.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch

from recoseg_hf.files import shipped_folder, write_json
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.volume import to_canonical
from recoseg_hf.learning.start import load_or_build
from recoseg_hf.pipeline.conventions import MODALITIES
from recoseg_hf.process import tune_process


def middle_slice(case: Case) -> dict[str, np.ndarray]:
    """The slice with the most tumour, or the middle one: (1, X, Y) by modality."""
    volumes = {name: to_canonical(getattr(case, name)).data for name in MODALITIES}
    tumour = 0 if case.seg is None else int((to_canonical(case.seg).data > 0).sum(axis=(0, 1)).argmax())
    position = tumour or volumes["flair"].shape[2] // 2
    return {name: np.moveaxis(volume[:, :, position : position + 1], 2, 0) for name, volume in volumes.items()}


def main() -> None:
    """Sample, time and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", type=Path)
    parser.add_argument("--model", default=str(shipped_folder("pipelines") / "recoseg_plus_plus"))
    parser.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"), help="of the nets")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    tune_process()
    pipeline = load_or_build(options.model, seed=0).to(dtype=getattr(torch, options.dtype))
    start = time.perf_counter()
    output = pipeline(**middle_slice(Case.from_folder(options.case)), generator=torch.Generator().manual_seed(0))
    brain = output.t1ce != 0
    result = {
        "steps": pipeline.config.num_inference_steps,
        "scheduler": type(pipeline.scheduler).__name__,
        "prediction_type": pipeline.scheduler.config.prediction_type,
        "parameters_millions": sum(weight.numel() for weight in pipeline.synthesizer.parameters()) / 1e6,
        "seconds": time.perf_counter() - start,
        "finite": bool(np.isfinite(output.t1ce).all()),
        "mean_in_brain": float(output.t1ce[brain].mean()),
        "dtype": options.dtype,
        "threads": torch.get_num_threads(),
    }
    write_json(options.output, result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
