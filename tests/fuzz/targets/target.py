"""A target: a door of the project, what is pushed through it, and what may come out."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from recoseg_hf.errors import RecosegError
from tests.fuzz.guards import SECONDS, limits


class BrokenPromiseError(AssertionError):
    """Something came through that is no valid result and no refusal."""


class RefusedError(Exception):
    """A door that speaks by exit codes or messages refused, as it should."""


@dataclass(frozen=True)
class Target:
    """A door of the project.

    Attributes:
        name: in reports.
        examples: plain values (bytes, text, numbers, lists, mappings), so that each can be kept as JSON.
        plain: examples that are valid; they show that not everything is refused.
        bad: examples that are refused.
        run: pushes an example through, in an empty folder of its own. Returns for a valid result, which it checks;
            raises a `RecosegError` or `RefusedError` for a refusal; anything else is a finding.
        seconds: of the processor that an example may take.
    """

    name: str
    examples: st.SearchStrategy
    plain: tuple[Any, ...]
    run: Callable[[Any, Path], None]
    bad: tuple[Any, ...] = ()
    seconds: float = SECONDS


def warm_up(target: Target) -> None:
    """Load what is loaded late and build what examples are copies of, before limits hold.

    Raises:
        BrokenPromiseError: an example that is known to be valid is not, or one to be refused is valid.
    """
    for examples, expected in ((target.plain, "valid"), (target.bad, "refused")):
        for example in examples:
            outcome = attempt(target, example, limited=False)
            if outcome != expected:
                raise BrokenPromiseError(f"{target.name}: {outcome} and not {expected}: {example!r:.500}")


def attempt(target: Target, example: Any, limited: bool = True) -> str:
    """Push an example through a target, within the limits unless told otherwise.

    Returns:
        "valid" or "refused".

    Raises:
        BaseException: a finding: whatever else came out, or a limit that was reached.
    """
    with tempfile.TemporaryDirectory(prefix="recoseg-fuzz-") as folder:
        try:
            with limits(target.seconds) if limited else contextlib.nullcontext():
                target.run(example, Path(folder))
        except RefusedError:
            return "refused"
        except RecosegError as error:
            check_message(error)
            return "refused"
    return "valid"


def check_message(error: RecosegError) -> None:
    """Check that a refusal can be read: one that names something, is printable and of a sensible length."""
    message = str(error)
    if not message.strip() or len(message) > 20_000:
        raise BrokenPromiseError(f"a message of {len(message)} characters") from error
