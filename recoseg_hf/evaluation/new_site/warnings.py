"""What a reader of a site card must know before its numbers, as sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recoseg_hf.learning.freezing import TRAINED_PARTS

FEW_SUBJECTS, FEWEST_SUBJECTS = 10, 5


def find_warnings(values: Mapping[str, Any]) -> list[str]:
    """Warnings about a site card's values, the gravest first; see `card.make_site_card` for these."""
    measured, original = values["measured"], values["original"]
    return [
        *_outcome(measured["regions"]["wt"]["difference"]),
        *_size(measured["n"]),
        *_choice(measured["part"]),
        *_records(values["fine_tuning"]),
        *_contradiction(values["fine_tuning"]),
        *_forgetting(original),
        *values["fingerprint"]["warnings"],
    ]


def _outcome(difference: Mapping[str, Any]) -> list[str]:
    value, interval = difference["value"], difference["interval"]
    found = ["On average the fine-tuned model is worse here."] if value is not None and value < 0 else []
    if interval is None or difference["n"] < FEWEST_SUBJECTS:
        return [*found, "Whether the fine-tuning changed anything but by chance cannot be told from so few subjects."]
    if interval[0] <= 0 <= interval[1]:
        return [*found, "The difference in whole-tumour Dice may be chance: its interval holds 0."]
    return found


def _size(n: int) -> list[str]:
    if n >= FEW_SUBJECTS:
        return []
    who = "1 subject" if n == 1 else f"{n} subjects"
    return [f"Measured on {who}: a 95 % interval of so few is too narrow (of 6, it held the truth in 83 % of trials)."]


def _choice(part: str) -> list[str]:
    if part != "validation":
        return []
    return [
        "These subjects also served to choose among the weights during training, so the numbers after it are too "
        "good; subjects in a part of their own would tell more."
    ]


def _records(fine_tuning: Mapping[str, Any]) -> list[str]:
    silent = [side for side in ("before", "after") if not fine_tuning[side]["subjects_known"]]
    if not silent:
        return []
    return [
        f"{' and '.join(silent).capitalize()} fine-tuning the model has no full record of whom it was trained on: "
        "that these subjects were not among them is the word of whoever made this card."
    ]


def _contradiction(fine_tuning: Mapping[str, Any]) -> list[str]:
    run = fine_tuning["run"]
    trained = TRAINED_PARTS.get(run["freeze"]) if run else None
    changed = {part for net in fine_tuning["parts"].values() if net for part in net["changed"]}
    if trained is None or changed <= set(trained):
        return []
    return [
        f"The record says that the run froze {run['freeze']}, and the weights say that it changed: the model before "
        "is not the one that the run started from, or another net was trained too."
    ]


def _forgetting(original: Mapping[str, Any] | None) -> list[str]:
    if original is None:
        return ["What the model lost on the data it was first trained on was not measured."]
    difference = original["regions"]["wt"]["difference"]
    if difference["interval"] is not None and difference["interval"][1] < 0:
        return ["The fine-tuned model is worse on the data that the model was first trained on."]
    return []
