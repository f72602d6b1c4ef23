"""The last look at what leaves a site: no text in it may be a path or name a subject."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from recoseg_hf.errors import InputError

# An absolute or relative path, a backslash, a drive, three parts between slashes, or the ending of a file. One slash
# alone is fine: a Hub id has one.
_PATH = re.compile(
    r"""(?:^|[\s"'(=:,])[~.]{0,2}/\S|\\|\b[A-Za-z]:/|[\w.-]+/[\w.-]+/|\.(?:nii|gz|dcm|json|jsonl|arrow|safetensors)\b""",
    re.IGNORECASE,
)
_SHORT_NAME = 4


def check_anonymous(values: Any, subjects: Collection[str]) -> None:
    """Refuse values in which a text, or a key, looks like a path or holds the name of a subject.

    A name is found in upper and lower case wherever letters or digits do not run on before or after it; one of fewer
    than four characters, which stands in many a word, only where it is the whole text.

    Args:
        values: JSON values.
        subjects: names that must not appear.

    Raises:
        InputError: naming the field.
    """
    names = [name for name in subjects if len(name) >= _SHORT_NAME]
    short = {name.lower() for name in subjects if len(name) < _SHORT_NAME}
    runs_on = "[A-Za-z0-9]"
    named = re.compile("|".join(f"(?<!{runs_on}){re.escape(name)}(?!{runs_on})" for name in names), re.IGNORECASE)
    for field, text in _texts(values):
        if (names and named.search(text)) or text.lower() in short:
            raise _refused(field, "it names a subject", "no subject's name")
        if _PATH.search(text):
            raise _refused(field, f"{text!r} looks like a path", "no path")


def _texts(values: Any, field: str = "") -> Iterator[tuple[str, str]]:
    """Every text in JSON values with where it stands; keys are texts too."""
    if isinstance(values, str):
        yield field, values
    elif isinstance(values, dict):
        for key, value in values.items():
            yield field, str(key)
            yield from _texts(value, f"{field}.{key}" if field else str(key))
    elif isinstance(values, list | tuple):
        for place, value in enumerate(values):
            yield from _texts(value, f"{field}[{place}]")


def _refused(field: str, found: str, expected: str) -> InputError:
    remedy = "What a site shares must not tell where its data lies or of whom it is: give that field another value."
    return InputError(f"field {field}" if field else "a field", found, expected, remedy)
