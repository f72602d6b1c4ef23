"""The Space as a program uses it: the command's results, each visitor's own, and errors in plain words."""

import gzip
import json
import urllib.error
import urllib.parse
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from typer.testing import CliRunner

from recoseg_hf import read_volume
from recoseg_hf.cli import app
from tests.factories import intensities, save
from tests.inference.cases import SHAPE

pytest.importorskip("gradio_client")
from gradio_client import Client, handle_file

VOLUMES = ("desc-synth_t1ce", "residual", "probability", "mask", "labels")


@pytest.fixture
def client(space, tmp_path):
    connected = Client(space.url, verbose=False, download_files=tmp_path / "downloads")
    yield connected
    connected.close()


def segment(client, case, *, steps=2, seed=0, without_t1ce="none", **others):
    files = [file and handle_file(str(file)) for file in (case | others).values()]
    report, written = client.predict(*files, steps, seed, without_t1ce, api_name="/segment")
    return report, {Path(file).name: Path(file) for file in written}


def command(space, output, *arguments, t1ce=True):
    """What `recoseg predict` writes for the same scans."""
    scans = [part for name, file in space.case.items() if name != "t1ce" or t1ce for part in (f"--{name}", str(file))]
    options = ["--model", str(space.model), "--subject", "case", "--device", "cpu", "-o", str(output)]
    result = CliRunner().invoke(app, ["predict", *scans, *options, *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return output


def assert_same_volumes(files, folder):
    for kind in VOLUMES:
        name = f"case_{kind}.nii.gz"
        found, expected = read_volume(files[name]), read_volume(folder / name)
        assert np.array_equal(found.data, expected.data), kind
        assert np.array_equal(found.affine, expected.affine), kind


def test_results_are_those_of_the_command(space, client, tmp_path):
    report, files = segment(client, space.case, seed=3)
    expected = command(space, tmp_path / "cli", "--seed", 3, "--steps", 2)
    assert_same_volumes(files, expected)
    written = json.loads((expected / "case_report.json").read_text())
    for part in ("inputs", "settings", "results", "model", "grid", "warnings"):
        assert report[part] == written[part], part
    page = files["case_report.html"].read_text(encoding="utf-8")
    assert "<html" in page
    assert "DOE" not in page + json.dumps(report) + " ".join(files) + space.log.read_text()
    for file in files.values():
        content = file.read_bytes()
        assert b"DOE^JOHN" not in (gzip.decompress(content) if file.suffix == ".gz" else content), file.name


def test_a_threshold_needs_no_second_run(space, client, tmp_path):
    first, _ = segment(client, space.case)
    report, written = client.predict(0.5, api_name="/mask_at_threshold")
    files = {Path(file).name: Path(file) for file in written}
    assert report["results"] != first["results"]
    assert report["seconds"] == first["seconds"]
    assert_same_volumes(files, command(space, tmp_path / "cli", "--steps", 2, "--threshold", 0.5))


@pytest.mark.parametrize("source", ["none", "ensemble"])
def test_without_t1ce_it_says_where_the_residual_came_from(space, client, source):
    report, files = segment(client, space.case, t1ce=None, without_t1ce=source, steps=4)
    assert report["settings"]["residual_source"] == source
    assert report["warnings"][-1].startswith(f"No T1ce was given: the residual source is '{source}'")
    assert ("case_residual.nii.gz" in files) == (source == "ensemble")


def test_the_example_is_one_call(client):
    report, written = client.predict(2, 0, api_name="/example")
    assert report["subject"] == "example"
    assert {Path(file).suffix for file in written} == {".gz", ".json", ".png", ".html"}


def test_two_visitors_at_once_get_their_own(space, tmp_path):
    clients = [Client(space.url, verbose=False, download_files=tmp_path / str(number)) for number in range(2)]
    with ThreadPoolExecutor() as pool:
        reports = list(pool.map(lambda seed: segment(clients[seed], space.case, seed=seed)[0], range(2)))
        moved = list(pool.map(lambda one: one.predict(0.5, api_name="/mask_at_threshold"), clients))
    for seed, (report, (later, files)) in enumerate(zip(reports, moved, strict=True)):
        assert report["settings"]["seed"] == later["settings"]["seed"] == seed
        folder = command(space, tmp_path / f"cli-{seed}", "--seed", seed, "--steps", 2, "--threshold", 0.5)
        assert_same_volumes({Path(file).name: file for file in files}, folder)
    for one in clients:
        one.close()


def test_a_visitor_without_a_result_is_told_so(client):
    with pytest.raises(Exception, match="There is no result to work on"):
        client.predict(0.5, api_name="/mask_at_threshold")


def test_an_empty_field_is_named(space, client):
    with pytest.raises(Exception, match=r"^T2 file: no file was given; expected a NIfTI file"):
        segment(client, space.case, t2=None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\0" * 128 + b"DICM" + b"\0" * 200, r"^FLAIR file: it is a DICOM file; .* dcm2niix"),
        (b"<html>login</html>", r"^FLAIR file: it is a web page or XML text"),
        (b"\x1f\x8b" + b"\0" * 500, r"^FLAIR file: its compressed data is broken"),
    ],
)
def test_a_bad_file_is_named_by_its_field(space, client, tmp_path, content, message):
    file = tmp_path / "DOE^JOHN_19520314.nii.gz"
    file.write_bytes(content)
    with pytest.raises(Exception, match=message) as raised:
        segment(client, space.case, flair=file)
    assert "DOE" not in str(raised.value) + space.log.read_text()
    assert "/" not in str(raised.value).replace("NIfTI-1 or", "").replace("or XML", "")


@pytest.mark.parametrize(
    ("shape", "offset", "message"),
    [
        ((8, 8, 8), 2**28, r"^FLAIR file: its header (declares 268,4|says that the voxels start at byte 268,435,456)"),
        ((32767,) * 3, 352, r"^FLAIR file: its header declares 35,181,150,961,663 voxels .*; expected at most"),
        (
            (512, 512, 511),
            352,
            r"^FLAIR file: it has 133,955,584 voxels; expected at most 16,777,216 on this shared machine",
        ),
    ],
)
def test_a_bomb_takes_no_memory_of_the_server(space, client, tmp_path, shape, offset, message):
    segment(client, space.case)  # so that all is loaded
    header = nib.Nifti1Header()
    header.set_data_shape(shape)
    header.set_sform(np.eye(4), code=1)
    header["magic"], header["vox_offset"] = b"n+1", offset
    zeros = gzip.compress(bytes(2**24))
    bomb = tmp_path / "bomb.nii.gz"
    bomb.write_bytes(gzip.compress(header.binaryblock + bytes(4)) + 32 * zeros)  # 512 MB, in less than one
    before = peak_megabytes(space.process)
    with pytest.raises(Exception, match=message):
        segment(client, space.case, flair=bomb)
    assert peak_megabytes(space.process) - before < 100


def peak_megabytes(process: int) -> int:
    """The most memory that a process held so far."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))


def test_scans_that_do_not_fit_are_named_by_their_fields(space, client, tmp_path):
    other = save(tmp_path / "DOE_t1.nii.gz", intensities((20, 22, 8)))
    with pytest.raises(Exception, match=r"^T1 file: its shape is .* as in the FLAIR file") as raised:
        segment(client, space.case, t1=other)
    assert "DOE" not in str(raised.value)


def test_the_same_file_twice_is_noticed(space, client):
    with pytest.raises(Exception, match=r"^T2 file: it was given for t1 and for t2"):
        segment(client, space.case, t2=space.case["t1"])


def test_an_address_in_place_of_a_file_is_refused(space, client):
    with pytest.raises(Exception, match=r"^T1 file: an address was given; expected an uploaded file"):
        segment(client, space.case, t1="https://example.org/scan.nii.gz")


def test_an_ensemble_of_too_few_steps_is_told_in_words(space, client):
    with pytest.raises(Exception, match=r"^Denoising steps: it is 2; expected 4 or more for an ensemble"):
        segment(client, space.case, t1ce=None, without_t1ce="ensemble")


@pytest.mark.parametrize(
    ("setting", "value", "field"),
    [("steps", 0, "Denoising steps"), ("steps", 10_000, "Denoising steps"), ("seed", -1, "Seed")],
)
def test_settings_out_of_range_are_refused_by_name(space, client, setting, value, field):
    with pytest.raises(Exception, match=rf"^{field}: '{value}' was given; expected a number from "):
        segment(client, space.case, **{setting: value})


def test_only_named_endpoints_are_told_of(client):
    told = client.view_api(return_format="dict", print_info=False)
    assert told["named_endpoints"].keys() == {"/segment", "/example", "/mask_at_threshold"}
    assert not told["unnamed_endpoints"]


def test_what_is_served(space):
    assert fetch(space, "/config")["max_file_size"] == 64 * 2**20
    assert status(space, f"/gradio_api/file={space.folder / 'static' / 'niivue.umd.js'}") == 200
    for path in (space.folder / "app.py", space.case["flair"], Path("/etc/passwd")):
        assert status(space, f"/gradio_api/file={path}") == 403
    static = space.folder / "static"
    for path in (f"{static}/../app.py", f"{static}/..%2fapp.py", f"{static}/%2e%2e/app.py", f"{static}/../../model"):
        assert status(space, f"/gradio_api/file={path}") in (403, 404)


def test_scans_of_more_than_the_limit_are_refused(space, parts, monkeypatch):
    from space import uploads

    monkeypatch.setattr(uploads, "MAX_VOXELS", np.prod(SHAPE) - 1)
    with (
        pytest.raises(Exception, match=r"^FLAIR file: it has 3,960 voxels; expected at most 3,959"),
        uploads.uploaded_case(space.case),
    ):
        pass


def fetch(space, path: str) -> dict:
    with urllib.request.urlopen(space.url + path) as answer:
        return json.load(answer)


def status(space, path: str) -> int:
    try:
        with urllib.request.urlopen(space.url + urllib.parse.quote(path, safe="/=%")) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
