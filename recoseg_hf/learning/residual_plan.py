"""Which synthesizer draws which subject: one that never saw it, wherever there is one.

A segmenter that is trained beside residuals of a synthesizer's own training subjects learns from smaller residuals
than it will meet, so these are drawn by the models of a K-fold split (nnU-Net's cascade does the same: Isensee et al.
2021, 10.1038/s41592-020-01008-z).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from recoseg_hf.errors import InputError
from recoseg_hf.json_files import mismatch
from recoseg_hf.learning.run_record import RECORD, RECORD_IS, training_record
from recoseg_hf.learning.subjects import subject_hash


@dataclass(frozen=True)
class KnownSynthesizer:
    """A synthesizer and whom it was trained on.

    Attributes:
        source: pipeline folder or Hub id.
        seen: `subject_hash` of those it is known to have been trained on.
        complete: whether there was nobody else. Without a record nothing is known.
        fold: the fold that its training left out; None for one that left none out.
    """

    source: str
    seen: frozenset[str] = frozenset()
    complete: bool = False
    fold: int | None = None

    def saw(self, subject: str) -> bool:
        """Whether it is known to have been trained on a subject."""
        return subject_hash(subject) in self.seen


def read_record(source: str) -> KnownSynthesizer:
    """What a run's `training_record.json` says of the synthesizer beside it.

    Raises:
        InputError: there is a file of that name, but it is no training record.
    """
    record = training_record(source)
    if record is None:
        return KnownSynthesizer(source)
    options = record.get("options", {})
    in_folds = bool(options.get("num_folds"))
    if found := mismatch(record, {"subjects_seen": [str]} | ({"options": {"fold": int}} if in_folds else {})):
        raise InputError(Path(source) / RECORD, found, RECORD_IS, "Copy it again from the run.")
    fold = options["fold"] if in_folds else None
    return KnownSynthesizer(source, frozenset(record["subjects_seen"]), record.get("subjects_complete") is True, fold)


def plan_draws(
    subjects: Sequence[str], held_out: Collection[str], models: Sequence[KnownSynthesizer]
) -> dict[str, int]:
    """Choose the synthesizer of every subject.

    The main model, the one that will run beside the segmenter, draws whom it never saw; everyone else is drawn by the
    first fold model that never did. Without fold models the main one draws all.

    Args:
        subjects: everyone in the data.
        held_out: those of them that the segmenter is judged by, which the main model must not have seen.
        models: the main model, then the fold models, if any.

    Returns:
        For each subject the place of its synthesizer in `models`.

    Raises:
        InputError: the main model saw held-out subjects, the record of a model beside fold models is missing or
            not complete, or every model saw some subject. Subjects are counted, not named.
    """
    main, *fold_models = models
    _check_held_out(main, held_out)
    if not fold_models:
        return dict.fromkeys(subjects, 0)
    for model in models:
        _check_recorded(model)
    plan = {subject: [not model.saw(subject) for model in models] for subject in subjects}
    everywhere = sum(not any(unseen) for unseen in plan.values())
    if everywhere:
        raise InputError(
            "--fold_models",
            f"{everywhere} of {len(subjects)} subjects were seen by every synthesizer",
            "for each subject one that was not trained on it",
            "Train one for each fold with --num_folds and --fold, on these subjects, and name all of them.",
        )
    return {subject: unseen.index(True) for subject, unseen in plan.items()}


def _check_held_out(main: KnownSynthesizer, held_out: Collection[str]) -> None:
    seen = sum(map(main.saw, held_out))
    if seen:
        raise InputError(
            main.source,
            f"trained on {seen} of the {len(held_out)} validation subjects",
            "a synthesizer that saw none of them",
            "Train it without them, or give the --split that it was trained with.",
        )


def _check_recorded(model: KnownSynthesizer) -> None:
    if not model.complete:
        file = Path(model.source) / RECORD
        raise InputError(
            file,
            "it started from weights without a record" if file.is_file() else "no such file",
            "the record of everyone that the synthesizer was trained on",
            "Train it with training/train_synthesizer.py from fresh weights, or leave --fold_models out.",
        )
