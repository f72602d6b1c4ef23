"""Whether a measurement is of the model that made a row's predictions: told by hashes, never by a file's name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def why_other_model(measurement: Mapping[str, Any] | None, reports: Sequence[Mapping[str, Any]]) -> str:
    """Say why a measurement cannot be taken for one of the model behind some predictions.

    Args:
        measurement: `model` with `weights_sha256` and `configuration_sha256` (of `describe_model`), and `dtype`, as
            `training/ablate_inference.py` writes it.
        reports: of the predictions, as `recoseg predict` writes them.

    Returns:
        A few words; "" where weights and configuration are those of every prediction.
    """
    model = (measurement or {}).get("model") or {}
    if not model.get("weights_sha256"):
        return "measured with weights that it does not name"
    if not reports:
        return "measured with weights that cannot be compared, since the predictions are not in the folder"
    if {report["model"]["weights_sha256"] for report in reports} != {model["weights_sha256"]}:
        own, theirs = measurement.get("dtype"), {report["settings"].get("dtype") for report in reports}
        if theirs != {own}:  # the same weights have another hash in another type
            return f"measured in {own}, predicted in {' and '.join(sorted(map(str, theirs)))}"
        return "measured with other weights than the row's"
    if {report["model"]["configuration_sha256"] for report in reports} != {model.get("configuration_sha256")}:
        return "measured with another configuration than the row's"
    return ""
