"""Small files that would fill the memory: refused through every door before it is taken, seen by a process's peak."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads its memory as Linux tells it")
ROOT = Path(__file__).parents[2]
MOST_GROWTH_MB = 200  # each bomb would take 1 GB or more
PROGRAM = """
import base64, gzip, json, sys
from pathlib import Path
import nibabel as nib, numpy as np
from recoseg_hf.errors import InputError
from recoseg_hf.hub.endpoint_handler import read_case
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.headers import Geometry
from recoseg_hf.imaging.sources import open_source
from recoseg_hf.imaging.volume import read_labels, read_volume
from datasets import Dataset

def header(shape, dtype=np.int16, matrix=None, offset=352):
    made = nib.Nifti1Header()
    made.set_data_dtype(dtype)
    made.set_data_shape(shape)
    made.set_sform(np.eye(4) if matrix is None else matrix, code=1)
    made["magic"], made["vox_offset"] = b"n+1", offset
    return made.binaryblock + bytes(4)

zeros = gzip.compress(bytes(2**24), 9)  # gzip members may follow one another
bombs = {
    "32767 cubed": gzip.compress(header((32767,) * 3)),
    "more bytes than allowed": gzip.compress(header((512,) * 3, np.float64)) + 60 * zeros,
    "zeros behind the voxels": gzip.compress(header((8, 8, 8)) + bytes(1024)) + 65 * zeros,
    "truncated": gzip.compress(header((512,) * 3)),
    "plain and truncated": header((512,) * 3, np.float64),
    "voxels far behind the header": gzip.compress(header((8, 8, 8), offset=2**28)) + 16 * zeros,
    "members that hold nothing": 50_000 * gzip.compress(b"") + gzip.compress(header((8, 8, 8)) + bytes(1024)),
}
folder = Path(sys.argv[1])

def row(content):
    home = folder / "rows"
    home.mkdir(exist_ok=True)
    Dataset.from_list([{"subject": "a1", "flair": content, "t1": content, "t2": content}]).to_parquet(
        home / "train.parquet"
    )
    (entry,) = open_source(home).parts(None)["train"].entries
    entry.read()

def case(content):
    home = folder / "case"
    home.mkdir(exist_ok=True)
    for name in ("flair", "t1", "t2"):
        (home / f"x_{name}.nii.gz").write_bytes(content)
    Case.from_folder(home)

def endpoint(content):
    text = base64.b64encode(content).decode()
    read_case({"flair": text, "t1": text, "t2": text}, folder)

def file(read):
    def door(content):
        (folder / "x.nii.gz").write_bytes(content)
        read(folder / "x.nii.gz")
    return door

doors = {"volume": file(read_volume), "labels": file(read_labels), "case": case, "row": row, "endpoint": endpoint}
good = nib.Nifti1Image(np.random.default_rng(0).random((20, 20, 20), np.float32), np.eye(4)).to_bytes()
for name, door in doors.items():
    try:
        door(good)
    except InputError:
        pass  # one file for three scans
def peak():  # of this program alone: getrusage starts with what the process that started it had
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM"))

before, found = peak(), {}
for bomb, content in bombs.items():
    for name, door in doors.items():
        try:
            door(content)
            found[f"{bomb}, {name}"] = "read"
        except InputError as error:
            found[f"{bomb}, {name}"] = str(error)
after = peak()
held = np.ones(2**29, np.uint8)  # shows that the peak would tell
print(json.dumps({"growth": after - before, "control": peak() - after, "sizes": {n: len(c) for n, c in bombs.items()},
                  "found": found}))
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory):
    command = [sys.executable, "-c", PROGRAM, str(tmp_path_factory.mktemp("bombs"))]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_the_files_are_small(outcome):
    assert len(outcome["sizes"]) == 7
    assert max(outcome["sizes"].values()) < 2**21


@pytest.mark.parametrize("door", ["volume", "labels", "case", "row", "endpoint"])
@pytest.mark.parametrize(
    ("bomb", "message"),
    [
        ("32767 cubed", "its header declares 35,181,150,961,663 voxels"),
        ("more bytes than allowed", "its header declares 1,073,742,176 bytes"),
        ("truncated", "it ends after 352 of"),
        ("plain and truncated", "its header declares 1,073,742,176 bytes"),
        ("voxels far behind the header", "its header says that the voxels start at byte 268,435,456"),
        ("members that hold nothing", "its first 1,001 gzip members hold only 0 bytes"),
    ],
)
def test_each_door_refuses_each(outcome, bomb, message, door):
    assert message in outcome["found"][f"{bomb}, {door}"]


def test_what_follows_the_voxels_counts_too(outcome):
    said = [text for name, text in outcome["found"].items() if name.startswith("zeros behind the voxels")]
    assert len(said) == 5
    assert all(re.search(r"it goes on for more than [\d,]+ bytes after its voxels", text) for text in said)


def test_no_memory_was_taken_for_them(outcome):
    assert outcome["growth"] < MOST_GROWTH_MB
    assert outcome["control"] > MOST_GROWTH_MB
