"""The page of a result on disk: as it was, or refused."""

import json
import shutil

import pytest

from recoseg_hf.errors import InputError
from recoseg_hf.files import sha256_file
from recoseg_hf.inference import find_cohort, predict_cohort
from recoseg_hf.inference.page.reading import write_page_again
from tests.inference.cases import save_cohort


@pytest.fixture(scope="module")
def finished(tiny_pipeline, tmp_path_factory):
    root = tmp_path_factory.mktemp("cohort")
    save_cohort(root / "cases", ("sub-01", "sub-02"))
    assert all(outcome.state == "done" for outcome in predict(tiny_pipeline, root))
    return root


@pytest.fixture
def result(finished, tmp_path):
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return tmp_path


def predict(pipeline, root):
    return list(predict_cohort(pipeline, find_cohort(root / "cases"), root / "out"))


def test_it_is_the_page_that_predict_wrote(result):
    page = result / "out" / "sub-01" / "sub-01_report.html"
    before = page.read_bytes()
    page.unlink()
    assert write_page_again(page.parent, result / "cases" / "sub-01") == (page, True)
    assert page.read_bytes() == before


def test_a_page_of_less_keeps_the_result_whole(tiny_pipeline, result):
    folder = result / "out" / "sub-01"
    page = folder / "sub-01_report.html"
    page.unlink()
    assert write_page_again(folder) == (page, False)
    recorded = json.loads((folder / "sub-01_report.json").read_text())["outputs"]["page"]
    assert recorded == sha256_file(page)
    assert [outcome.state for outcome in predict(tiny_pipeline, result)] == ["skipped", "skipped"]


def test_a_page_goes_elsewhere_without_a_trace(result):
    folder = result / "out" / "sub-01"
    before = (folder / "sub-01_report.json").read_bytes()
    page, with_scans = write_page_again(folder, output=result / "elsewhere" / "page.html")
    assert page == result / "elsewhere" / "page.html"
    assert not with_scans
    assert (folder / "sub-01_report.json").read_bytes() == before


def test_scans_beside_the_result_are_found(result):
    for file in (result / "out" / "sub-01").iterdir():
        shutil.copy(file, result / "cases" / "sub-01")
    assert write_page_again(result / "cases" / "sub-01")[1]


def test_a_page_with_scans_is_not_replaced_by_one_without(result):
    with pytest.raises(InputError, match=r"sub-01_report\.html: it is there already.*Name the case's folder"):
        write_page_again(result / "out" / "sub-01")


@pytest.mark.parametrize("output", ["cases/sub-01/sub-01_t1.nii.gz", "out/sub-01/sub-01_mask.nii.gz"])
def test_neither_a_scan_nor_a_volume_is_replaced(result, output):
    before = (result / output).read_bytes()
    with pytest.raises(InputError, match=r"it is a scan or another file of this result"):
        write_page_again(result / "out" / "sub-01", result / "cases" / "sub-01", output=result / output)
    assert (result / output).read_bytes() == before


def test_other_scans_are_refused(result):
    with pytest.raises(InputError, match=r"its flair and t1 and t2 and t1ce is not what the result of sub-01"):
        write_page_again(result / "out" / "sub-01", result / "cases" / "sub-02")


def test_a_changed_volume_is_refused(result):
    shutil.copy(result / "out/sub-02/sub-02_mask.nii.gz", result / "out/sub-01/sub-01_mask.nii.gz")
    with pytest.raises(InputError, match=r"sub-01_mask\.nii\.gz: it was changed after it was written"):
        write_page_again(result / "out" / "sub-01", result / "cases" / "sub-01")


def test_several_subjects_need_a_name(result):
    for file in (result / "out" / "sub-02").iterdir():
        shutil.move(file, result / "out" / "sub-01")
    with pytest.raises(InputError, match=r"it holds the results of sub-01, sub-02; expected one subject"):
        write_page_again(result / "out" / "sub-01")
    page, _ = write_page_again(result / "out" / "sub-01", result / "cases" / "sub-02", "sub-02")
    assert page.name == "sub-02_report.html"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"it is no JSON"),
        ('{"subject": "sub-01"}', r"it lacks inputs, model"),
        ("[]", r"it is \[\] and not an object"),
    ],
)
def test_a_damaged_report_is_named(result, content, message):
    (result / "out" / "sub-01" / "sub-01_report.json").write_text(content)
    with pytest.raises(InputError, match=rf"sub-01_report\.json: {message}"):
        write_page_again(result / "out" / "sub-01")


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no <subject>_report\.json.*what `recoseg predict --output` wrote"):
        write_page_again(tmp_path)
