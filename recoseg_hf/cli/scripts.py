"""How the scripts in `training/` begin and end as programs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

from recoseg_hf.cli.exit_codes import EXIT_BAD_INPUT, EXIT_DIVERGED

Options = TypeVar("Options")


def run_script(main: Callable[[Options], None], kind: type[Options]) -> None:
    """Run a script on the options of its command line; what the user can mend is said in a line, not a traceback.

    Exit codes: 0; 2 for options that cannot be used; 3 for data, models and checkpoints that cannot; 4 for a loss that
    is not finite; 130 and 143 after Ctrl-C and SIGTERM.
    """
    from recoseg_hf.errors import DivergenceError, RecosegError
    from recoseg_hf.learning.interruption import TrainingInterrupted
    from recoseg_hf.learning.options import parse_options

    options = parse_options(kind)
    try:
        main(options)
    except TrainingInterrupted as error:
        _leave(error, error.exit_code)
    except DivergenceError as error:
        _leave(error, EXIT_DIVERGED)
    except RecosegError as error:
        _leave(error, EXIT_BAD_INPUT)


def _leave(error: Exception, code: int) -> None:
    print(f"Error: {error}" if code < 128 else str(error), file=sys.stderr, flush=True)
    sys.exit(code)
