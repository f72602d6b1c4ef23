"""A model's card: every number in it comes from a JSON file, and what was not measured is called so."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recoseg_hf.errors import InputError
from recoseg_hf.files import atomic_write, shipped_folder, write_json
from recoseg_hf.hub.front_matter import front_matter
from recoseg_hf.hub.measured import benchmark_rows, evaluation_rows
from recoseg_hf.hub.names import CARD, CARD_VALUES, INDEX, LICENSE, NETS, SITE_VALUES, TRAINING_RECORD
from recoseg_hf.hub.numbers import check_numbers, declared_integers
from recoseg_hf.hub.run_folder import anonymous_record
from recoseg_hf.json_files import read_json
from recoseg_hf.learning.run_record import RECORD, subjects_seen
from recoseg_hf.learning.subjects import subject_hash

EMBEDDED_TEMPLATE = "recoseg_small.md.jinja"
TEMPLATE = "model.md.jinja"
# What of an evaluation goes into a card: numbers under these names, and these words. The rest may name subjects.
_SECTIONS = (
    "protocol", "oracle_slices", "region", "n", "bootstrap", "outcomes", "volume", "slice", "pooled", "millilitres",
    "surface", "lesions", "synthesis", "cues",
)  # fmt: skip
_WORDS = ("protocol", "region")
_INNER = ("tc", "et")


def render_card(folder: str | Path, results: str | Path, template: str = EMBEDDED_TEMPLATE) -> Path:
    """Write a model's card from its own configuration, its training record and measured results.

    The values it was rendered from are written beside it, so that it can be rendered again where the results are not.

    Args:
        folder: the model's folder, with `training.json`.
        results: folder with what `benchmarks/measure_model.py` and `benchmarks.steps` wrote; `residual.json` and
            `steps.json` may be absent.
        template: file in `model_cards/`.

    Returns:
        The card's path.

    Raises:
        InputError: one of the files is missing, or the template holds a number that is in none of them.
    """
    folder, results = Path(folder), Path(results)
    measured = {"accuracy": read_values(results / "accuracy.json")}
    for name in ("residual", "steps"):
        measured[name] = read_values(results / f"{name}.json") if (results / f"{name}.json").is_file() else None
    values = configuration_values(folder) | {"training": read_values(folder / TRAINING_RECORD), "results": measured}
    source = {"template": template, "name": "recoseg-small", "values": values}
    text = render(source)
    write_json(folder / CARD_VALUES, source)
    with atomic_write(folder / CARD) as path:
        path.write_text(text, encoding="utf-8")
    return folder / CARD


def card_source(folder: Path, name: str, evaluation: Path | None = None, dataset: str | None = None) -> dict[str, Any]:
    """Gather what a model's card is rendered from, as JSON values.

    Args:
        folder: the model's folder. Where it has `card_values.json` and no evaluation is given, that is taken.
        name: how the card calls the model.
        evaluation: JSON file that `recoseg evaluate` wrote about it; None where it was not measured.
        dataset: how the card calls the data of the evaluation.

    Raises:
        InputError: a file is missing or of another kind, or subjects of the evaluation were trained on.
    """
    if evaluation is None and (folder / CARD_VALUES).is_file():
        return read_values(folder / CARD_VALUES)
    seen = subjects_seen(folder) or ()
    check_numbers("dataset", dataset or "", {}, range(100_000))  # a count may be typed there, a score may not
    values = configuration_values(folder) | {
        "training": anonymous_record(folder) if (folder / RECORD).is_file() else None,
        "subjects_trained_on": len(seen) if seen else None,
        "evaluation": None if evaluation is None else _evaluation(evaluation, set(seen)),
        "evaluated_unseen": evaluation is not None
        and _names_all(evaluation)
        and bool(seen)
        and _knows_everyone(folder),
        "dataset": dataset or "data that the publisher did not name",
        "site": read_values(folder / SITE_VALUES) if (folder / SITE_VALUES).is_file() else None,
        "own_license": (folder / LICENSE).is_file(),
    }
    return {"template": TEMPLATE, "name": name, "values": values}


def render(source: Mapping[str, Any], exported: Mapping[str, Any] | None = None) -> str:
    """Render a card and look through its numbers.

    Args:
        source: from `card_source`.
        exported: about the folder that the card lies in: `hub_id`, and whether it has an `example` picture and an
            `endpoint`. None for a card without the sections about loading and files.

    Raises:
        InputError: it holds a number that is not in the values.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    templates = shipped_folder("model_cards")
    environment = Environment(
        loader=FileSystemLoader(templates), undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False
    )
    values = dict(source["values"])
    context = values | _layout(values) | {"name": source["name"], "exported": exported, "site_text": _site(values)}
    context["front_matter"] = front_matter(source["name"], context)
    text = environment.get_template(source["template"]).render(context)
    check_card(text, source)
    return text


