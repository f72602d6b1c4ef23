"""`recoseg dataset-card`: valid for the Hub, every number measured, nobody named."""

import pytest
from huggingface_hub import DatasetCard
from typer.testing import CliRunner

from recoseg_hf.cli import app
from tests import factories


@pytest.fixture
def cases(tmp_path):
    factories.save_case(tmp_path / "cases", "Brats18_XY_1")
    factories.save_case(tmp_path / "cases", "Brats18_XY_2", (10, 12, 8), matrix=factories.affine("LPS", (2, 2, 2)))
    (tmp_path / "cases" / "Brats18_XY_2" / "Brats18_XY_2_seg.nii.gz").unlink()
    return tmp_path / "cases"


def card(cases, *arguments):
    command = ["dataset-card", cases, "--output", cases.parent / "card.md", *arguments]
    result = CliRunner().invoke(app, list(map(str, command)))
    file = cases.parent / "card.md"
    return result, file.read_text() if file.is_file() else ""


def test_front_matter_is_what_the_hub_reads(cases):
    result, text = card(cases, "--license", "other", "--title", "Two heads")
    assert (result.exit_code, result.stderr) == (0, "")
    data = DatasetCard(text).data
    assert (data.license, data.pretty_name, data.size_categories) == ("other", "Two heads", ["n<1K"])
    assert data.task_categories == ["image-segmentation", "image-to-image"]
    assert data.configs == [{"config_name": "default", "data_files": [{"split": "train", "path": "train/**"}]}]
    kinds = {feature["name"]: feature["dtype"] for feature in data.dataset_info["features"]}
    assert kinds == {"subject": "string"} | dict.fromkeys((*factories.MODALITIES, "seg"), "nifti")
    assert "!!python" not in text


def test_numbers_are_those_of_the_scans(cases):
    _, text = card(cases, "--license", "other")
    assert "2 subjects, 1 of them with a segmentation." in text
    assert "| train | 2 | 1 |" in text
    assert "| 12 x 10 x 8 | 1.0 x 1.0 x 1.0 | RAS | 1 |" in text
    assert "| 10 x 12 x 8 | 2.0 x 2.0 x 2.0 | LPS | 1 |" in text
    voxels = int((factories.labels() > 0).sum())
    assert f"| whole tumour | {voxels / 1000:g} ({voxels / 1000:g} to {voxels / 1000:g}) |" in text


def test_brats_terms_and_citations_are_named_and_nobody_else(cases):
    _, text = card(cases, "--license", "other")
    for citation in ("10.1109/TMI.2014.2377694", "10.1038/sdata.2017.117", "arXiv:1811.02629", "arXiv:2107.02314"):
        assert citation in text
    assert "does not allow their\nredistribution" in text
    assert "Brats18_XY" not in text
    assert str(cases.parent) not in text
    assert "BraTS" in DatasetCard(text).data.tags
    _, other = card(cases, "--license", "other", "--no-brats", "--overwrite")
    assert "10.1109/TMI.2014.2377694" not in other


def test_what_names_a_subject_or_no_licence_is_refused(cases):
    result, _ = card(cases, "--license", "other", "--title", "Scans of Brats18_XY_2")
    assert result.exit_code == 3
    assert "field title: it names a subject" in result.stderr
    result, _ = card(cases, "--license", " ")
    assert "--license: it is empty; expected a licence such as cc-by-4.0" in result.stderr
    assert card(cases)[0].exit_code == 2


def test_an_earlier_card_stays(cases):
    (cases.parent / "card.md").write_text("mine")
    result, text = card(cases, "--license", "other")
    assert (result.exit_code, text) == (3, "mine")
    assert "card.md: it is there already" in result.stderr


def test_of_a_data_set_the_columns_are_called_as_they_are_and_left_to_it(tmp_path):
    factories.save_case(tmp_path / "cases" / "train", "a1")
    columns = {"flair": "flair", "t1": "T1w", "t2": "T2w"}
    header = ",".join(f"{column}_file_name" for column in columns.values())
    row = ",".join(f"a1/a1_{name}.nii.gz" for name in columns)
    (tmp_path / "cases" / "train" / "metadata.csv").write_text(f"{header}\n{row}\n")
    _, text = card(tmp_path / "cases", "--license", "other")
    assert "| T1w | T1 before contrast |" in text
    assert "| seg |" not in text
    data = DatasetCard(text).data.to_dict()
    assert not {"configs", "dataset_info"} & data.keys()
    assert "Headers hold the grid and nothing else" not in text  # nobody has looked
