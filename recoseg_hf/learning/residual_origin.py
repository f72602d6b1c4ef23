"""How cached residuals came about, and the checks that they fit the slices and the segmenter they are used for."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recoseg_hf.errors import InputError
from recoseg_hf.inference.report import weights_sha256
from recoseg_hf.learning.residual_plan import KnownSynthesizer
from recoseg_hf.learning.slices import MANIFEST, read_manifest
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline

_DRAW_ANEW = "Run training/cache_residuals.py again."


def synthesizer_sha256(pipeline: ReCoSegPipeline) -> str:
    """Hash of the synthesizer's weights as loaded; the segmenter beside it and the way it was saved do not count."""
    return weights_sha256(pipeline, ("synthesizer",))


def slices_fingerprint(manifest: Mapping[str, Any]) -> str:
    """One hash for what slices were made of and by: settings, subjects by split, and the hashes of their files."""
    source = {name: manifest[name] for name in ("settings", "subjects", "sha256")}
    return hashlib.sha256(json.dumps(source, sort_keys=True).encode()).hexdigest()


def describe_residuals(
    manifest: Mapping[str, Any],
    models: Sequence[KnownSynthesizer],
    hashes: Sequence[str],
    plan: Mapping[str, int],
) -> dict[str, Any]:
    """The entry `residuals` of a cache's manifest.

    Args:
        manifest: of the slices.
        models: the main synthesizer, then those of the folds.
        hashes: of their weights.
        plan: who draws whom, see `plan_draws`.

    Returns:
        `protocol` (`out_of_fold` where records prove that no subject was drawn by a synthesizer trained on it, else
        `in_sample`), `seen` (subjects known to have been drawn so), `slices_sha256`, and `models` with the fold,
        hash and subjects of each.
    """
    seen = sorted(subject for subject, place in plan.items() if models[place].saw(subject))
    proven = not seen and all(models[place].complete for place in plan.values())
    drawn = [sorted(subject for subject, chosen in plan.items() if chosen == place) for place in range(len(models))]
    return {
        "protocol": "out_of_fold" if proven else "in_sample",
        "seen": seen,
        "slices_sha256": slices_fingerprint(manifest),
        "models": [
            {"fold": model.fold, "weights_sha256": digest, "number_of_subjects": len(subjects), "subjects": subjects}
            for model, digest, subjects in zip(models, hashes, drawn, strict=True)
        ],
    }


def check_slices(folder: Path, manifest: Mapping[str, Any], columns: Sequence[str] = ()) -> None:
    """Refuse residuals that were drawn for other slices than those they lie beside, or without what is needed.

    Args:
        folder: of the data set.
        manifest: of the data set.
        columns: that the segmenter is trained on.

    Raises:
        InputError: no spread was drawn though it is needed, or the manifest's residuals are of another origin, or of
            an older version that did not record it.
    """
    file, found = folder / MANIFEST, manifest.get("residuals", {})
    if "slices_sha256" not in found:
        raise InputError(file, "residuals of unknown origin", "the record of what they were drawn for", _DRAW_ANEW)
    if found["slices_sha256"] != slices_fingerprint(manifest):
        raise InputError(file, "residuals drawn for other slices", "residuals of these slices", _DRAW_ANEW)
    if "spread" in columns and found.get("samples", 0) < 2:
        remedy = "Draw them with --num_samples 4, or train with --ensemble_share 0."
        raise InputError(file, "residuals drawn without a spread over samples", "2 samples or more", remedy)
    drawn = {subject for model in found["models"] for subject in model["subjects"]}
    missing = {subject for names in manifest["subjects"].values() for subject in names} - drawn
    if missing:
        raise InputError(file, f"no residuals of {len(missing)} subjects", "everyone's", _DRAW_ANEW)


def check_residuals(
    folder: str | Path, pipeline: ReCoSegPipeline, validation: Sequence[str], allow_other: bool = False
) -> None:
    """Refuse residuals that do not fit the segmenter's training.

    Args:
        folder: made by `training/cache_residuals.py`.
        pipeline: whose segmenter is trained; its synthesizer will run beside it.
        validation: subjects that the segmenter is judged by.
        allow_other: take residuals of another synthesizer too, for a comparison.

    Raises:
        InputError: another synthesizer drew them, or one that was trained on validation subjects.
    """
    found = read_manifest(folder)["residuals"]
    drawn_by = found["models"][0]["weights_sha256"]
    if not allow_other and drawn_by != synthesizer_sha256(pipeline):
        raise InputError(
            folder,
            f"residuals of another synthesizer ({drawn_by[:12]})",
            f"those of the one that the segmenter will run beside ({synthesizer_sha256(pipeline)[:12]})",
            "Start from the pipeline that drew them, draw them anew, or compare with --allow_other_synthesizer.",
        )
    seen = set(found["seen"]) & set(validation)
    if seen:
        raise InputError(
            folder,
            f"{len(seen)} of {len(validation)} validation subjects were drawn by a synthesizer trained on them",
            "validation subjects that it never saw",
            "Draw them with --fold_models (see training/README.md), or choose others with --split.",
        )