def check_card(text: str, source: Mapping[str, Any]) -> None:
    """Refuse a card with a number that is not in the values which it was rendered from.

    Raises:
        InputError: naming the number.
    """
    templates = shipped_folder("model_cards")
    declared = [
        number
        for name in (source["template"], "hub.md.jinja")
        for number in declared_integers((templates / name).read_text(encoding="utf-8"))
    ]
    check_numbers(CARD, text, source, declared)


def configuration_values(folder: Path) -> dict[str, Any]:
    """A model's settings and those of its parts; `synthesizer` is None where there is none."""
    nets = {}
    for name in NETS:
        there = (folder / name / "config.json").is_file() or name == "segmenter"
        counted = {"parameters_in_millions": round(_parameters(folder / name) / 1e6, 1)}
        nets[name] = read_values(folder / name / "config.json") | counted if there else None
    scheduler = read_values(folder / "scheduler" / "scheduler_config.json")
    return {**nets, "settings": read_values(folder / INDEX), "scheduler": scheduler}


def read_values(path: Path) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        InputError: it is missing, or no JSON object.
    """
    if not path.is_file():
        raise InputError(path, "no such file", "measured values for the card", "Run the measurement first.")
    return read_json(path, "measured values by name", "Write it again, or name another file.", dict)


def _layout(values: Mapping[str, Any]) -> dict[str, Any]:
    if "results" in values:
        return benchmark_rows(values["results"])
    return {"rows": evaluation_rows(values["evaluation"]) if values["evaluation"] else []}


def _site(values: Mapping[str, Any]) -> str | None:
    from recoseg_hf.evaluation.new_site.card import render_site_card

    return render_site_card(values["site"]) if values.get("site") else None


def _evaluation(file: Path, seen: set[str]) -> dict[str, Any]:
    """An evaluation without what it says of single subjects, none of whom was trained on."""
    found = read_values(file)
    if "volume" not in found or "bootstrap" not in found:
        remedy = "Give the --output of `recoseg evaluate`."
        raise InputError(file, "it holds no scores per volume", "an evaluation's JSON file", remedy)
    names = [record.get("subject", "") for record in found.get("subjects", ())]
    if leaked := sum(subject_hash(name) in seen for name in names):
        who = f"{leaked} of its {len(names)} subjects were trained on"
        raise InputError(file, who, "subjects that the model never saw", "Evaluate it on others.")
    return _cohort_alone(found)


def _names_all(file: Path) -> bool:
    """Whether an evaluation names every subject that it counts: of the others nobody knows who they are."""
    found = read_values(file)
    named = [record for record in found.get("subjects", ()) if record.get("subject")]
    return len(named) >= found["n"]


def _cohort_alone(values: Mapping[str, Any]) -> dict[str, Any]:
    """What an evaluation says of all its subjects together, by a list of what that is: nothing else is taken over."""
    kept = {name: _numbers(values[name]) for name in _SECTIONS if name in values and name not in _WORDS}
    kept |= {name: values[name] for name in _WORDS if name in values}
    if isinstance(values.get("paper"), dict):
        kept["paper"] = _cohort_alone(values["paper"])
    regions = values.get("regions")
    if isinstance(regions, dict):
        kept["regions"] = {name: _cohort_alone(regions[name]) for name in _INNER if name in regions}
    return kept


def _numbers(values: Any) -> Any:
    """The numbers in a section: texts go, and so do lists of anything else."""
    if isinstance(values, dict):
        return {name: _numbers(value) for name, value in values.items() if not isinstance(value, str)}
    if isinstance(values, list) and not all(isinstance(value, int | float) for value in values):
        return None
    return values


def _knows_everyone(folder: Path) -> bool:
    return bool(read_values(folder / RECORD).get("subjects_complete"))


def _parameters(folder: Path) -> int:
    """Number of weights, read from the safetensors headers alone; those of the half variant are the same again."""
    from math import prod

    from safetensors import safe_open

    total = 0
    for file in folder.glob("diffusion_pytorch_model*.safetensors"):
        if ".fp16." in file.name:
            continue
        with safe_open(file, framework="numpy") as weights:
            total += sum(prod(weights.get_slice(name).get_shape()) for name in weights.keys())  # noqa: SIM118
    return total
