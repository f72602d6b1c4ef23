"""What visitors sent and got is deleted in time, however many of them there are."""

from __future__ import annotations

import logging
import os
import threading
import time

import gradio as gr

from space.settings import CACHE
from space.shelf import SHELF

NEVER = 100 * 365 * 24 * 3600
"""Seconds after which Gradio itself may look for old files. It stops for good where an upload comes in meanwhile."""

_log = logging.getLogger(__name__)


def keep_tidy(page: gr.Blocks, every: float = CACHE[0], age: float = CACHE[1]) -> threading.Thread:
    """Look for old results and files again and again, in a thread that ends with the process.

    Args:
        page: whose files they are.
        every: seconds between two looks.
        age: seconds that a file may live.
    """

    def look() -> None:
        while True:
            time.sleep(every)
            try:
                SHELF.forget(age)
                delete_old(page, age)
            except Exception:
                _log.exception("looking for old files failed")

    thread = threading.Thread(target=look, name="tidying", daemon=True)
    thread.start()
    return thread


def delete_old(page: gr.Blocks, age: float) -> None:
    """Delete what was uploaded to a page, or served by it, more than `age` seconds ago."""
    kept = set().union(*(getattr(block, "keep_in_cache", ()) for block in page.blocks.values()))
    for files in page.temp_file_sets:
        for file in set(files) - kept:  # a copy: others add to it meanwhile
            if _is_gone(file, age):
                files.discard(file)


def _is_gone(file: str, age: float) -> bool:
    try:
        if time.time() - os.lstat(file).st_ctime <= age:
            return False
        os.remove(file)
    except FileNotFoundError:
        pass
    except OSError:
        _log.exception("a file could not be deleted")
        return False
    return True
