"""A folder of predictions against a folder of references."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import numpy as np

from recoseg_hf.errors import InputError
from recoseg_hf.evaluation.aggregation import aggregate
from recoseg_hf.evaluation.comparison import compare_case, compare_shape
from recoseg_hf.evaluation.folders import (
    Reference,
    find_labels,
    find_mask,
    find_references,
    find_residual,
    find_synthetic,
    named,
    unmatched_masks,
)
from recoseg_hf.evaluation.metrics.curves import compare_cues, static_residual
from recoseg_hf.evaluation.protocols import compare_case_as_paper
from recoseg_hf.evaluation.same_grid import grid_difference
from recoseg_hf.evaluation.synthesis_comparison import compare_synthesis
from recoseg_hf.imaging.volume import Volume, read_labels, read_volume
from recoseg_hf.pipeline.conventions import REGIONS, region_masks

INNER_REGIONS = REGIONS[1:]


def evaluate_masks(
    predictions: str | Path,
    references: str | Path,
    *,
    subjects: Collection[str] | None = None,
    allow_missing: bool = False,
    full: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> dict:
    """Compare predicted whole-tumour masks, and synthetic T1ce where there is one, with reference cases.

    Args:
        predictions: folder with `<subject>_mask.nii.gz` and, where synthesis and inner regions are to be judged too,
            `<subject>_desc-synth_t1ce.nii.gz` and `<subject>_labels.nii.gz` (BraTS labels), directly or in a folder
            named after the subject: what `predict` writes.
        references: folder tree with `<subject>_seg.nii.gz` (BraTS labels, 4 or 3 for enhancing tumour) and, for the
            synthesis, the measured T1ce beside it; a BraTS download, or segmentations alone.
        subjects: evaluate only these of the references, for example one part of a split.
        allow_missing: leave out references without a prediction or without a segmentation and list them in the
            result, instead of raising.
        full: measure surfaces, lesions, cues and the paper's protocol too; needs the `[eval]` extra and more time.
        progress: called after each subject with how many are done and how many there are.

    Returns:
        JSON values: the result of `aggregate`, where each of `subjects` holds `subject`, what `compare_case` returns
        and `synthesis` (what `compare_synthesis` returns, or None); with `full` also what `compare_shape` returns and
        `cues` (what `compare_cues` returns for the `residual` beside the mask, and for `flair` and `static_residual`
        where the reference has the scans; or None). And beside it:

        - `regions`: for TC and ET what `aggregate` returns; None unless there are labels beside each mask
        - `paper`: with `full`, the same of the protocol "paper", else None
        - `missing`: references without a prediction (with `allow_missing`)
        - `unlabelled`: references without a segmentation (with `allow_missing`)
        - `unmatched`: predictions without a reference

    Raises:
        RecosegError: `full` without the `[eval]` extra.
        InputError: there are no references, a prediction or segmentation is missing, found twice or unusable, a
            prediction lies on another grid than its reference, or one of `subjects` is unknown.
    """
    predictions, references = Path(predictions), Path(references)
    found = find_references(references)
    masks = {reference.subject: find_mask(predictions, reference.names) for reference in found}
    chosen = found if subjects is None else _chosen(found, subjects, references)
    missing = [one.subject for one in chosen if one.seg and not masks[one.subject]]
    unlabelled = [one.subject for one in chosen if not one.seg]
    pairs = [(one, masks[one.subject]) for one in chosen if one.seg and masks[one.subject]]
    if not (pairs and allow_missing):
        _check_complete(predictions, references, missing, unlabelled, len(chosen))
    records = list(_records(pairs, full, progress))
    as_paper = [record.pop("paper") for record in records]
    inner = [record.pop("regions") for record in records]
    left_out = {
        "missing": missing,
        "unlabelled": unlabelled,
        "unmatched": unmatched_masks(predictions, masks.values()),
    }
    paper = aggregate(as_paper, protocol="paper") if full else None
    return aggregate(records) | {"paper": paper, "regions": _aggregate_regions(inner)} | left_out


def _aggregate_regions(found: Sequence[dict[str, dict] | None]) -> dict[str, dict] | None:
    """Of systems that have the regions: of others there is nothing to compare with them."""
    if not all(found):
        return None
    return {region: aggregate([one[region] for one in found]) for region in INNER_REGIONS}


def _chosen(found: Sequence[Reference], subjects: Collection[str], references: Path) -> list[Reference]:
    known = {name for one in found for name in one.names}
    if unknown := sorted(set(subjects) - known):
        raise InputError(
            references, f"no reference for {named(unknown)}", "every subject asked for", "Check the names."
        )
    return [one for one in found if not set(subjects).isdisjoint(one.names)]


def _check_complete(
    predictions: Path, references: Path, missing: Sequence[str], unlabelled: Sequence[str], total: int
) -> None:
    remedy = "Or allow missing ones: they are then listed and left out of every number."
    if missing:
        raise InputError(
            predictions,
            f"no mask for {len(missing)} of {total} reference subjects: {named(missing)}",
            "<subject>_mask.nii.gz, in it or in a folder named after the subject",
            f"Predict them too. {remedy}",
        )
    if unlabelled:
        found = f"no segmentation for {len(unlabelled)} of {total} cases: {named(unlabelled)}"
        raise InputError(references, found, "<subject>_seg.nii.gz in each", f"Add them, check their names. {remedy}")


def _records(
    pairs: Sequence[tuple[Reference, Path]], full: bool, progress: Callable[[int, int], None] | None
) -> Iterator[dict]:
    for done, (reference, mask) in enumerate(pairs, start=1):
        yield _record(reference, mask, full)
        if progress:
            progress(done, len(pairs))


def _record(reference: Reference, mask: Path, full: bool) -> dict:
    segmentation, prediction = read_labels(reference.seg), read_labels(mask)
    _check_grid(mask, prediction, reference.seg, segmentation)
    name = {"subject": reference.subject}
    record = {**name, **compare_case(prediction, segmentation), "paper": None}
    if full:
        record |= compare_shape(prediction, segmentation)
        record["cues"] = _cues(reference, mask, segmentation)
        record["paper"] = name | compare_case_as_paper(prediction, segmentation)
    return record | {
        "synthesis": _synthesis(reference, mask, segmentation),
        "regions": _regions(reference, mask, segmentation),
    }


def _regions(reference: Reference, mask: Path, segmentation: Volume) -> dict[str, dict] | None:
    file = find_labels(mask)
    if not file:
        return None
    labels = read_labels(file)
    _check_grid(file, labels, reference.seg, segmentation)
    masks, name = region_masks(labels.data), {"subject": reference.subject}
    volumes = {region: Volume(masks[region].astype(np.uint8), labels.affine) for region in INNER_REGIONS}
    return {region: name | compare_case(volume, segmentation, region) for region, volume in volumes.items()}


def _synthesis(reference: Reference, mask: Path, segmentation: Volume) -> dict | None:
    file = find_synthetic(mask)
    if not file or not reference.t1ce:
        return None
    synthetic, real = read_volume(file), read_volume(reference.t1ce)
    _check_grid(file, synthetic, reference.t1ce, real)
    _check_grid(reference.t1ce, real, reference.seg, segmentation)
    return compare_synthesis(real, synthetic, labels=segmentation)


def _cues(reference: Reference, mask: Path, segmentation: Volume) -> dict | None:
    """Judge what there is: the residual of the prediction, and the two cues that need no model."""
    files = {"residual": find_residual(mask), "flair": reference.flair, "t1": reference.t1, "t1ce": reference.t1ce}
    volumes = {}
    for name, file in files.items():
        if file:
            volumes[name] = read_volume(file)
            _check_grid(file, volumes[name], reference.seg, segmentation)
    cues = {name: volumes[name].data for name in ("residual", "flair") if name in volumes}
    scans = [volumes[name].data for name in ("flair", "t1", "t1ce") if name in volumes]
    if not scans:
        return None
    brain = np.logical_or.reduce([scan != 0 for scan in scans])
    if {"t1", "t1ce"} <= volumes.keys():
        try:
            cues["static_residual"] = static_residual(volumes["t1"].data, volumes["t1ce"].data, brain)
        except ValueError as error:
            raise InputError(reference.t1ce.parent, str(error), "scans with contrast", "Check the export.") from error
    return compare_cues(cues, segmentation.data, brain) or None


def _check_grid(file: Path, volume: Volume, reference_file: Path, reference: Volume) -> None:
    if difference := grid_difference(volume, reference):
        raise InputError(
            file,
            f"its grid is another than that of {reference_file.name}: {difference}",
            "the reference's own grid",
            "Predict on the reference's own scans; a resampled mask would be judged for the resampling too.",
        )
