"""The command line, in this process: exit codes as documented, no traceback, nothing written elsewhere."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from typer.testing import CliRunner

from recoseg_hf.cli import app
from tests.fuzz import rooms
from tests.fuzz.guards import SECONDS
from tests.fuzz.strategies import arguments
from tests.fuzz.targets.target import BrokenPromiseError, RefusedError, Target

_DONE, _REFUSED = 0, (2, 3)
_SECONDS = {"doctor": 10.0}  # it matches scans on a grid whose size does not depend on theirs


def _run(words: list[str], folder: Path) -> None:
    places = _places(folder)
    before = _listing(places["@case"].parent), _listing(rooms.home())
    with _inside(folder / "in" / "here"):
        result = CliRunner().invoke(app, [_filled(word, places) for word in words], prog_name="recoseg")
    if "Traceback" in result.output and "--debug" not in words:
        raise BrokenPromiseError(f"a traceback: {result.output[-2000:]}")
    if result.exit_code not in (_DONE, *_REFUSED):
        raise BrokenPromiseError(f"exit code {result.exit_code}: {result.output[-1000:]}") from result.exception
    if not result.output.strip():
        raise BrokenPromiseError(f"exit code {result.exit_code} and no word")
    if _listing(rooms.home()) != before[1]:
        raise BrokenPromiseError("something was written outside of the example's folder")
    if result.exit_code in _REFUSED:
        if _listing(places["@case"].parent) != before[0]:
            raise BrokenPromiseError("refused, and wrote beside the scans")
        raise RefusedError(result.output)


def _filled(word: str, places: dict[str, Path]) -> str:
    name, slash, rest = word.partition("/")
    return f"{places[name]}{slash}{rest}" if name in places else word


def _places(folder: Path) -> dict[str, Path]:
    """Make the places that arguments stand for."""
    (folder / "in" / "here").mkdir(parents=True)
    places = {f"@{name}": folder / name for name in ("file", "empty", "missing", "fifo", "broken-link", "loop", "out")}
    places["@file"].write_bytes(b"no scan")
    places["@empty"].mkdir()
    os.mkfifo(places["@fifo"])
    places["@broken-link"].symlink_to(folder / "nowhere")
    places["@loop"].symlink_to(places["@loop"])
    shutil.copytree(rooms.case(), folder / "cases" / rooms.SUBJECT)
    shutil.copytree(rooms.result(), folder / "result")
    shutil.copytree(rooms.model(), folder / "model")  # results may be asked for in it
    (folder / "json.json").write_text('{"volume": {"dice": 0.8, "iou": 0.7, "n": 3}}')
    (folder / "split.json").write_text('{"train": ["sub-01"]}')
    return places | {
        "@case": folder / "cases" / rooms.SUBJECT,
        "@cases": folder / "cases",
        "@result": folder / "result",
        "@model": folder / "model",
        "@json": folder / "json.json",
        "@split": folder / "split.json",
    }


def _listing(folder: Path) -> list[tuple[str, int, int]]:
    found = ((entry, entry.lstat()) for entry in sorted(folder.rglob("*")))
    return [(str(entry), status.st_size, status.st_mtime_ns) for entry, status in found if not entry.is_dir()]


@contextlib.contextmanager
def _inside(folder: Path) -> Iterator[None]:
    earlier = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(earlier)


TARGETS = tuple(
    Target(
        f"recoseg {name}",
        arguments.command_lines(name),
        tuple(arguments.start_of(name) + more for more in arguments.MORE.get(name, ([],)))
        if name in arguments.GOOD
        else (),
        _run,
        () if name in arguments.GOOD else (arguments.start_of(name),),
        _SECONDS.get(name, SECONDS),
    )
    for name in arguments.names()
)
