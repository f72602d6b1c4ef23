"""What programs send in place of what the page would: refused before Gradio or we look at what stands at a path."""

from __future__ import annotations

import logging
import os
import re
import stat
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.exceptions import InvalidPathError

from recoseg_hf import InputError
from space import words
from space.settings import TIME_TO_LIVE

_HASH = re.compile(r"[0-9a-f]{64}")
_MALFORMED = (
    "This request cannot be used: a value is missing, is one too many, or is of a kind that its field does not take. "
    "Reload the page; programs find what each endpoint takes under `view_api`."
)

_log = logging.getLogger(__name__)


def check_upload(label: str, place: str, root: str | Path) -> None:
    """Check that a path is that of one uploaded file: `<root>/<hash>/<name>`, and nothing else that lies there.

    The folder of a hash that is not known cannot be guessed; a folder's listing would tell all of them.

    Raises:
        InputError: naming the field, and nothing of the path.
    """
    path, root = Path(place), Path(os.path.abspath(root))
    if str(path) != os.path.abspath(place) or path.parent.parent != root or not _HASH.fullmatch(path.parent.name):
        raise InputError(
            label, "a path of another kind was given", "an uploaded file", "Upload the scan, and give what comes back."
        )
    check_there(label, place)


def check_there(label: str, place: str) -> None:
    """Check that an upload has not been deleted meanwhile.

    Raises:
        InputError: there is no regular file at this place; names the field.
    """
    try:
        if stat.S_ISREG(os.lstat(place).st_mode):
            return
    except (OSError, ValueError):  # a NUL in a path is a ValueError
        pass
    expected = f"a file uploaded within the last {TIME_TO_LIVE // 60} minutes, after which uploads are deleted"
    raise InputError(label, "the upload is not there any more", expected, "Upload it again.")


def speak_plainly(page: gr.Blocks) -> None:
    """Let a page answer in words also where Gradio itself fails: its own traceback would put what was sent in the log.

    Args:
        page: before it is launched.
    """
    page.preprocess_data = _in_words(page.preprocess_data, _MALFORMED)
    page.process_api = _in_words(page.process_api, words.UNEXPECTED)


def _in_words(step: Callable[..., Any], message: str) -> Callable[..., Any]:
    async def plain(*args: Any, **kwargs: Any) -> Any:
        try:
            return await step(*args, **kwargs)
        except gr.Error:
            raise
        except InvalidPathError:
            raise words.told(
                "A file was given that was not uploaded here. Upload the scan, and give it then."
            ) from None
        except Exception as error:  # of its text nothing is kept: it repeats what was sent
            where = "".join(traceback.format_tb(error.__traceback__)[-1:])
            _log.warning("%s in Gradio's handling of a request\n%s", type(error).__name__, where)
            raise words.told(message) from None

    return plain
