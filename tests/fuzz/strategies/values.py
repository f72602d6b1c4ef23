"""Values that programs stumble over: numbers, texts, JSON documents and their bytes, damaged."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import strategies as st

HARD_INTEGERS = (0, 1, -1, 2, 3, 7, 127, 255, 32767, -32768, 2**31 - 1, -(2**31), 2**63 - 1, 2**64, 10**30)
HARD_FLOATS = (0.0, -0.0, 0.5, 1.0, -1.0, 1e-45, 1e-30, 1e30, 1e308, float("nan"), float("inf"), float("-inf"))
HARD_TEXTS = (
    "", " ", ".", "..", "../x", "a/b", "/", "~", "-", "--", "CON", "\0", "a\0b", "\n", "\x1b[31m", "é", "日本語", "🧠",
    "\u202e", "\ud800", "x" * 300, "NaN", "null", "1e999", "%s", "{}", "{0.__class__}", "$(id)", "<script>", "[red]",
)  # fmt: skip

integers = st.sampled_from(HARD_INTEGERS) | st.integers(-300, 300)
floats = st.sampled_from(HARD_FLOATS) | st.floats()
texts = st.sampled_from(HARD_TEXTS) | st.text(max_size=12)
leaves = st.none() | st.booleans() | integers | floats | texts
json_values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=6
)

_RAW = (
    b"", b"{}", b"[]", b"null", b"0", b'""', b"\xff\xfe", b"\xef\xbb\xbf{}", b"[" * 100_000, b'{"a":' * 100_000,
    b"9" * 5000, b"1e999999999999", b"-", b"{", b'{"a": NaN}', b"\0" * 64, b"<html>", b"version https://git-lfs",
)  # fmt: skip


@st.composite
def damaged_bytes(draw: st.DrawFn, content: bytes, most: int = 3) -> bytes:
    """`content` with bytes flipped, cut, put in, doubled, or cut off at its end."""
    result = bytearray(content)
    for _ in range(draw(st.integers(1, most))):
        place = draw(st.integers(0, max(0, len(result) - 1)))
        kind = draw(st.sampled_from(("flip", "cut", "insert", "zero", "end", "append", "double")))
        if kind == "flip" and result:
            result[place] ^= draw(st.integers(1, 255))
        elif kind == "cut":
            del result[place : place + draw(st.integers(1, 16))]
        elif kind == "insert":
            result[place:place] = draw(st.binary(min_size=1, max_size=16))
        elif kind == "zero":
            result[place : place + 8] = bytes(len(result[place : place + 8]))
        elif kind == "end":
            del result[place:]
        elif kind == "append":
            result += draw(st.binary(min_size=1, max_size=64))
        else:
            result += bytes(result)
    return bytes(result)


@st.composite
def damaged_json(draw: st.DrawFn, document: Any) -> bytes:
    """The bytes of a JSON document that had entries replaced, dropped or added; or bytes that are no JSON."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.sampled_from(_RAW) | json_values.map(as_json))
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(document))
        if not places:
            break
        inside, key = draw(st.sampled_from(places))
        kind = draw(st.sampled_from(("replace", "replace", "retype", "drop", "add")))
        if kind == "drop":
            del inside[key]
        elif kind == "retype":
            inside[key] = draw(st.sampled_from([str(inside[key]), [inside[key]], {"value": inside[key]}, None]))
        elif kind == "add" and isinstance(inside, dict):
            inside[draw(texts)] = draw(json_values)
        else:
            inside[key] = draw(json_values)
    content = as_json(document)
    return draw(damaged_bytes(content)) if draw(st.integers(0, 7)) == 0 else content


def as_json(value: Any) -> bytes:
    """Bytes as Python's `json` would write them: NaN, infinities and lone surrogates included."""
    return json.dumps(value).encode()


def _places(value: Any) -> Any:
    """Every (container, key) in a JSON value."""
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in entries:
        yield value, key
        yield from _places(inner)
