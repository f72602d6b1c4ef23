"""The last look at a folder before strangers get it: what must not leave, each with its own refusal."""

from __future__ import annotations

import functools
import itertools
import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from recoseg_hf.errors import InputError
from recoseg_hf.hub.card import check_card, read_values
from recoseg_hf.hub.names import CARD, CARD_VALUES, ENDPOINT, INDEX, NETS
from recoseg_hf.learning.run_record import subjects_seen
from recoseg_hf.learning.subjects import subject_hash

# `/home/ann/x`, `C:\x`, `\\server\x`, `server:/x/y`, `file:///x`, `~/x`: not the slash of an address or of "and/or".
_ABSOLUTE = re.compile(r"(?<![\w./<-])/(?:[\w.+-]+/)*[\w.+-]{2,}|\b[A-Za-z]:[\\/]\w|\\\\\w+\\|\bfile:/|(?<!\w)~/\w")
_YAML_TAG = re.compile(r"!!\S+|!<[^>]*>|\btag:yaml\.org\S*")
_SUBJECT = re.compile(
    r"Brats(?:17|18|19|20|2018)_[A-Za-z0-9]+_[\w-]+|BraTS-(?:GLI|MEN|MET|PED|SSA)-\d{5}-\d{3}|BraTS20\d\d_\d{5}"
    r"|BraTS20_(?:Training|Validation)_\d+|UPENN-GBM-\d+|UCSF-PDGM-\d+|TCGA-\w\w-\w{4}|\bsub-[A-Za-z0-9]+",
    re.IGNORECASE,
)
_WORD = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")
# Subjects may be called 1, 2, 3: such a word names nobody, and settings are full of them.
_COUNT = re.compile(r"\d{1,4}")
_PART = re.compile(r"[A-Za-z0-9]+")
_MOST_PARTS = 12
_SHORTEST_PART = 4  # shorter ones stand in many a word, and count only where they are the whole of it
_TEXTS = (".json", ".md", ".txt", ".yaml", ".yml", ".jsonl", ".csv")
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".npy", ".npz", ".h5")
_DATA = (".nii", ".gz", ".arrow", ".parquet", ".dcm")


def inspect_folder(folder: str | Path, seen: Collection[str] = ()) -> None:
    """Refuse a Hub-shaped folder with anything in it that must not be published.

    Pickles and checkpoints, scans, an index that would run code, absolute paths, YAML that builds objects, subjects'
    names, numbers in the card that are in none of its values.

    Args:
        folder: as `export_model` writes it.
        seen: hashes of subjects' names from a training record; a name with such a hash is refused, also within a word.

    Raises:
        InputError: naming the file and what is wrong in it.
    """
    folder = Path(folder)
    for file in sorted(folder.rglob("*")):
        _check_kind(folder, file)
    check_index(folder)
    contents = {file.relative_to(folder).as_posix(): file.read_text(encoding="utf-8") for file in texts(folder)}
    inspect_contents(contents, seen)
    if (folder / CARD_VALUES).is_file():
        check_card((folder / CARD).read_text(encoding="utf-8"), read_values(folder / CARD_VALUES))


def texts(folder: Path) -> Iterator[Path]:
    """Files of a folder that people and programs read as text; the code, byte copies of ours, is not among them."""
    code = folder / ENDPOINT
    return (file for file in sorted(folder.rglob("*")) if file.suffix in _TEXTS and code not in file.parents)


def check_index(folder: Path) -> None:
    """Refuse a `model_index.json` that is no ReCoSegPipeline made of diffusers' own classes.

    Raises:
        InputError: it names code that diffusers would have to fetch and run, or other components.
    """
    file = folder / INDEX
    index = read_values(file)
    text = json.dumps(index)
    if "diffusers_modules" in text:
        remedy = "Load the model with recoseg_hf's own class (`load_pipeline`), save it and export that."
        raise InputError(file, "it names diffusers_modules, a cache of code of one machine", "diffusers alone", remedy)
    if index.get("_class_name") != "ReCoSegPipeline":
        found = f"_class_name is {index.get('_class_name')!r}"
        raise InputError(file, found, "ReCoSegPipeline", "Export a model of recoseg_hf.")
    for name, value in index.items():
        if isinstance(value, list) and value != [None, None] and value[:1] != ["diffusers"]:
            remedy = "Save the model again with `save_pretrained`."
            raise InputError(file, f"{name} is {value}", "a class of diffusers", remedy)
    for name in NETS:
        if name in index and index[name] != [None, None] and not (folder / name / "config.json").is_file():
            raise InputError(folder / name, "no config.json", "the files of the net", "Export the model again.")


