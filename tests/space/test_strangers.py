"""What strangers send over plain HTTP, past the page and `gradio_client`: no way to others' files, and none stays."""

import http.client
import json
import math
import os
import re
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

gr = pytest.importorskip("gradio")

SECRET = "DOE-JOHN-19520314"


def post(space, path: str, content: bytes, kind: str) -> bytes:
    request = urllib.request.Request(space.url + path, content, {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=120) as answer:
        return answer.read()


def form(field: str, name: str, content: bytes) -> tuple[bytes, str]:
    """One file as the multipart form of an upload, whole, and its type."""
    head = f'--edge\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'
    return head.encode() + content + b"\r\n--edge--\r\n", "multipart/form-data; boundary=edge"


def upload(space, file: Path, name: str | None = None, field: str = "files") -> list[str]:
    return json.loads(post(space, "/gradio_api/upload", *form(field, name or file.name, file.read_bytes())))


def called(space, *, seed=0, endpoint="segment", **fields) -> str:
    """Call an endpoint by raw JSON; returns all that the server answers."""
    scans = [fields.get(name) for name in ("flair", "t1", "t2", "t1ce")]
    scans = [scan and {"meta": {"_type": "gradio.FileData"}} | scan for scan in scans]
    body = json.dumps({"data": [*scans, fields.get("steps", 2), seed, "none"]}).encode()  # NaN as Python spells it
    event = json.loads(post(space, f"/gradio_api/call/{endpoint}", body, "application/json"))["event_id"]
    with urllib.request.urlopen(f"{space.url}/gradio_api/call/{endpoint}/{event}", timeout=120) as answer:
        return answer.read().decode()


@pytest.fixture
def mine(space) -> dict[str, dict[str, str]]:
    """A visitor's own uploads, as fields of a call."""
    return {name: {"path": upload(space, file, f"{name}.nii.gz")[0]} for name, file in space.case.items()}


@pytest.fixture
def root(mine) -> Path:
    """The folder of all uploads, as anybody sees it in the answer to their own."""
    return Path(mine["flair"]["path"]).parents[1]


@pytest.mark.parametrize("stream", [False, True])
def test_no_folder_of_uploads_is_listed(space, mine, root, stream):
    theirs = Path(upload(space, space.case["t2"], f"{SECRET}.nii.gz")[0])
    for place in (root, theirs.parent, f"{root}/.", f"{theirs.parent}/..", space.folder / "static"):
        answer = called(space, **(mine | {"flair": {"path": str(place), "is_stream": stream}}))
        assert re.search(r"(FLAIR file|A file was given)", answer), answer
        assert "expected an uploaded file" in answer or "not uploaded here" in answer
        assert SECRET not in answer + space.log.read_text()
        assert theirs.parent.name not in answer
    assert "event: complete" in called(space, **mine), "what was uploaded is still taken"


def test_a_file_of_the_space_is_no_upload(space, mine):
    for place in (space.folder / "static" / "space.css", space.model / "model_index.json", "/etc/hostname"):
        answer = called(space, **(mine | {"t1": {"path": str(place)}}))
        assert "event: error" in answer
        assert "uploaded" in answer
        assert str(place) not in answer + space.log.read_text()


def test_an_upload_that_is_gone_is_said_to_be(space, mine):
    os.remove(mine["flair"]["path"])
    answer = called(space, **mine)
    expected = "FLAIR file: the upload is not there any more; expected a file uploaded within the last 30 minutes"
    assert expected in answer
    assert "the folder holds" not in answer


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"seed": math.nan}, "Seed: 'nan' was given; expected a number from 0 to"),
        ({"seed": math.inf}, "Seed: 'inf' was given; expected a number from 0 to"),
        ({"steps": math.nan}, "Denoising steps: 'nan' was given; expected a number from 1 to"),
        ({"steps": 10**400}, "Denoising steps: '1000"),
        ({"flair": {"path": ["/home/DOE"]}}, "This request cannot be used"),
        ({"flair": {"path": "/home/DOE/flair.nii"}}, "A file was given that was not uploaded here"),
        ({"flair": {"path": "a\0b"}}, "cannot be used"),
    ],
)
def test_every_refusal_is_a_sentence_and_leaves_no_traceback(space, mine, sent, expected):
    before = space.log.read_text()
    answer = called(space, **(mine | sent))
    assert expected in answer
    logged = space.log.read_text()[len(before) :]
    assert "Traceback" not in logged
    assert "DOE" not in answer + logged


def test_what_gradio_forgets_of_an_upload_is_deleted_too(space, root):
    from space.tidying import delete_old

    before = set(root.iterdir())
    assert upload(space, space.case["t1"], field="others") == []
    break_off(space)
    forgotten = wait_for(lambda: [file for file in set(root.iterdir()) - before if file.is_file()], 2)
    (root / "empty").mkdir()
    page = gr.Blocks()
    delete_old(page, root, age=1000)
    assert all(file.exists() for file in forgotten)
    delete_old(page, root, age=-1)
    assert list(root.iterdir()) == []


def break_off(space) -> None:
    """Begin an upload, and leave when half of it is sent."""
    content, kind = form("files", "half.nii.gz", bytes(2**18))
    connection = http.client.HTTPConnection(space.url.removeprefix("http://"), timeout=60)
    connection.putrequest("POST", "/gradio_api/upload")
    connection.putheader("Content-Type", kind)
    connection.putheader("Content-Length", str(len(content)))
    connection.endheaders(content[: 2**17])
    time.sleep(0.5)
    connection.close()


def wait_for(look, count: int) -> list[Path]:
    """Look until there are so many."""
    ends = time.monotonic() + 60
    while len(found := look()) < count and time.monotonic() < ends:
        time.sleep(0.1)
    assert len(found) == count
    return found
