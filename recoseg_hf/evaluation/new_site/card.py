"""The site card: a section of a model card that says what a fine-tuning on a site's own subjects gained and lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from recoseg_hf.errors import InputError
from recoseg_hf.evaluation.anonymity import check_anonymous
from recoseg_hf.evaluation.in_words import mean_in_words
from recoseg_hf.evaluation.new_site.fingerprint import fingerprint_cases
from recoseg_hf.evaluation.new_site.measurement import changed_parts, measure_models
from recoseg_hf.evaluation.new_site.warnings import find_warnings
from recoseg_hf.files import atomic_write, shipped_folder, write_json
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.layout import subject_of_folder
from recoseg_hf.inference.loading import find_model, load_pipeline
from recoseg_hf.inference.report import describe_model, library_versions
from recoseg_hf.learning.run_record import RECORD
from recoseg_hf.learning.slices import read_split
from recoseg_hf.learning.subjects import subject_hash

CARD, VALUES = "site_card.md", "site_card.json"
_TEMPLATE = "site.md.jinja"
_OPTIONS = ("freeze", "learning_rate", "lr_scheduler", "train_batch_size", "gradient_accumulation_steps")


@dataclass(frozen=True)
class SubjectsOf:
    """Subjects of a labelled BraTS-style folder.

    Attributes:
        data: folder of subject folders.
        part: which list of the split.
        split: its file; None is `splits.json` in `data`.
    """

    data: Path
    part: str = "validation"
    split: Path | None = None

    def folders(self) -> list[Path]:
        """The subjects' folders.

        Raises:
            InputError: the split cannot be read or has no such part.
        """
        parts = self._parts()
        if self.part not in parts:
            file = self.split or self.data / "splits.json"
            raise InputError(file, f"no part {self.part!r}", f"one of {', '.join(parts)}", "Name one of these.")
        return parts[self.part]

    def names(self) -> list[str]:
        """The subjects' names, as a training records them; errors as for `folders`."""
        return [subject_of_folder(folder) for folder in self.folders()]

    def check_unseen(self, models: Iterable[Path]) -> None:
        """Refuse to measure a model on subjects that its record says it was trained on.

        Args:
            models: folders.

        Raises:
            InputError: saying how many, or as for `folders`.
        """
        hashes = set(map(subject_hash, self.names()))
        for model in models:
            seen = hashes & set(_record(model).get("subjects_seen", ()))
            if seen:
                raise InputError(
                    model,
                    f"it was trained on {len(seen)} of the {len(hashes)} subjects of {self.part!r}",
                    "subjects that no model has seen",
                    "Name another part of the split.",
                )

    def everyone(self) -> list[Path]:
        """The folders of all parts of the split.

        Raises:
            InputError: the split cannot be read.
        """
        return [folder for folders in self._parts().values() for folder in folders]

    def cases(self) -> Iterator[Case]:
        """The subjects, read one after another.

        Raises:
            InputError: a file cannot be used, or there is no segmentation.
        """
        for folder in self.folders():
            case = Case.from_folder(folder)
            if case.seg is None:
                raise InputError(
                    folder, "no segmentation", "one, to compare with", "Add it, or leave the subject out."
                )
            yield case

    def _parts(self) -> dict[str, list[Path]]:
        return read_split(self.split or self.data / "splits.json", self.data)


