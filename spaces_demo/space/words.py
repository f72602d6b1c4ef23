"""What a visitor is told: names of the fields, and errors in plain words that name no file of theirs."""

from __future__ import annotations

import contextlib
import functools
import inspect
import logging
from collections.abc import Callable, Mapping
from pathlib import Path

import gradio as gr

from recoseg_hf import CaseError, InputError, RecosegError

FIELDS = {"flair": "FLAIR file", "t1": "T1 file", "t2": "T2 file", "t1ce": "T1ce file"}

SUBJECT = "case"
"""What an uploaded case is called, whatever its files are."""

NOTICE = (
    "<strong>Research use only. Not a medical device.</strong> Do not upload patient data: only scans that are "
    "public, or that you may share. Uploads are deleted after {minutes} minutes, results within an hour of their last "
    "change."
)
GONE = "There is no result to work on: it was deleted, or nothing has been segmented yet. Run the segmentation again."
UNEXPECTED = "Something went wrong on our side, not with your files. Try again, or try the simulated example."

_log = logging.getLogger(__name__)


def plainly(handler: Callable) -> Callable:
    """Let a handler's errors reach the visitor as sentences, and nothing else of them."""

    @contextlib.contextmanager
    def in_words():
        try:
            yield
        except gr.Error:
            raise
        except RecosegError as error:
            raise told(str(error)) from None
        except Exception:
            _log.exception("%s failed", handler.__name__)
            raise told(UNEXPECTED) from None

    @functools.wraps(handler)
    def handled(*args, **kwargs):
        with in_words():
            return handler(*args, **kwargs)

    @functools.wraps(handler)
    def handled_in_parts(*args, **kwargs):
        with in_words():
            yield from handler(*args, **kwargs)

    return handled_in_parts if inspect.isgeneratorfunction(handler) else handled


def told(message: str) -> gr.Error:
    """Return an error that stays on the page until it is closed."""
    return gr.Error(message, duration=None, title="This did not work", print_exception=False)


def about_field(error: InputError, files: Mapping[str, Path]) -> InputError:
    """Name the fields of the page in place of files.

    Args:
        error: about one of `files`.
        files: what was read, by modality.
    """
    if isinstance(error, CaseError):
        return CaseError(about_field(problem, files) for problem in error.problems)
    fields = {f"case {SUBJECT}": "These scans"} | {str(path): FIELDS[name] for name, path in files.items()}
    fields |= {path.name: f"the {FIELDS[name]}" for name, path in files.items()}

    def named(text: str) -> str:
        for path, field in fields.items():
            text = text.replace(path, field)
        return text

    return InputError(*(named(str(part)) for part in (error.file, error.found, error.expected, error.remedy)))
