"""ReCoSeg++: residual-guided brain tumour segmentation with a conditional diffusion model, for MRI volumes.

The public names load on first use, so that `import recoseg_hf` stays quick and brings in neither torch nor diffusers.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recoseg_hf.errors import CaseError, CheckpointError, InputError, RecosegError
    from recoseg_hf.imaging.case import Case
    from recoseg_hf.imaging.phantom import simulate_case
    from recoseg_hf.imaging.volume import Volume, read_volume, write_volume
    from recoseg_hf.inference import load_pipeline, predict_case, write_prediction
    from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline, ReCoSegPipelineOutput

__version__ = "0.1.0"

_HOMES = {
    "Case": "recoseg_hf.imaging.case",
    "CaseError": "recoseg_hf.errors",
    "CheckpointError": "recoseg_hf.errors",
    "InputError": "recoseg_hf.errors",
    "ReCoSegPipeline": "recoseg_hf.pipeline.pipeline_recoseg",
    "ReCoSegPipelineOutput": "recoseg_hf.pipeline.pipeline_recoseg",
    "RecosegError": "recoseg_hf.errors",
    "Volume": "recoseg_hf.imaging.volume",
    "load_pipeline": "recoseg_hf.inference",
    "predict_case": "recoseg_hf.inference",
    "read_volume": "recoseg_hf.imaging.volume",
    "simulate_case": "recoseg_hf.imaging.phantom",
    "write_prediction": "recoseg_hf.inference",
    "write_volume": "recoseg_hf.imaging.volume",
}

__all__ = [
    "Case",
    "CaseError",
    "CheckpointError",
    "InputError",
    "ReCoSegPipeline",
    "ReCoSegPipelineOutput",
    "RecosegError",
    "Volume",
    "__version__",
    "load_pipeline",
    "predict_case",
    "read_volume",
    "simulate_case",
    "write_prediction",
    "write_volume",
]


def __getattr__(name: str) -> Any:
    """Load a public name from the module it lives in, once."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it offers {', '.join(__all__)}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted(set(globals()) | set(__all__))
