"""A data set's card: front matter as the Hub reads it, and a body whose every number was measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recoseg_hf.errors import InputError
from recoseg_hf.evaluation.anonymity import check_anonymous
from recoseg_hf.files import atomic_write, shipped_folder
from recoseg_hf.sharing.measuring import DatasetMeasure

TEMPLATE = "dataset.md.jinja"
SUBJECT_COLUMN = "subject"
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"))
_TITLE = "Brain MRI with tumour segmentations"


def render_dataset_card(
    measure: DatasetMeasure,
    license_name: str,
    title: str = _TITLE,
    brats: bool | None = None,
    own_columns: Mapping[str, str] | None = None,
    rewritten: bool = False,
) -> str:
    """Make a data set's card, which names no subject, no path and no date.

    Args:
        measure: of the data set.
        license_name: an identifier that the Hub knows, such as `cc-by-4.0`, or `other`.
        title: the card's heading and the data set's `pretty_name`.
        brats: whether the scans are of BraTS, whose terms and citations the card then has; None goes by their names.
        own_columns: names of the columns by modality, of a data set that is one already: the front matter then leaves
            columns and files to it. None is for scans as `write_dataset_files` lays them out.
        rewritten: whether `write_dataset_files` wrote them, so that headers hold nothing but the grid.

    Returns:
        The text of README.md.

    Raises:
        InputError: no licence was named, or a text of the card names a subject or a path.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    if not license_name.strip():
        raise InputError("--license", "it is empty", "a licence such as cc-by-4.0, or other", "Name the scans' terms.")
    values = measure.values()
    brats = measure.of_brats() if brats is None else brats
    check_anonymous({"title": title, "license": license_name, **values}, measure.everybody)
    environment = Environment(
        loader=FileSystemLoader(shipped_folder("model_cards")), undefined=StrictUndefined, keep_trailing_newline=True,
        trim_blocks=True, lstrip_blocks=True, autoescape=False,
    )  # fmt: skip
    environment.filters["spread"] = _spread
    shown = {"title": title, "license": license_name, "brats": brats, "simulated": measure.simulated(), **values}
    shown |= {
        "rewritten": rewritten,
        "declares": own_columns is None,
        "named": own_columns or {name: name for name in values["columns"]},
    }
    front_matter = _front_matter(values, license_name, title, brats, declares=own_columns is None)
    return environment.get_template(TEMPLATE).render(front_matter=front_matter, **shown)


def write_dataset_card(path: str | Path, text: str) -> Path:
    """Write a card in one step; returns its path."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return Path(path)


def _front_matter(values: Mapping[str, Any], license_name: str, title: str, brats: bool, declares: bool) -> str:
    from huggingface_hub import DatasetCardData

    size = next((name for limit, name in _SIZES if values["n"] < limit), "100K<n<1M")
    features = [
        {"name": SUBJECT_COLUMN, "dtype": "string"},
        *({"name": c, "dtype": "nifti"} for c in values["columns"]),
    ]
    files = [{"split": name, "path": f"{name}/**"} for name in values["splits"]]
    data = DatasetCardData(
        license=license_name,
        task_categories=["image-segmentation", "image-to-image"],
        tags=["medical", "MRI", "brain-tumour", "nifti", *(["BraTS"] if brats else [])],
        pretty_name=title,
        size_categories=[size],
    )
    if declares:
        data.configs = [{"config_name": "default", "data_files": files}]
        data.dataset_info = {"features": features}  # `splits` would need each one's bytes in Arrow, else it is ignored
    return data.to_yaml()


def _spread(distribution: Mapping[str, float] | None) -> str:
    """Say a distribution in a cell of a table."""
    if distribution is None:
        return "not known"
    quartiles = "" if distribution["q1"] is None else f", quartiles {distribution['q1']:g} and {distribution['q3']:g}"
    return f"{distribution['median']:g} ({distribution['min']:g} to {distribution['max']:g}{quartiles})"
