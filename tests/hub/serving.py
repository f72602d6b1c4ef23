"""Requests, answers and refusals of a small Hub, and the server that carries them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Request:
    """What a client asks for."""

    method: str
    path: str
    query: Mapping[str, list[str]]
    body: bytes
    token: str
    range: str | None

    def json(self) -> Any:
        """The body as JSON; a form where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return parse_qs(self.body.decode())


@dataclass
class Answer:
    """What it gets."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class RefusedError(Exception):
    """Ends a request with the Hub's code for what went wrong."""

    def __init__(self, code: str, status: int = 404, message: str = "") -> None:
        super().__init__(code, status, message)
        headers = {"X-Error-Code": code, "X-Error-Message": message or code}
        self.answer = Answer(status, json.dumps({"error": message or code}).encode(), headers)


def as_json(value: Any, status: int = 200) -> Answer:
    """A JSON answer."""
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json"})


def make_server(answer: Callable[[Request], Answer]) -> ThreadingHTTPServer:
    """A server on a free port of the loopback interface that passes each request on, in a thread of its own."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

        def reply(self) -> None:
            url = urlsplit(self.path)
            token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
            query, part = parse_qs(url.query), self.headers.get("Range")
            answered = answer(Request(self.command, url.path, query, self.body(), token, part))
            self.send_response(answered.status)
            for name, value in (answered.headers | {"Content-Length": str(len(answered.body))}).items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answered.body)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = reply  # noqa: N815 (as http.server calls them)

        def body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))
            chunks = []
            while size := int(self.rfile.readline().strip() or b"0", 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    return server
