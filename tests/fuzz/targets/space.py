"""The Space: the functions behind its endpoints, and the endpoints over HTTP on this machine."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import os
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.fuzz import rooms
from tests.fuzz.strategies import visits
from tests.fuzz.targets.target import BrokenPromiseError, RefusedError, Target

PARTS = Path(__file__).parents[3] / "spaces_demo"
_UNEXPECTED = "Something went wrong on our side"
_SECONDS_OVER_HTTP = 30
_THEIR_NAME = "DOE-JOHN-19520314"
_ROUTES = {
    "call": "/gradio_api/call/{endpoint}",
    "queue": "/gradio_api/queue/join",
    "run": "/gradio_api/run/{endpoint}",
    "file": "/gradio_api/file={place}",
    "upload_progress": "/gradio_api/upload_progress?upload_id={place}",
}


@functools.cache
def _api() -> Any:
    """The module of the Space, with a tiny model and case in place of its own."""
    os.environ |= {"RECOSEG_MODEL": str(rooms.model()), "RECOSEG_EXAMPLE": str(rooms.case())}
    os.environ.setdefault("GRADIO_TEMP_DIR", tempfile.mkdtemp(dir=rooms.home()))
    sys.path.insert(0, str(PARTS))
    try:
        from space import api
    finally:
        sys.path.remove(str(PARTS))
    return api


@functools.cache
def _result() -> Any:
    return _api().example(2, 0)[0]


@functools.cache
def _served() -> str:
    """The Space, served to this machine from a thread of this process; its address."""
    _api()
    from space.page import build_page
    from space.settings import LAUNCH, QUEUE

    options = LAUNCH | {"server_name": "127.0.0.1", "prevent_thread_lock": True, "quiet": True, "inbrowser": False}
    theirs = Path(_in_place(visits.THEIRS))
    theirs.mkdir(parents=True, exist_ok=True)
    (theirs / f"{_THEIR_NAME}.nii").write_bytes(b"scan")
    _, url, _ = build_page().queue(**QUEUE).launch(**options)
    return url.rstrip("/")


@contextlib.contextmanager
def _faults(*loggers: str) -> Iterator[list[logging.LogRecord]]:
    """What the Space logs as a fault of its own."""
    found: list[logging.LogRecord] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = found.append
    for name in loggers:
        logging.getLogger(name).addHandler(handler)
    try:
        yield found
    finally:
        for name in loggers:
            logging.getLogger(name).removeHandler(handler)


def _called(function: Any, *values: Any) -> list[Any]:
    """Call what an endpoint calls; a refusal in words is one, a fault of the Space is none."""
    import gradio as gr

    with _faults("space.words") as faults:
        try:
            return function(*values)
        except gr.Error as error:
            if faults and (kind := faults[0].exc_info):
                raise kind[1] from error
            _check_words(str(error.message))
            raise RefusedError(str(error.message)) from error


def _check_words(message: str) -> None:
    if _UNEXPECTED in message or "Traceback" in message or str(Path(tempfile.gettempdir())) in message:
        raise BrokenPromiseError(f"not for a visitor: {message}")


def _segment(example: dict[str, Any], folder: Path) -> None:
    files = {}
    for name, content in example["files"].items():
        if content is not None:
            files[name] = str(folder / f"DOE^JOHN_{name}.nii.gz")
            good = (rooms.case() / f"{rooms.SUBJECT}_{name}.nii.gz").read_bytes()
            Path(files[name]).write_bytes(good if content == visits.GOOD else content)
    scans = [files.get(name) for name in ("flair", "t1", "t2", "t1ce")]
    _check_answer(_called(_api().segment, *scans, example["steps"], example["seed"], example["source"]))


def _threshold(example: float, folder: Path) -> None:
    _check_answer(_called(_api().mask_at_threshold, _result(), example))


def _check_answer(answer: list[Any]) -> None:
    _, report, files = answer
    if "DOE" in json.dumps(report, allow_nan=False) or not all(Path(file).is_file() for file in files):
        raise BrokenPromiseError("a name of the visitor's is told, or files are missing")


def _over_http(example: dict[str, Any], folder: Path) -> None:
    server = _served()
    places = {"endpoint": example["endpoint"], "place": urllib.parse.quote(_in_place(example["place"]))}
    url = server + _ROUTES[example["route"]].format(**places)
    body = None if "{place}" in _ROUTES[example["route"]] else _in_place(json.dumps(example["body"])).encode()
    with _faults("space.words") as faults:
        code, answer = _fetch(url, body)
        if example["route"] == "call" and code == 200 and b"event_id" in answer:
            code, answer = _fetch(f"{url}/{json.loads(answer)['event_id']}", None)
    if faults:
        raise BrokenPromiseError(f"a fault: {faults[0].getMessage()}") from (faults[0].exc_info or (None, None))[1]
    # The protocol names the copies that Gradio serves; no other place may be told.
    text = answer.decode(errors="replace").replace(os.environ["GRADIO_TEMP_DIR"], "")
    for secret in ("Traceback", "site-packages", "root:x:", "PATH=", _THEIR_NAME, str(rooms.home())):
        if secret in text:
            raise BrokenPromiseError(f"status {code} tells of {secret}: {text[:500]}")
    if code >= 400 or "event: error" in text:
        raise RefusedError(text[:200])


def _in_place(text: str) -> str:
    return text.replace(visits.UPLOADS, os.environ["GRADIO_TEMP_DIR"])


def _fetch(url: str, body: bytes | None) -> tuple[int, bytes]:
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS_OVER_HTTP) as answer:
            return answer.status, answer.read(2**20)
    except urllib.error.HTTPError as error:
        return error.code, error.read(2**20)


_PLAIN = {"files": dict.fromkeys(("flair", "t1", "t2", "t1ce"), visits.GOOD), "steps": 2, "seed": 0, "source": "none"}
_HTTP = {"endpoint": "example", "route": "call", "body": {"data": [2, 0]}, "place": ""}

TARGETS = (
    Target("Space: segment", visits.segmentations(), (_PLAIN,), _segment),
    Target("Space: threshold", visits.thresholds, (0.5,), _threshold),
    Target("Space: over HTTP", visits.payloads(), (_HTTP,), _over_http),
)