def inspect_run(folder: Path, contents: Mapping[str, bytes | str]) -> None:
    """Refuse to publish a training run's model with anything in it that must not be published.

    Args:
        folder: of the run.
        contents: of `published_contents`: what is to be uploaded, a file's path or its bytes, by name.

    Raises:
        InputError: naming the file and what is wrong in it.
    """
    check_index(folder)
    for name, content in contents.items():
        source = folder / name if isinstance(content, bytes) else Path(content)
        _check_no_link(folder, source.relative_to(folder))
    as_texts = {
        name: content.decode() if isinstance(content, bytes) else Path(content).read_text(encoding="utf-8")
        for name, content in contents.items()
        if name.endswith(_TEXTS)
    }
    inspect_contents(as_texts, subjects_seen(folder) or ())


def inspect_contents(contents: Mapping[str, str], seen: Collection[str] = ()) -> None:
    """Refuse texts with anything in them that must not be published, as `inspect_folder` does for those of a folder.

    Args:
        contents: texts by the name that they are to be published under.
        seen: as for `inspect_folder`.

    Raises:
        InputError: naming the file and what is wrong in it.
    """
    for name, content in sorted(contents.items()):
        for check in (_check_paths, _check_yaml, _check_subjects):
            check(Path(name), content)
        _check_seen(Path(name), content, set(seen))


def _check_kind(folder: Path, file: Path) -> None:
    name = file.relative_to(folder)
    if file.is_symlink():
        raise _refused(name, "it is a link", "a plain file", "Put the file itself there.")
    pickled = file.suffix.lower() in (*_PICKLES, *_DATA)
    if file.is_file() and (pickled or name.parts[0].startswith("checkpoint-")):
        found = f"a {file.suffix} file" if pickled else "part of a training checkpoint"
        expected = "weights as safetensors, and no scan, checkpoint or optimiser state"
        raise _refused(name, found, expected, "Take it out.")


def _check_no_link(folder: Path, name: Path) -> None:
    """Refuse a file that is a link, or lies behind one: what it leads to is not of this folder."""
    for part in (name, *name.parents[:-1]):
        if (folder / part).is_symlink():
            raise _refused(part, "it is a link", "a plain file or folder", "Put the file itself there.")


def _check_paths(name: Path, content: str) -> None:
    if found := _ABSOLUTE.search(content):
        remedy = "Write it relative, or not at all."
        raise _at(name, content, found, f"the path {found[0]!r}", "no absolute path", remedy)


def _check_yaml(name: Path, content: str) -> None:
    import yaml

    if name.suffix not in (".md", ".yaml", ".yml") or (name.suffix == ".md" and not content.startswith("---\n")):
        return
    start = len("---\n") if content.startswith("---\n") else 0
    ending = content.find("\n---", start) if name.suffix == ".md" else -1
    head = content[start : ending if ending >= 0 else None]
    if found := _YAML_TAG.search(content, start, start + len(head)):
        remedy = "Make plain numbers of numpy's (`float(x)`) before they are written."
        raise _at(name, content, found, f"the YAML tag {found[0]!r}", "plain YAML", remedy)
    try:
        yaml.safe_load(head)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise _refused(name, f"its YAML cannot be read ({reason})", "plain YAML", "Render the card again.") from error


def _check_subjects(name: Path, content: str) -> None:
    if found := _SUBJECT.search(content):
        raise _at(name, content, found, "what looks like a subject's id", "no subject's id", "Take it out.")


def _check_seen(name: Path, content: str, seen: set[str]) -> None:
    if not seen:
        return
    is_seen = functools.cache(lambda word: subject_hash(word) in seen)  # few words, and many of them often
    for found in _WORD.finditer(content):
        for word in _names_in(found[0]):
            if is_seen(word):
                found_here = "the id of a subject that the model was trained on"
                raise _at(name, content, found, found_here, "no subject's id", "Take it out.")


def _names_in(word: str) -> Iterator[str]:
    """The names that a word may be or hold: `site_Anna` and `Anna` of `site_Anna_t1.nii`."""
    if not _COUNT.fullmatch(word.rstrip(".")):
        yield word.rstrip(".")
    parts = [*_PART.finditer(word)][:_MOST_PARTS]
    for first, last in itertools.combinations_with_replacement(parts, 2):
        name = word[first.start() : last.end()]
        if len(name) >= _SHORTEST_PART and not _COUNT.fullmatch(name):
            yield name


def _at(name: Path, content: str, found: re.Match[str], what: str, expected: str, remedy: str) -> InputError:
    line = content.count("\n", 0, found.start()) + 1
    return _refused(name, f"line {line} holds {what}", expected, remedy)


def _refused(name: Path, found: str, expected: str, remedy: str) -> InputError:
    return InputError(name.as_posix(), found, expected, remedy)
