"""Findings kept as files: what was pushed through which target, and what came of it before it was mended."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "corpus"


@dataclass(frozen=True)
class Found:
    """An example that broke a promise once.

    Attributes:
        name: of its file.
        target: through which it went.
        story: what came out of it then.
        outcome: what comes out of it now, "valid" or "refused".
        example: the example.
    """

    name: str
    target: str
    story: str
    outcome: str
    example: Any


def read_corpus(folder: Path = FOLDER) -> list[Found]:
    """Return all findings, by name."""
    return [_read(file) for file in sorted(folder.glob("*.json"))]


def _read(file: Path) -> Found:
    values = json.loads(file.read_text(encoding="utf-8"))
    return Found(file.stem, values["target"], values["story"], values["outcome"], from_json(values["example"]))


def write_found(found: Found, folder: Path = FOLDER) -> Path:
    """Keep a finding."""
    values = {
        "target": found.target, "story": found.story, "outcome": found.outcome, "example": to_json(found.example),
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{found.name}.json"
    file.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    return file


def to_json(value: Any) -> Any:
    """Turn an example into JSON values; bytes become {"base64": ...}."""
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if isinstance(value, dict):
        return {key: to_json(inner) for key, inner in value.items()}
    return [to_json(inner) for inner in value] if isinstance(value, list | tuple) else value


def from_json(value: Any) -> Any:
    """Turn JSON values back into an example."""
    if isinstance(value, dict):
        if value.keys() == {"base64"}:
            return base64.b64decode(value["base64"])
        return {key: from_json(inner) for key, inner in value.items()}
    return [from_json(inner) for inner in value] if isinstance(value, list) else value
