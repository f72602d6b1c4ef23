"""A data set to the Hub and back: pushed, loaded by strangers, and prepared by id, through the loopback Hub."""

import gzip
import json

import nibabel as nib
import numpy as np
import pytest

from recoseg_hf.imaging.case import Case
from recoseg_hf.learning.slices import prepare_dataset, read_manifest
from tests import factories
from tests.hub.clients import run_client
from tests.learning.conftest import SETTINGS, SHAPE

SPLIT = {"train": ["simulated-0", "simulated-1"], "validation": ["simulated-2"]}

PUSH_AND_PREPARE = """
import json, sys
from pathlib import Path
from huggingface_hub import HfApi
from typer.testing import CliRunner
from recoseg_hf.cli import app

def recoseg(*arguments):
    result = CliRunner().invoke(app, list(map(str, arguments)))
    return [result.exit_code, result.stdout, result.stderr]

cases, split, model = map(Path, sys.argv[1:])
allowed = ["--license", "cc0-1.0", "--i-may-publish-these-scans"]
push = ["push-dataset", cases, "org/scans", *allowed, "--split", split]
found = {"push": recoseg(*push)}
HfApi().upload_file(
    path_or_fileobj=b"of a split that there is no more", path_in_repo="test/simulated-9/simulated-9_t1.nii.gz",
    repo_id="org/scans", repo_type="dataset",
)
found["again"] = recoseg(*push, "--renumber")
first = HfApi().list_repo_commits("org/scans", repo_type="dataset")[2].commit_id
HfApi().create_tag("org/scans", tag="v1", revision=first, repo_type="dataset")
prepare = ["prepare", "org/scans"]
found["prepare"] = recoseg(*prepare, "slices", "--model", model, "--revision", "v1")
found["stream"] = recoseg(*prepare, "streamed", "--model", model, "--revision", "v1", "--streaming")
found["renumbered"] = recoseg(*prepare, "renumbered", "--model", model)
HfApi().create_repo("org/open", repo_type="dataset", private=False)
found["public"] = recoseg("push-dataset", cases, "org/open", *allowed)
found["absent"] = recoseg(*prepare[:1], "org/none", "none")
print(json.dumps(found))
"""

LOAD = """
import hashlib, json
import numpy as np
from datasets import load_dataset
from huggingface_hub import snapshot_download

def row(table):
    example = next(iter(table))
    subject = example.pop("subject")
    voxels = {name: np.asarray(image.dataobj).astype("float32").tobytes() for name, image in example.items()}
    return [subject, {name: hashlib.sha256(content).hexdigest() for name, content in voxels.items()}]

plain = load_dataset("org/scans", revision="v1")
stream = load_dataset("org/scans", revision="v1", streaming=True)
folder = load_dataset("niftifolder", data_dir=snapshot_download("org/scans", repo_type="dataset", revision="v1"))
found = {
    "splits": {name: table["subject"][:] for name, table in plain.items()},
    "kinds": {name: type(kind).__name__ for name, kind in plain["train"].features.items()},
    "rows": [row(tables["train"]) for tables in (plain, stream, folder)],
}
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """Three cases, the headers of one with things that must not travel, the segmentation of another missing."""
    root = tmp_path_factory.mktemp("scans") / "cases"
    for number, subject in enumerate(("simulated-0", "simulated-1", "simulated-2")):
        for seed, name in enumerate(factories.MODALITIES):
            scan = np.rint(factories.intensities(SHAPE, seed + 10 * number)) if seed else factories.intensities(SHAPE)
            factories.save(root / subject / f"{subject}_{name}.nii.gz", scan.astype(np.float32))
        factories.save(root / subject / f"{subject}_seg.nii.gz", factories.labels(SHAPE))
    image = nib.Nifti1Image(factories.intensities(SHAPE), factories.affine())
    for field in ("descrip", "aux_file", "db_name", "intent_name"):
        image.header[field] = b"DOE^JOHN"
    image.header.extensions.append(nib.nifti1.Nifti1Extension(6, b"DOE^JOHN born 1950"))
    nib.save(image, root / "simulated-0" / "simulated-0_flair.nii.gz")
    (root / "splits.json").write_text(json.dumps(SPLIT))
    return root


@pytest.fixture(scope="module")
def expected(cases, tmp_path_factory):
    """The slices of the folder itself."""
    folder = tmp_path_factory.mktemp("expected") / "slices"
    return prepare_dataset(cases, folder, cases / "splits.json", SETTINGS)


@pytest.fixture(scope="module")
def system(tmp_path_factory):
    """A model's folder with the settings that `expected` is made with."""
    folder = tmp_path_factory.mktemp("system")
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "ReCoSegPipeline", **SETTINGS.__dict__}))
    return folder


@pytest.fixture(scope="module")
def pushed(loopback_hub, cases, system, tmp_path_factory):
    """What the commands said, and where they wrote."""
    folder = tmp_path_factory.mktemp("client")
    arguments = (cases, cases / "splits.json", system)
    return run_client(PUSH_AND_PREPARE, loopback_hub.environment(folder), folder, arguments), folder


