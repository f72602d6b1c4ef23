"""Subjects on both sides of a split: by name, by the hash of a name, by the files themselves."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import PurePosixPath
from typing import Any

from recoseg_hf.evaluation.folders import named
from recoseg_hf.learning.subjects import subject_hash

_PARTS = {"train", "training", "validation", "val", "test", "testing"}
_HASH = re.compile(r"[0-9a-f]{16}")
_RECORDS = ("model", "training")  # where results keep what their model was made of


def shared_subjects(content: Any, seen: Sequence[str] = ()) -> Iterator[tuple[str, str]]:
    """Yield (place, message) for each overlap in JSON values.

    - A mapping of two or more lists of names, one called train, validation, test or the like, is a split.
    - Beside it, `sha256` (of each file, as in the manifest of a prepared data set) tells one scan under two names.
    - `subjects` that have a `subject` were evaluated; `subjects_seen` in the same mapping or one around it, or under
      its `model` or `training`, were trained on.

    Args:
        content: JSON values.
        seen: who was trained on, beside those that the values tell of.
    """
    yield from _walk(content, "", {_hashed(name) for name in seen})


def _walk(content: Any, path: str, seen: set[str]) -> Iterator[tuple[str, str]]:
    if isinstance(content, Mapping):
        seen = seen | _seen_by(content)
        yield from ((path or "the file", message) for message in _overlaps(content, seen))
        for name, value in content.items():
            yield from _walk(value, f"{path}.{name}" if path else str(name), seen)
    elif isinstance(content, list | tuple):
        for number, value in enumerate(content):
            yield from _walk(value, f"{path}[{number}]", seen)


def _overlaps(values: Mapping[str, Any], seen: set[str]) -> Iterator[str]:
    for (one, names), (other, others) in combinations(_split(values).items(), 2):
        hashes = {_hashed(name) for name in others}
        if both := sorted({name for name in names if _hashed(name) in hashes}):
            yield f"{_how_many(both)} in both {one} and {other}: {named(both)}."
    yield from _same_files(values)
    evaluated = values.get("subjects")
    records = evaluated if isinstance(evaluated, list | tuple) else ()
    names = _texts([record.get("subject") for record in records if isinstance(record, Mapping)])
    if trained_on := sorted({name for name in names if _hashed(name) in seen}):
        yield f"{_how_many(trained_on)} evaluated, and the model was trained on them: {named(trained_on)}."


def _split(values: Any) -> dict[str, list[str]]:
    """The lists of names by part, where a mapping is a split; empty where it is none."""
    if not isinstance(values, Mapping):
        return {}
    lists = {
        name: list(names)
        for name, names in values.items()
        if isinstance(names, list | tuple) and names and all(isinstance(one, str) for one in names)
    }
    return lists if len(lists) > 1 and any(str(name).lower() in _PARTS for name in lists) else {}


def _same_files(values: Mapping[str, Any]) -> Iterator[str]:
    """One file under two subjects' names, on two sides of the split."""
    part_of = {name: part for part, names in _split(values.get("subjects")).items() for name in names}
    hashes = values.get("sha256")
    if not part_of or not isinstance(hashes, Mapping):
        return
    owners: dict[str, set[str]] = defaultdict(set)
    for file, digest in hashes.items():
        owners[str(digest)].add(PurePosixPath(file).parent.name)
    alike = {tuple(sorted(names)) for names in owners.values() if len({part_of.get(name) for name in names}) > 1}
    for names in sorted(alike):
        placed = [f"{name} ({part_of.get(name, 'in no part')})" for name in names]
        yield f"One scan under several names in different parts: {named(placed)}."


def _seen_by(values: Mapping[str, Any]) -> set[str]:
    records = [values, *(values[name] for name in _RECORDS if isinstance(values.get(name), Mapping))]
    return {_hashed(name) for record in records for name in _texts(record.get("subjects_seen"))}


def _texts(values: Any) -> list[str]:
    return [one for one in values if isinstance(one, str)] if isinstance(values, list | tuple) else []


def _hashed(name: str) -> str:
    """The hash of a subject's name; a hash stays what it is."""
    return name if _HASH.fullmatch(name) else subject_hash(name)


def _how_many(names: Sequence[str]) -> str:
    return "1 subject is" if len(names) == 1 else f"{len(names)} subjects are"
