"""A quick start of what predicts: scans are read beside the imports, and what those need not bring in is left out.

torch and diffusers take several seconds of one core to load, in which another core would stand idle.
"""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import TypeVar

from recoseg_hf.errors import InputError
from recoseg_hf.json_files import read_json

Result = TypeVar("Result")

_SCHEDULERS_WITHOUT_SCIPY = ("DDIMScheduler", "DDPMScheduler")

# Each brings in about as much as the next; the first what reads scans, the last all that a model needs.
_STEPS = (
    "recoseg_hf.imaging.case",
    "recoseg_hf.inference",
    "diffusers",
    "diffusers.models.modeling_utils",
    "recoseg_hf.pipeline.pipeline_recoseg",
)


def needless(model: str | None) -> tuple[str, ...]:
    """Return what a model does without: some schedulers of diffusers need scipy, the embedded model's does not.

    Args:
        model: folder or Hub id, whose scheduler is not known before it is downloaded; None is the embedded default.
    """
    without_scipy = model is None or _scheduler(Path(model)) in _SCHEDULERS_WITHOUT_SCIPY
    return ("transformers", "scipy") if without_scipy else ("transformers",)


def _scheduler(folder: Path) -> str | None:
    """Name the class of a folder's scheduler; None where that is not to be seen, which loading it will explain."""
    try:
        index = read_json(folder / "model_index.json", "", "", {"scheduler": [str]})
        return index["scheduler"][-1]
    except (InputError, LookupError):
        return None


def beside_imports(work: Callable[[], Result], model: str | None = None) -> Result:
    """Do some work in a thread while a model's modules load here, and return what came of it.

    Args:
        work: reads scans, say. It must import neither diffusers, of which a second thread may get an unfinished
            module, nor scipy.
        model: whose modules they are, as for `needless`.

    Raises:
        Exception: that of the work, between two imports: nobody waits for the rest to be told of a bad file.
    """
    from concurrent.futures import ThreadPoolExecutor  # here, since every command imports this module

    with as_if_not_installed(needless(model)), without_collecting(), ThreadPoolExecutor(1) as pool:
        import_module(_STEPS[0])  # what reads scans, before another thread asks for it
        done = pool.submit(work)
        for step in _STEPS[1:]:
            import_module(step)
            if done.done():
                done.result()
        return done.result()


def import_model_classes(model: str | None = None) -> None:
    """Import what a model needs, without what nibabel and diffusers try only because it is installed.

    Args:
        model: as for `needless`.
    """
    with as_if_not_installed(needless(model)), without_collecting():
        import_module(_STEPS[-1])


@contextlib.contextmanager
def without_collecting() -> Iterator[None]:
    """Within, where a model's modules load, no garbage is looked for, and afterwards none among what is there by then.

    Modules, classes and functions live as long as the process. Python would walk through all of them again and again
    while they come in, and once more when it ends. For programs only: what is garbage by then stays, too.
    """
    if _STEPS[-1] in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
    gc.freeze()


@contextlib.contextmanager
def as_if_not_installed(names: Sequence[str]) -> Iterator[None]:
    """Within, importing these packages fails as where they are not installed; a loaded one stays as it is.

    An entry of None among the modules is Python's own way to say so. For programs only: diffusers remembers for good
    what it has not found.

    Args:
        names: of packages, which a plain installation does without.
    """
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            if name in sys.modules and sys.modules[name] is None:
                del sys.modules[name]
