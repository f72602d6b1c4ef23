"""A folder of predictions against a folder of references."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

from recoseg_hf.errors import InputError
from recoseg_hf.evaluation.aggregation import aggregate
from recoseg_hf.evaluation.comparison import compare_case, compare_synthesis, grid_difference
from recoseg_hf.evaluation.folders import Reference, find_mask, find_references, find_synthetic, named, unmatched_masks
from recoseg_hf.imaging.volume import Volume, read_labels, read_volume


def evaluate_masks(
    predictions: str | Path,
    references: str | Path,
    *,
    subjects: Collection[str] | None = None,
    allow_missing: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> dict:
    """Compare predicted whole-tumour masks, and synthetic T1ce where there is one, with reference cases.

    Args:
        predictions: folder with `<subject>_mask.nii.gz` and, where synthesis is to be judged too,
            `<subject>_desc-synth_t1ce.nii.gz`, directly or in a folder named after the subject: what `predict` writes.
        references: folder tree with `<subject>_seg.nii.gz` (BraTS labels, 4 or 3 for enhancing tumour) and, for the
            synthesis, the measured T1ce beside it; a BraTS download, or segmentations alone.
        subjects: evaluate only these of the references, for example one part of a split.
        allow_missing: leave out references without a prediction or without a segmentation and list them in the
            result, instead of raising.
        progress: called after each subject with how many are done and how many there are.

    Returns:
        JSON values: the result of `aggregate`, where each of `subjects` holds `subject`, what `compare_case` returns
        and `synthesis` (what `compare_synthesis` returns, or None), and beside it who is in none of its numbers:

        - `missing`: references without a prediction (with `allow_missing`)
        - `unlabelled`: references without a segmentation (with `allow_missing`)
        - `unmatched`: predictions without a reference

    Raises:
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
    records = list(_records(pairs, progress))
    left_out = {
        "missing": missing,
        "unlabelled": unlabelled,
        "unmatched": unmatched_masks(predictions, masks.values()),
    }
    return aggregate(records) | left_out


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


def _records(pairs: Sequence[tuple[Reference, Path]], progress: Callable[[int, int], None] | None) -> Iterator[dict]:
    for done, (reference, mask) in enumerate(pairs, start=1):
        yield _record(reference, mask)
        if progress:
            progress(done, len(pairs))


def _record(reference: Reference, mask: Path) -> dict:
    segmentation, prediction = read_labels(reference.seg), read_labels(mask)
    _check_grid(mask, prediction, reference.seg, segmentation)
    comparison = compare_case(prediction, segmentation)
    return {"subject": reference.subject, **comparison, "synthesis": _synthesis(reference, mask)}


def _synthesis(reference: Reference, mask: Path) -> dict | None:
    file = find_synthetic(mask)
    if not file or not reference.t1ce:
        return None
    synthetic, real = read_volume(file), read_volume(reference.t1ce)
    _check_grid(file, synthetic, reference.t1ce, real)
    return compare_synthesis(real, synthetic)


def _check_grid(file: Path, volume: Volume, reference_file: Path, reference: Volume) -> None:
    if difference := grid_difference(volume, reference):
        raise InputError(
            file,
            f"its grid is another than that of {reference_file.name}: {difference}",
            "the reference's own grid",
            "Predict on the reference's own scans; a resampled mask would be judged for the resampling too.",
        )
