"""JSON files that others may have written, or a disk may have damaged: read, and of the form that is needed."""

from __future__ import annotations

import json
import math
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from recoseg_hf.errors import InputError

Form = Any
"""What a JSON value has to be.

- A type, or a tuple of types: `float` takes finite numbers, whole ones too; neither it nor `int` takes a bool.
- `[form]`: a list of such values.
- `{"*": form}`: an object of such values. Other objects name their entries; one whose name ends in `?` may be absent.
"""

EVERY = "*"
_DEEPEST = 64  # what reads values walks them too, and Python's stack holds about a thousand calls


def read_json(
    path: str | Path,
    expected: str,
    remedy: str,
    form: Form = None,
    parse_float: Callable[[str], Any] | None = None,
) -> Any:
    """Read a JSON file.

    Args:
        path: the file.
        expected: what it should be, for the message.
        remedy: what can be done about it.
        form: of its content, see `Form`; None takes any.
        parse_float: as for `json.loads`.

    Raises:
        InputError: it cannot be read, is no JSON, or has not that form; the message names the entry.
    """
    try:
        if _waits(Path(path)):
            raise InputError(path, "it is no regular file", expected, "Write it to a file first.")
        value = json.loads(Path(path).read_text(encoding="utf-8"), parse_float=parse_float)
        # Half a surrogate pair passes for text, and NaN for a number, until somebody writes it: refused here, where
        # the file is known. Files of others, which have no form, may hold NaN.
        json.dumps(value, ensure_ascii=False, default=str, allow_nan=form is None).encode("utf-8")
    except OSError as error:
        raise InputError(path, error.strerror or str(error), expected, remedy) from error
    except RecursionError as error:
        raise InputError(path, "its values are nested too deeply", expected, remedy) from error
    except ValueError as error:
        raise InputError(path, f"it is no JSON ({error})", expected, remedy) from error
    if is_nested_deeply(value):
        raise InputError(path, "its values are nested too deeply", expected, remedy)
    if form is not None and (found := mismatch(value, form)):
        raise InputError(path, found, expected, remedy)
    return value


def _waits(path: Path) -> bool:
    """Say whether a path is a pipe or a device: to open one may wait without end for somebody to write."""
    mode = path.stat().st_mode
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def is_nested_deeply(value: Any) -> bool:
    """Say whether lists and objects stand in one another more than 64 deep."""
    level, depth = [value], 0
    while level and depth <= _DEEPEST:
        level = [inner for one in level for inner in _inside(one)]
        depth += 1
    return bool(level)


def _inside(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def mismatch(value: Any, form: Form, place: str = "") -> str | None:
    """Say in a clause where a value has not a form; None where it has."""
    if isinstance(form, list):
        if not isinstance(value, list):
            return _is(place, value, "a list")
        return _first(mismatch(one, form[0], f"{place}[{number}]") for number, one in enumerate(value))
    if isinstance(form, dict):
        if not isinstance(value, dict):
            return _is(place, value, "an object")
        within = f"{place}." if place else ""
        lacking = [within + name for name in form if name != EVERY and not name.endswith("?") and name not in value]
        if lacking:
            return f"it lacks {', '.join(lacking)}"
        return _first(_entry(value, name, inner, within) for name, inner in form.items())
    kinds = form if isinstance(form, tuple) else (form,)
    return None if any(_is_a(value, kind) for kind in kinds) else _is(place, value, " or ".join(map(_named, kinds)))


def _entry(value: dict[str, Any], name: str, form: Form, within: str) -> str | None:
    if name == EVERY:
        return _first(mismatch(inner, form, f"{within}{key}") for key, inner in value.items())
    key = name.removesuffix("?")
    return mismatch(value[key], form, f"{within}{key}") if key in value else None


def _is_a(value: Any, kind: type) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(value, kind) and not (kind is int and isinstance(value, bool))


def _is(place: str, value: Any, wanted: str) -> str:
    shown = repr(value)
    return f"{place or 'it'} is {shown if len(shown) <= 60 else shown[:60] + '...'} and not {wanted}"


def _named(kind: type) -> str:
    names = {float: "a number", int: "a whole number", str: "text", bool: "true or false", dict: "an object"}
    return names.get(kind, "null" if kind is type(None) else kind.__name__)


def _first(found: Any) -> str | None:
    return next((one for one in found if one), None)
