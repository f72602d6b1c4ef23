"""How the scripts in `training/` begin and end as programs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from recoseg_hf.cli.exit_codes import EXIT_BAD_INPUT, EXIT_DIVERGED

Options = TypeVar("Options")


def run_script(main: Callable[[Options], None], kind: type[Options]) -> None:
    """Run a script on the options of its command line, see `told_in_a_line`; 2 for options that cannot be used."""
    from recoseg_hf.learning.options import parse_options

    options = parse_options(kind)
    with told_in_a_line():
        main(options)


@contextmanager
def told_in_a_line() -> Iterator[None]:
    """Within, what the user can mend is said in a line, not a traceback, and ends the program.

    Exit codes: 3 for data, models and checkpoints that cannot be used; 4 for a loss that is not finite; that of the
    error itself where it has one, such as 130 and 143 after Ctrl-C and SIGTERM.
    """
    from recoseg_hf.errors import DivergenceError, RecosegError, first_line
    from recoseg_hf.files import is_full_disk

    try:
        yield
    except RecosegError as error:
        own = getattr(error, "exit_code", None)
        print(f"Error: {error}" if own is None else str(error), file=sys.stderr, flush=True)
        usual = EXIT_DIVERGED if isinstance(error, DivergenceError) else EXIT_BAD_INPUT
        sys.exit(usual if own is None else own)
    except Exception as error:
        if _is_out_of_memory(error):
            remedy = "Halve --train_batch_size and double --gradient_accumulation_steps, or free memory."
            print(f"Error: out of memory: {first_line(error)}. {remedy}", file=sys.stderr, flush=True)
            sys.exit(EXIT_BAD_INPUT)
        if not is_full_disk(error):
            raise
        remedy = "Make room, and give the same command again (a training with --resume_from_checkpoint latest)."
        print(f"Error: no room to write: {error}. {remedy}", file=sys.stderr, flush=True)
        sys.exit(EXIT_BAD_INPUT)


def _is_out_of_memory(error: Exception) -> bool:
    from recoseg_hf.pipeline.memory import is_out_of_memory

    return is_out_of_memory(error)
