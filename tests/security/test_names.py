"""What tells of a patient in a file's header stays there, and names go no farther than where they must be."""

import gzip
import json
from pathlib import Path

import nibabel as nib
import pytest
from PIL import Image
from typer.testing import CliRunner

from recoseg_hf.cli import app
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.sources import open_source
from recoseg_hf.imaging.volume import read_volume, write_volume
from recoseg_hf.learning.run_record import write_record
from recoseg_hf.learning.slices import prepare_dataset
from recoseg_hf.sharing.dataset_card import render_dataset_card
from recoseg_hf.sharing.dataset_files import write_dataset_files
from tests import factories
from tests.inference.cases import SHAPE
from tests.learning.conftest import SETTINGS

NAME, IN_HEADER = "DOE^JOHN", "MRN-19520314"
NAMES = [name.encode() for name in (NAME, "DOE-JOHN", "DOE_JOHN", "DOEJOHN")]


@pytest.fixture(scope="module")
def scans(tmp_path_factory) -> Path:
    """A case whose files, their folder and every text of their headers tell of a patient."""
    folder = tmp_path_factory.mktemp("scans") / NAME
    folder.mkdir()
    for seed, name in enumerate((*factories.MODALITIES, "seg")):
        data = factories.labels(SHAPE) if name == "seg" else factories.intensities(SHAPE, seed)
        image = nib.Nifti1Image(data, factories.affine())
        for field in ("descrip", "aux_file", "db_name", "intent_name"):
            image.header[field] = IN_HEADER.encode()
        image.header.extensions.append(nib.nifti1.Nifti1Extension("comment", f"{NAME} {IN_HEADER}".encode()))
        nib.save(image, folder / f"{NAME}_{name}.nii.gz")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by name, decompressed; of pictures their texts too."""
    found = {}
    for file in (path for path in folder.rglob("*") if path.is_file()):
        content = file.read_bytes()
        if file.suffix == ".gz":
            content += gzip.decompress(content)
        if file.suffix == ".png":
            with Image.open(file) as picture:
                content += repr(picture.info).encode()
        found[file.relative_to(folder).as_posix()] = content
    return found


def telling(found: dict[str, bytes], marks: list[bytes]) -> list[str]:
    """The files whose name or content holds a mark."""
    return [name for name, content in found.items() if any(mark in name.encode() + content for mark in marks)]


def predict(*arguments) -> str:
    result = CliRunner().invoke(app, ["predict", *map(str, arguments), "--device", "cpu"])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_marks_are_found_where_they_are(scans):
    assert len(telling(contents(scans), [IN_HEADER.encode()])) == 5
    assert len(telling(contents(scans), NAMES)) == 5


def test_a_prediction_under_another_name_tells_nothing(scans, tiny_model, tmp_path):
    files = [text for name in factories.MODALITIES for text in (f"--{name}", scans / f"{NAME}_{name}.nii.gz")]
    said = predict(*files, "--subject", "case-7", "--model", tiny_model, "-o", tmp_path / "out")
    found = contents(tmp_path / "out")
    assert {Path(name).suffix for name in found} == {".gz", ".json", ".png", ".html"}
    assert telling(found | {"said": said.encode()}, [*NAMES, IN_HEADER.encode()]) == []
    places = [str(scans.parent).encode(), str(tmp_path).encode(), str(tiny_model.parent).encode()]
    assert telling(found, places) == [], "no path is in a result"


def test_a_prediction_by_folder_is_called_as_the_folder_and_tells_no_more(scans, tiny_model, tmp_path):
    predict(scans, "--model", tiny_model, "-o", tmp_path)
    found = contents(tmp_path)
    assert telling(found, [IN_HEADER.encode(), str(scans.parent).encode()]) == []
    assert json.loads(found["DOE-JOHN_report.json"])["subject"] == "DOE-JOHN"


def test_a_volume_that_is_written_again_has_a_header_of_its_own(scans, tmp_path):
    write_volume(tmp_path / "x.nii.gz", read_volume(scans / f"{NAME}_t1.nii.gz"))
    header = nib.load(tmp_path / "x.nii.gz").header
    assert [bytes(header[field]).strip(b"\0") for field in ("descrip", "aux_file", "db_name", "intent_name")] == [
        b""
    ] * 4
    assert len(header.extensions) == 0


def test_prepared_slices_hold_names_in_the_subject_alone(scans, tmp_path):
    rows = prepare_dataset(open_source(scans.parent), tmp_path / "slices", None, SETTINGS)
    found = contents(tmp_path / "slices")
    assert telling(found, [IN_HEADER.encode(), str(scans.parent).encode()]) == []
    assert set(rows["train"]["subject"][:]) == {"DOE-JOHN"}
    assert {Path(name).name for name in telling(found, NAMES)} <= {
        "recoseg_manifest.json",
        "data-00000-of-00001.arrow",
    }


def test_a_data_set_with_new_names_tells_nothing(scans, tmp_path):
    measure = write_dataset_files(open_source(scans.parent), tmp_path, may_publish=True, renumber=True)
    card = render_dataset_card(measure, "cc0-1.0", rewritten=True)
    found = contents(tmp_path) | {"README.md": card.encode()}
    assert len(found) == 7
    assert telling(found, [*NAMES, IN_HEADER.encode(), str(scans.parent).encode()]) == []


def test_a_record_of_a_training_tells_hashes(tmp_path):
    write_record(tmp_path, {"options": {}}, [NAME], [], 1, 1.0)
    assert telling(contents(tmp_path), NAMES) == []
    assert len(json.loads((tmp_path / "training_record.json").read_text())["subjects_seen"]) == 1


def test_an_error_about_a_request_names_the_field(scans, tmp_path):
    from recoseg_hf.errors import InputError
    from recoseg_hf.hub.endpoint_handler import plain_message

    case = {name: scans / f"{NAME}_{name}.nii.gz" for name in ("flair", "t1")}
    with pytest.raises(InputError) as raised:
        Case.from_files(**case, t2=scans / f"{NAME}_t1.nii.gz")
    assert NAME in str(raised.value), "for whom the files are"
    (tmp_path / "flair.nii").write_bytes(b"x")
    with pytest.raises(InputError) as raised:
        read_volume(tmp_path / "flair.nii")
    assert plain_message(raised.value, tmp_path).startswith("inputs.flair: ")
