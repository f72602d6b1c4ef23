"""How a training script begins, with its options and a pipeline, and how it ends."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from recoseg_hf.errors import CheckpointError, DivergenceError, InputError
from recoseg_hf.learning.interruption import TrainingInterrupted
from recoseg_hf.learning.options import parse_options
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline

Options = TypeVar("Options")

BAD_INPUT, DIVERGED = 3, 4


def run_script(main: Callable[[Options], None], kind: type[Options]) -> None:
    """Run a script on the options of its command line; what the user can mend is said in a line, not a traceback.

    Exit codes: 0; 2 for options that cannot be used; 3 for data, models and checkpoints that cannot; 4 for a loss that
    is not finite; 130 and 143 after Ctrl-C and SIGTERM.
    """
    options = parse_options(kind)
    try:
        main(options)
    except (InputError, CheckpointError) as error:
        _leave(error, BAD_INPUT)
    except DivergenceError as error:
        _leave(error, DIVERGED)
    except TrainingInterrupted as error:
        _leave(error, error.exit_code)


def _leave(error: Exception, code: int) -> None:
    print(f"Error: {error}" if code < 128 else str(error), file=sys.stderr, flush=True)
    sys.exit(code)


def load_or_build(name_or_path: str, seed: int) -> ReCoSegPipeline:
    """A saved pipeline or Hub id with its weights, or a folder of configurations with fresh ones.

    Args:
        name_or_path: folder or Hub id.
        seed: of fresh weights.

    Raises:
        InputError: if a folder is neither.
    """
    folder = Path(name_or_path)
    if not folder.is_dir():
        return ReCoSegPipeline.from_pretrained(name_or_path)
    if not (folder / "model_index.json").is_file():
        raise InputError(folder, "no model_index.json", "a pipeline folder", "Name a folder of pipelines/ or a run.")
    if any(folder.glob("*/*.safetensors")):
        return ReCoSegPipeline.from_pretrained(folder)
    return ReCoSegPipeline.from_config_folder(folder, seed)
