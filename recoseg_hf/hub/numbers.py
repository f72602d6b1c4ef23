"""Whether every number in a card is one of the JSON values that it was rendered from."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from recoseg_hf.errors import InputError

# What holds digits and measures nothing: code, addresses, citations, names of data sets and of licences.
_NO_MEASUREMENT = re.compile(
    r"""```.*?```|`[^`\n]*`|https?://\S+|\]\([^)\s]*\)|\b10\.\d{4,9}/\S+|\b[0-9a-f]{12,64}\b|arxiv:?\s*\d{4}\.\d{4,5}
    |\bet\ al\.,?\ \d{4}|\bBraTS(?:-GLI)?\ 20\d\d|\bbrats20\d\d|\bApache(?:\ License)?,?\ (?:Version\ )?2\.0""",
    re.DOTALL | re.VERBOSE | re.IGNORECASE,
)
# Not the 1 of T1, the 2 of UNet2DModel, the parts of a version.
_NUMBER = re.compile(r"(?<![\w.,/-])[-+]?(?:\d+(?:,\d{3})*(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?(?![\w/]|\.\d|,\d)(\s?%)?")
_DECLARED = re.compile(r"\{#-?\s*numbers that measure nothing:([\d\s,]*)")


def declared_integers(template: str) -> list[int]:
    """Return the whole numbers that a card's template declares in a comment: `{# numbers that measure nothing: 1 #}`.

    A number with decimals cannot be declared: it comes from a JSON file or it does not stand in a card.
    """
    return sorted({int(number) for listed in _DECLARED.findall(template) for number in re.findall(r"\d+", listed)})


def check_numbers(card: str | Path, text: str, values: Any, declared: Collection[int] = ()) -> None:
    """Refuse a card that holds a number which is none of `values`, rounded as it is shown there, or in per cent.

    Numbers in code, addresses, citations and names are not looked at.

    Args:
        card: its name, for the message.
        text: of the card, front matter included.
        values: the JSON values that it was rendered from.
        declared: whole numbers that may stand in it, from `declared_integers`.

    Raises:
        InputError: naming the number and its line.
    """
    numbers, words = _known(values)
    words |= {str(number) for number in declared}
    blanked = _NO_MEASUREMENT.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
    for found in _NUMBER.finditer(blanked):
        shown = found[0].removesuffix(found[1] or "")
        if shown.lstrip("+-") not in words and not _is_rounded(shown, numbers, percent=bool(found[1])):
            line = text[: found.start()].count("\n") + 1
            raise InputError(
                card,
                f"line {line} holds {found[0].strip()}, which is in no JSON value that the card was rendered from",
                "measured numbers only",
                "Put it into an evaluation's JSON file, or take it out, and export again.",
            )


def _known(values: Any) -> tuple[set[float], set[str]]:
    """The numbers among JSON values, and those written in their texts and keys."""
    numbers, words = set(), set()
    for value in _leaves(values):
        if isinstance(value, str):
            words |= {found[0].removesuffix(found[1] or "").lstrip("+-") for found in _NUMBER.finditer(value)}
        elif isinstance(value, int | float) and not isinstance(value, bool):
            numbers.add(float(value))
    return numbers, words


def _leaves(values: Any) -> Iterator[Any]:
    if isinstance(values, dict):
        for key, value in values.items():
            yield str(key)
            yield from _leaves(value)
    elif isinstance(values, list | tuple):
        for value in values:
            yield from _leaves(value)
    else:
        yield values


def _is_rounded(shown: str, numbers: Collection[float], percent: bool) -> bool:
    plain = shown.replace(",", "").lower()
    mantissa, scientific, _ = plain.partition("e")
    decimals = len(mantissa.partition(".")[2])
    kind = "e" if scientific else "f"
    factors = (1, 100) if percent else (1,)
    wanted = abs(float(plain))
    shown_as = (f"{abs(number * factor):.{decimals}{kind}}" for number in numbers for factor in factors)
    return any(float(text) == wanted for text in shown_as)