def make_site_card(
    before: str | Path | None,
    after: str | Path,
    subjects: SubjectsOf,
    output_dir: str | Path,
    original: SubjectsOf | None = None,
    site: str = "a new site",
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Measure a model before and after its fine-tuning, full volumes, and write `site_card.md` and `site_card.json`.

    Args:
        before: model folder or Hub id that the fine-tuning started from; None is the embedded default.
        after: the fine-tuned model's folder.
        subjects: of the site; nobody that either model was trained on.
        output_dir: where the two files go.
        original: subjects of the data that the model was first trained on, held out then: what was forgotten.
        site: how the card calls the site.
        progress: called with how many subjects are done and how many there are.

    Returns:
        The path of `site_card.md`.

    Raises:
        InputError: a model or subject cannot be used, a subject was trained on, or a value names a subject or path.
    """
    folders = [find_model(before), find_model(after)]
    parts = {"site": subjects} | ({"original": original} if original else {})
    names = {name: part.names() for name, part in parts.items()}
    for part in parts.values():
        part.check_unseen(folders)
    models = [load_pipeline(folder) for folder in folders]
    for model in models:
        model.set_progress_bar_config(disable=True)
    total, earlier, measured = sum(map(len, names.values())), 0, {}
    for name, part in parts.items():
        advance = None if progress is None else partial(_advance, progress, earlier, total)
        measured[name] = measure_models(*models, part.cases(), advance) | {"part": part.part}
        earlier += len(names[name])
    everyone = subjects.everyone()
    values = {
        "site": site,
        "fingerprint": fingerprint_cases(map(Case.from_folder, everyone)),
        "measured": measured["site"],
        "original": measured.get("original"),
        "fine_tuning": _fine_tuning(models, folders),
        "versions": library_versions(),
    }
    named = [name for folder in everyone for name in (folder.name, subject_of_folder(folder))]
    named += names.get("original", [])
    return write_site_card(output_dir, values, named)


def write_site_card(output_dir: str | Path, values: Mapping[str, Any], subjects: Collection[str]) -> Path:
    """Write `site_card.md` and `site_card.json`.

    Args:
        output_dir: where to.
        values: as `make_site_card` gathers them.
        subjects: names that must not appear.

    Returns:
        The path of `site_card.md`.

    Raises:
        InputError: a value looks like a path or names a subject; then nothing is written.
    """
    values = {**values, "warnings": find_warnings(values)}
    check_anonymous(values, subjects)
    card = render_site_card(values)
    folder = Path(output_dir)
    write_json(folder / VALUES, values)
    with atomic_write(folder / CARD) as path:
        path.write_text(card, encoding="utf-8")
    return folder / CARD


def render_site_card(values: Mapping[str, Any]) -> str:
    """Render the content of `site_card.json` as Markdown; its numbers are never typed."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(shipped_folder("model_cards")), undefined=StrictUndefined, keep_trailing_newline=True,
        trim_blocks=True, lstrip_blocks=True, autoescape=False,
    )  # fmt: skip
    environment.filters |= {"statistic": shown_statistic, "difference": shown_difference, "spread": shown_distribution}
    return environment.get_template(_TEMPLATE).render(values)


def shown_statistic(statistic: Mapping[str, Any], decimals: int = 3) -> str:
    """`0.853 [0.801, 0.899]`; `undefined` where no subject has the number."""
    return mean_in_words(statistic, decimals, undefined="undefined")


def shown_difference(difference: Mapping[str, Any]) -> str:
    """As `shown_statistic`, each number with its sign."""
    return mean_in_words(difference, sign="+", undefined="undefined")


def shown_distribution(distribution: Mapping[str, Any] | None) -> str:
    """Cells of a table: minimum, lower quartile, median, upper quartile, maximum; `-` where there is none."""
    names = ("min", "q1", "median", "q3", "max")
    values = [None if distribution is None else distribution[name] for name in names]
    return " | ".join("-" if value is None else f"{value:.4g}" for value in values)


def _advance(progress: Callable[[int, int], None], earlier: int, total: int, done: int) -> None:
    progress(earlier + done, total)


def _record(folder: Path) -> dict[str, Any]:
    file = folder / RECORD
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def _fine_tuning(models: list, folders: list[Path]) -> dict[str, Any]:
    """What the weights and the records tell; `run` is None where no weight changed or nothing was recorded."""
    records = [_record(folder) for folder in folders]
    described = [
        {"name": found["name"], "revision": found["revision"], "weights_sha256": found["weights_sha256"]}
        for found in map(describe_model, models)
    ]
    parts = changed_parts(*models)
    changed = any(net is None or net["changed"] for net in parts.values())
    thresholds = [{name: model.config[name] for name in ("mask_threshold", "seed_threshold")} for model in models]
    return {
        "before": described[0] | thresholds[0] | {"subjects_known": records[0].get("subjects_complete", False)},
        "after": described[1] | thresholds[1] | {"subjects_known": records[1].get("subjects_complete", False)},
        "parts": parts,
        "run": _run(*records) if changed and records[1] else None,
    }


def _run(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    options = after.get("options", {})
    new = set(after.get("subjects_seen", ())) - set(before.get("subjects_seen", ()))
    found = {"train_subjects": len(new), "steps": after.get("steps"), "processes": after.get("processes")}
    return found | {name: options.get(name) for name in _OPTIONS}
