"""Names that lead somewhere else: no door writes outside of the folder that it was given, or through a link."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from recoseg_hf.errors import InputError
from recoseg_hf.files import atomic_write, write_json
from recoseg_hf.hub.manifest import listed_files, write_manifest
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.sources import open_source
from recoseg_hf.inference import predict_case, write_prediction
from recoseg_hf.inference.page.reading import write_page_again
from recoseg_hf.learning.checkpoints import verify_checkpoint
from recoseg_hf.learning.slices import prepare_dataset
from recoseg_hf.sharing.dataset_files import write_dataset_files
from tests import factories
from tests.inference.cases import make_case
from tests.learning.conftest import SETTINGS

HOSTILE = (
    "../out",
    "/etc/out",
    "a/../../out",
    "..",
    "out\0",
    "out\n",
    "CON",
    "x" * 300,
    "-rf/..",
    "~/out",
    "$(touch out)",
)
KEPT = "not yours"


@pytest.fixture
def outside(tmp_path) -> Path:
    """A file that nobody may change."""
    file = tmp_path / "outside" / "precious"
    file.parent.mkdir()
    file.write_text(KEPT)
    yield file
    assert file.read_text() == KEPT
    assert [entry.name for entry in file.parent.iterdir()] == ["precious"]


@pytest.fixture(scope="module")
def predicted(tiny_pipeline):
    case = make_case()
    return predict_case(tiny_pipeline, case), case


def inside(folder: Path) -> set[Path]:
    return {path.resolve() for path in folder.rglob("*")}


@pytest.mark.parametrize("subject", HOSTILE)
def test_no_case_has_a_hostile_name(subject):
    with pytest.raises(InputError, match=r"cannot be used in a file name") as raised:
        replace(make_case(), subject=subject)
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize(
    ("subject", "plain"), [("../out", "out"), ("/etc/out", "etc-out"), ("a/../../out", "a-..-..-out")]
)
def test_a_row_with_a_hostile_name_is_written_within(subject, plain, tmp_path):
    from datasets import Dataset

    files = {
        name: bytes(factories.raw_bytes(factories.intensities(seed=n))) for n, name in enumerate(("flair", "t1", "t2"))
    }
    (tmp_path / "data").mkdir()
    Dataset.from_list([{"subject": subject, **files}]).to_parquet(tmp_path / "data" / "train.parquet")
    write_dataset_files(open_source(tmp_path / "data"), tmp_path / "out", may_publish=True)
    written = {path.relative_to(tmp_path / "out").as_posix() for path in tmp_path.rglob("*.nii.gz")}
    assert written == {f"train/{plain}/{plain}_{name}.nii.gz" for name in ("flair", "t1", "t2")}
    assert {path.name for path in tmp_path.iterdir()} == {"data", "out"}
    assert not (tmp_path.parent / "out").exists()


def test_folders_with_hostile_names_become_plain_subjects(tmp_path):
    for name in ("$(touch out)", "-rf", "a;b", "x" * 200):
        factories.save_case(tmp_path / "cases", name)
    splits = prepare_dataset(open_source(tmp_path / "cases"), tmp_path / "out", None, SETTINGS)
    assert set(splits["train"]["subject"][:]) == {"touch-out", "rf", "a-b", "x" * 64}
    assert {path.name for path in tmp_path.iterdir()} == {"cases", "out"}


def test_a_result_replaces_a_link_and_not_what_it_leads_to(predicted, tmp_path, outside):
    prediction, case = predicted
    folder = tmp_path / "results"
    folder.mkdir()
    for name in ("mask.nii.gz", "report.json", "report.html", "overview.png"):
        (folder / f"{case.subject}_{name}").symlink_to(outside)
    write_prediction(prediction, case, folder, overwrite=True)
    assert not any(path.is_symlink() for path in folder.iterdir())
    assert inside(folder) == {path.absolute() for path in folder.rglob("*")}


def test_an_atomic_write_replaces_a_link(tmp_path, outside):
    (tmp_path / "x.json").symlink_to(outside)
    with atomic_write(tmp_path / "x.json") as file:
        file.write_text("{}")
    assert not (tmp_path / "x.json").is_symlink()


def test_the_hidden_file_of_an_atomic_write_cannot_be_foreseen(tmp_path):
    names = set()
    for _ in range(20):
        with atomic_write(tmp_path / "x.json") as file:
            names.add(file.name)
    assert len(names) == 20


def test_a_page_is_written_for_no_hostile_subject(predicted, tmp_path, outside):
    prediction, case = predicted
    folder = tmp_path / "results"
    files = write_prediction(prediction, case, folder)
    report = json.loads(files["report"].read_text())
    write_json(files["report"], report | {"subject": "../outside/precious"})
    with pytest.raises(InputError, match=r"it is the report of \.\./outside/precious; expected the name it was"):
        write_page_again(folder)
    with pytest.raises(InputError, match=r"no \.\./outside/precious_report\.json"):
        write_page_again(folder, subject="../outside/precious")


def test_a_manifest_reaches_no_file_outside(tmp_path, outside):
    folder = tmp_path / "model"
    folder.mkdir()
    for name in ("../outside/precious", str(outside)):
        write_json(folder / "manifest.json", {"files": {name: {"sha256": "0" * 64}}})
        with pytest.raises(InputError, match=r"it lists .*; expected files of the folder"):
            listed_files(folder)


def test_a_manifest_follows_no_link(tmp_path, outside):
    from recoseg_hf.hub.inspection import inspect_folder

    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "LICENSE.md").symlink_to(outside)
    write_manifest(tmp_path / "model", {})
    with pytest.raises(InputError, match=r"LICENSE\.md: it is a link; expected a plain file"):
        inspect_folder(tmp_path / "model")


def test_a_case_of_links_is_read_and_never_written(predicted, tmp_path):
    scans = factories.save_case(tmp_path / "scans", "sub-01")
    linked = tmp_path / "linked"
    linked.mkdir()
    for file in scans.iterdir():
        (linked / file.name).symlink_to(file)
    before = {file: file.read_bytes() for file in scans.iterdir()}
    case = Case.from_folder(linked, subject="sub-01")
    assert set(case.volumes()) == {"flair", "t1", "t2", "t1ce", "seg"}
    prediction, own = predicted
    os.rename(linked / "sub-01_flair.nii.gz", linked / "sub-01_mask.nii.gz")
    own = replace(own, sources={"flair": linked / "sub-01_mask.nii.gz"})
    with pytest.raises(InputError, match="it is the case's flair and would be replaced by a result"):
        write_prediction(prediction, own, linked, overwrite=True)
    assert {file: file.read_bytes() for file in scans.iterdir()} == before


def test_a_checkpoints_manifest_is_compared_and_opens_nothing_to_write(tmp_path, outside):
    from recoseg_hf.errors import CheckpointError

    (tmp_path / "checkpoint-1").mkdir()
    write_json(tmp_path / "checkpoint-1" / "manifest.json", {"../outside/precious": "0" * 64})
    with pytest.raises(CheckpointError, match="missing or changed since it was saved"):
        verify_checkpoint(tmp_path / "checkpoint-1")
