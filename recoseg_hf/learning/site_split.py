"""Two sites of one data set: where a model comes from, and where it goes."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from recoseg_hf.errors import InputError
from recoseg_hf.learning.subjects import subject_hash


@dataclass(frozen=True)
class SiteSplit:
    """Who is of which site and for what.

    Attributes:
        source_train: to train on before.
        source_test: of the same site, never trained on: what a fine-tuning forgets.
        target: of the new site; some are fine-tuned on, the others tested.
    """

    source_train: list[str]
    source_test: list[str]
    target: list[str]

    def check_unseen(self, seen: Collection[str], by: str | Path) -> None:
        """Refuse what was trained on somebody who will be tested: the site would not be new to it.

        Args:
            seen: `subject_hash` of those it was trained on.
            by: what that is, for the message.

        Raises:
            InputError: saying how many.
        """
        tested = [*self.target, *self.source_test]
        known = sum(subject_hash(subject) in set(seen) for subject in tested)
        if known:
            raise InputError(
                by,
                f"it was trained on {known} of the {len(tested)} subjects that are tested",
                "the source's train subjects alone",
                "Train it with --split on these, or say --allow_seen: the numbers are then no longer of a new site.",
            )


def read_sites(path: str | Path, source: str, target: str) -> SiteSplit:
    """Read `{"train": [...], "validation": [...], "sites": {"CBICA": [...], "TCIA": [...]}}`.

    The target's validation subjects are left alone.

    Args:
        path: the file.
        source: site of `source_train` (its train subjects) and `source_test` (its validation subjects).
        target: another site, of whose train subjects `target` is made.

    Raises:
        InputError: it is no such JSON, a site is unknown, both are one, or one has too few subjects.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        parts = {name: list(map(str, content[name])) for name in ("train", "validation")}
        sites = {str(name): set(map(str, subjects)) for name, subjects in content["sites"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        form = '{"train": [...], "validation": [...], "sites": {"name": [...], ...}}'
        raise InputError(path, f"no sites to be read ({error!r})", form, "Write it in this form.") from error
    if source not in sites or target not in sites or source == target:
        raise InputError(path, f"sites {source} and {target}", f"two of {', '.join(sites)}", "Name two of these.")
    split = SiteSplit(
        source_train=[subject for subject in parts["train"] if subject in sites[source]],
        source_test=[subject for subject in parts["validation"] if subject in sites[source]],
        target=[subject for subject in parts["train"] if subject in sites[target]],
    )
    counts = [len(split.source_train), len(split.source_test), len(split.target)]
    if min(counts) < 1 or counts[2] < 2:
        found = f"{counts[0]} train and {counts[1]} validation subjects of {source}, {counts[2]} train of {target}"
        raise InputError(path, found, "1, 1 and 2 or more", "Choose other sites, or split anew.")
    return split