@pytest.fixture(scope="module")
def files(pushed, loopback_hub):
    """What was uploaded first, by path."""
    repository = loopback_hub.repositories["dataset", "org/scans"]
    return {path: file.content for path, file in repository.at("v1").files.items()}


def test_it_is_private_and_whole(pushed, loopback_hub, files):
    said, _ = pushed
    assert said["push"][0] == 0, said["push"]
    assert f"Data set: {loopback_hub.endpoint}/datasets/org/scans/commit/" in said["push"][1]
    assert loopback_hub.repositories["dataset", "org/scans"].private
    names = {f"{split}/{subject}/{subject}_{name}.nii.gz" for split, subjects in SPLIT.items()
             for subject in subjects for name in (*factories.MODALITIES, "seg")}  # fmt: skip
    tables = {f"{split}/metadata.parquet" for split in SPLIT}
    assert set(files) - {".gitattributes"} == names | tables | {"README.md"}


def test_headers_are_built_anew_and_no_intensity_changes(files, cases):
    assert not any(b"DOE" in content for content in files.values())
    kinds = set()
    for path, content in files.items():
        if not path.endswith(".nii.gz"):
            continue
        image = nib.Nifti1Image.from_bytes(gzip.decompress(content))
        texts = (image.header[name].item() for name in ("descrip", "aux_file", "db_name", "intent_name"))
        assert (set(texts), list(image.header.extensions)) == ({b""}, [])
        case = Case.from_folder(cases / path.split("/")[1])
        name = path.removesuffix(".nii.gz").rpartition("_")[2]
        np.testing.assert_array_equal(np.asarray(image.dataobj), getattr(case, name).data)
        kinds.add((name == "seg", str(image.get_data_dtype())))
    assert kinds == {(True, "uint8"), (False, "int16"), (False, "float32")}


def test_strangers_load_it_plain_streaming_and_as_a_folder(pushed, loopback_hub, cases, tmp_path):
    found = run_client(LOAD, loopback_hub.environment(tmp_path), tmp_path, package=False)
    assert found["splits"] == SPLIT
    nifti = dict.fromkeys((*factories.MODALITIES, "seg"), "Nifti")
    assert found["kinds"] == {"subject": "Value", **nifti}
    assert found["rows"][0] == found["rows"][1] == found["rows"][2]
    assert found["rows"][0][0] == "simulated-0"


@pytest.mark.parametrize(
    ("how", "folder"), [("prepare", "slices"), ("stream", "streamed"), ("renumbered", "renumbered")]
)
def test_prepared_by_id_it_is_row_for_row_the_folder(pushed, expected, how, folder):
    said, client = pushed
    assert said[how][0] == 0, said[how]
    assert said[how][2] == ""
    from datasets import load_from_disk

    tables = load_from_disk(str(client / folder))
    assert list(tables) == list(expected)
    for split, table in tables.items():
        found, wanted = table.to_dict(), expected[split].to_dict()
        if how == "renumbered":
            names = dict(zip(dict.fromkeys(found["subject"]), dict.fromkeys(wanted["subject"]), strict=True))
            assert set(names) <= {"sub-0001", "sub-0002", "sub-0003"}
            found["subject"] = [names[name] for name in found["subject"]]
        assert found == wanted
    assert {split: len(names) for split, names in read_manifest(client / folder)["subjects"].items()} == {
        split: len(names) for split, names in SPLIT.items()
    }


def test_an_earlier_uploads_subjects_go(pushed, loopback_hub):
    said, _ = pushed
    assert said["again"][0] == 0, said["again"]
    files = loopback_hub.repositories["dataset", "org/scans"].at("main").files
    assert not any("simulated-" in path for path in files)  # nor in a split that there is no more
    assert "train/sub-0002/sub-0002_t2.nii.gz" in files


def test_a_public_repository_is_not_written_to_by_mistake(pushed):
    code, _, message = pushed[0]["public"]
    assert code == 3
    assert "org/open: it is public; expected a private repository. Make it private, name another, or" in message


def test_a_repository_that_is_not_there_is_an_input_error(pushed):
    code, _, message = pushed[0]["absent"]
    assert code == 3
    assert "org/none: no folder of that name is here, and from the Hub it cannot be loaded (" in message


def test_the_card_is_valid_and_tells_of_the_data(files):
    from huggingface_hub import DatasetCard

    card = DatasetCard(files["README.md"].decode())
    assert (card.data.license, card.data.size_categories) == ("cc0-1.0", ["n<1K"])
    assert card.data.configs[0]["data_files"][1] == {"split": "validation", "path": "validation/**"}
    assert card.data.dataset_info["features"][1] == {"name": "flair", "dtype": "nifti"}
    assert "simulated-" not in card.text
    assert "**Simulated.**" in card.text
    assert "Headers hold the grid and nothing else" in card.text
