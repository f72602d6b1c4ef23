"""JSON that the project reads and others may have written, or a disk may have damaged."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch  # noqa: F401  (loaded before any limit on memory holds)
from hypothesis import strategies as st

from recoseg_hf.evaluation.audit import audit_results, read_results
from recoseg_hf.files import sha256_file
from recoseg_hf.hub.card import read_values
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.sources import read_names, read_split
from recoseg_hf.inference import load_pipeline
from recoseg_hf.inference.page.reading import write_page_again
from recoseg_hf.inference.report import describe_model, input_hashes
from recoseg_hf.inference.resuming import standing_report
from recoseg_hf.learning.checkpoints import TrainingState, load_checkpoint
from recoseg_hf.learning.residual_plan import read_record
from recoseg_hf.learning.run_record import RECORD, subjects_seen
from recoseg_hf.learning.site_split import read_sites
from recoseg_hf.learning.slices import MANIFEST, read_manifest
from recoseg_hf.learning.training_data import read_choice
from tests.fuzz import rooms
from tests.fuzz.strategies.values import as_json, damaged_bytes, damaged_json
from tests.fuzz.targets.target import BrokenPromiseError, Target

_RESULTS = {
    "system": "a", "n": 3, "outcomes": {"both": 2, "missed": 1}, "protocol": "paper", "oracle_slices": True,
    "volume": {"dice": {"value": 0.81, "interval": [0.7, 0.9], "n": 3}, "iou": {"value": 0.7, "n": 3}},
    "subjects": [{"subject": "one", "dice": 0.9, "iou": 0.82}], "pooled": {"dice": "91.5%", "iou": 0.84},
    "training": {"subjects_seen": ["0123456789abcdef"]}, "train": ["a"], "test": ["b"],
    "sha256": {"a/flair.nii": "00"},
}  # fmt: skip
_TABLE = {
    "results": {"Data": {"unet2d": {"n": 3, "volume": {"dice": {"value": 0.8, "n": 3}}}, "recoseg": {"n": 3}}},
    "differences": {"Data": {"recoseg": {"volume": {"dice": {"value": 0.1, "n": 3, "higher": 1}}}}},
}
_SPLIT = {"train": ["sub-01", "sub-02"], "validation": ["sub-03"], "seed": 0}
_SITES = _SPLIT | {
    "sites": {"A": ["sub-01", "sub-03"], "B": ["sub-02", "sub-04"]},
    "train": ["sub-01", "sub-02", "sub-04"],
}
_RECORD = {
    "options": {"fold": 0, "num_folds": 2, "seed": 0}, "data": "ab", "processes": 1, "start": "",
    "subjects_seen": ["0123456789abcdef"], "subjects_complete": True, "steps": 3, "seconds": 1.0,
}  # fmt: skip
_MANIFEST = {
    "settings": {"image_size": 16},
    "subjects": {"train": ["a"]},
    "sha256": {"a/flair.nii": "00"},
    "unlabelled": [],
}


def _document(name: str, good: Sequence[Any], read: Callable[[Path], Any], file: str = "file.json") -> Target:
    """A target that reads one JSON file from a folder of its own."""

    def run(content: bytes, folder: Path) -> None:
        (folder / file).write_bytes(content)
        read(folder / file)

    examples = st.one_of(*[damaged_json(document) for document in good])
    return Target(name, examples, tuple(as_json(document) for document in good), run)


def _audit(file: Path) -> None:
    found = audit_results(read_results(file), ["someone"])
    for finding in found.findings:
        if finding.level not in ("error", "warning") or not isinstance(finding.message, str):
            raise BrokenPromiseError(f"a finding that is none: {finding}")


def _split(file: Path) -> None:
    names = read_names(file)
    if not names or not all(isinstance(one, str) for subjects in names.values() for one in subjects):
        raise BrokenPromiseError(f"a split that is none: {names}")
    read_split(file, rooms.case().parent)


def _record(file: Path) -> None:
    read_record(str(file.parent))
    seen = subjects_seen(file.parent)
    if not isinstance(seen, list) or not all(isinstance(one, str) for one in seen):
        raise BrokenPromiseError(f"subjects that are no names: {seen!r}")


def _manifest(file: Path) -> None:
    if not isinstance(read_manifest(file.parent), dict):
        raise BrokenPromiseError("a manifest that is no mapping")


def _run_report(content: bytes, folder: Path) -> None:
    shutil.copytree(rooms.result(), folder, dirs_exist_ok=True)
    (folder / f"{rooms.SUBJECT}_report.json").write_bytes(content)
    page, with_scans = write_page_again(folder, rooms.case())
    if not page.is_file() or not with_scans:
        raise BrokenPromiseError("no page")


def _resumed(content: bytes, folder: Path) -> None:
    shutil.copytree(rooms.result(), folder, dirs_exist_ok=True)
    (folder / f"{rooms.SUBJECT}_report.json").write_bytes(content)
    good = _good_report()
    scans = input_hashes(Case.from_folder(rooms.case(), rooms.SUBJECT).sources)
    found = standing_report(rooms.SUBJECT, folder, scans, describe_model(rooms.loaded()), good["settings"])
    if found is not None:  # what `predict_cohort` and the list then take from it
        float(found["results"]["tumour_volume_ml"])
        if not all(isinstance(one, str) for one in found["warnings"]):
            raise BrokenPromiseError("warnings that are no sentences")


@functools.cache
def _good_report() -> dict[str, Any]:
    return json.loads((rooms.result() / f"{rooms.SUBJECT}_report.json").read_bytes())


def _checkpoint(example: dict[str, Any], folder: Path) -> None:
    copy = folder / "checkpoint-7"
    shutil.copytree(rooms.checkpoint(), copy)
    (copy / example["file"]).write_bytes(example["content"])
    if example["hashed"] and example["file"] != "manifest.json":
        hashes = {file.name: sha256_file(file) for file in copy.iterdir() if file.name != "manifest.json"}
        (copy / "manifest.json").write_text(json.dumps(hashes))
    if not isinstance(load_checkpoint(copy), TrainingState):
        raise BrokenPromiseError("no state")


@st.composite
def _checkpoint_damage(draw: st.DrawFn) -> dict[str, Any]:
    file = draw(st.sampled_from(("manifest.json", "state.json", "net.safetensors", "optimizer.safetensors")))
    content = (rooms.checkpoint() / file).read_bytes()
    other = damaged_bytes(content) if file.endswith("safetensors") else damaged_json(json.loads(content))
    return {"file": file, "content": draw(other), "hashed": draw(st.booleans())}


def _model(example: dict[str, Any], folder: Path) -> None:
    shutil.copytree(rooms.model(), folder / "model")
    (folder / "model" / example["file"]).write_bytes(example["content"])
    pipeline = load_pipeline(folder / "model", device="cpu")
    if type(pipeline).__name__ != "ReCoSegPipeline":
        raise BrokenPromiseError(f"a {type(pipeline)}")


@st.composite
def _configuration_damage(draw: st.DrawFn) -> dict[str, Any]:
    names = ("model_index.json", "scheduler/scheduler_config.json", "segmenter/config.json", "synthesizer/config.json")
    file = draw(st.sampled_from(names))
    document = json.loads((rooms.model() / file).read_bytes())
    return {"file": file, "content": draw(damaged_json(document))}


@st.composite
def _weights_damage(draw: st.DrawFn) -> dict[str, Any]:
    """The head of a safetensors file changed: the length of its header, or the header's JSON."""
    file = "segmenter/diffusion_pytorch_model.safetensors"
    content = (rooms.model() / file).read_bytes()
    length = int.from_bytes(content[:8], "little")
    header, data = content[8 : 8 + length], content[8 + length :]
    kind = draw(st.sampled_from(("json", "bytes", "length", "end", "nothing")))
    if kind == "json":
        header = draw(damaged_json(json.loads(header)))
    elif kind == "bytes":
        header = draw(damaged_bytes(header))
    elif kind == "end":
        data = data[: draw(st.integers(0, len(data)))] + draw(st.binary(max_size=8))
    size = draw(st.sampled_from((0, 1, 2**63, 2**64 - 1, 10**8 + 1))) if kind == "length" else len(header)
    return {"file": file, "content": size.to_bytes(8, "little") + header + data}


TARGETS = (
    _document("audit", (_RESULTS, _TABLE), _audit),
    _document("split", ({"train": ["sub-01"]},), _split),
    _document("split of slices", (_SPLIT,), lambda file: read_choice(file, ["sub-01", "sub-02", "sub-03"])),
    _document("sites", (_SITES,), lambda file: read_sites(file, "A", "B")),
    _document("training record", (_RECORD,), _record, RECORD),
    _document("slices' manifest", (_MANIFEST,), _manifest, MANIFEST),
    _document("card values", ({"results": []},), read_values),
    Target("report of a run", st.deferred(lambda: damaged_json(_good_report())), (), _run_report),
    Target("resumed case", st.deferred(lambda: damaged_json(_good_report())), (), _resumed),
    Target("checkpoint", st.deferred(_checkpoint_damage), (), _checkpoint),
    Target("model's configuration", st.deferred(_configuration_damage), (), _model),
    Target("model's weights", st.deferred(_weights_damage), (), _model),
)
