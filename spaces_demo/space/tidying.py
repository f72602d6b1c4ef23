"""What visitors sent and got is deleted in time, however many of them there are."""

from __future__ import annotations

import errno
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import gradio as gr

from space.settings import CACHE
from space.shelf import SHELF

NEVER = 100 * 365 * 24 * 3600
"""Seconds after which Gradio itself may look for old files. It stops for good where an upload comes in meanwhile."""

_SECONDS_TO_MOVE = 60
"""That an empty folder is left for: Gradio makes it, and moves an upload into it then."""

_log = logging.getLogger(__name__)


def keep_tidy(page: gr.Blocks, folder: str | Path, every: float = CACHE[0], age: float = CACHE[1]) -> threading.Thread:
    """Look for old results and files again and again, in a thread that ends with the process.

    Args:
        page: whose files they are.
        folder: of uploads and of what is served; nothing else may lie in it.
        every: seconds between two looks.
        age: seconds that a file may live.
    """

    def look() -> None:
        while True:
            time.sleep(every)
            try:
                SHELF.forget(age)
                delete_old(page, folder, age)
            except Exception:
                _log.exception("looking for old files failed")

    thread = threading.Thread(target=look, name="tidying", daemon=True)
    thread.start()
    return thread


def delete_old(page: gr.Blocks, folder: str | Path, age: float) -> None:
    """Delete what has lain in a page's folder for more than `age` seconds, whether Gradio still knows of it or not.

    Of an upload that breaks off, or in another field of its form than `files`, Gradio writes the file and notes none.
    """
    kept = set().union(*(getattr(block, "keep_in_cache", ()) for block in page.blocks.values()))
    for parent, folders, files in os.walk(folder, topdown=False):
        for name in files:
            if (file := os.path.join(parent, name)) not in kept:
                _remove_old(file, age, os.remove)
        for name in folders:
            _remove_old(os.path.join(parent, name), min(age, _SECONDS_TO_MOVE), _remove_empty)
    for known in page.temp_file_sets:
        for file in set(known):  # a copy: others add to it meanwhile
            if not os.path.lexists(file):
                known.discard(file)


def _remove_empty(folder: str) -> None:
    try:
        os.rmdir(folder)
    except OSError as error:
        if error.errno != errno.ENOTEMPTY:
            raise


def _remove_old(place: str, age: float, remove: Callable[[str], None]) -> None:
    try:
        if time.time() - os.lstat(place).st_ctime > age:
            remove(place)
    except FileNotFoundError:
        pass
    except OSError:
        _log.exception("an old file could not be deleted")
