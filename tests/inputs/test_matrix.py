"""The matrix of inputs, row by row; `docs/reliability.md` lists what is in it."""

import pytest

from tests.inputs import case_rows, file_rows, result_rows  # noqa: F401, each enters its rows
from tests.inputs.damages import DAMAGES
from tests.inputs.refusals import REFUSALS
from tests.inputs.rows import ROWS


@pytest.mark.parametrize("row", sorted(ROWS), ids=lambda row: f"{row.number}-{row.name}")
def test_matrix(row, bench):
    row.holds(bench)


def test_every_row_is_there():
    assert {row.number for row in ROWS} == {*range(1, 63)}


def test_every_damage_that_must_be_refused_is():
    tried = {row.name for row in ROWS}
    assert {name for name, damage in DAMAGES.items() if damage.right == "refuse"} <= tried
    assert all(DAMAGES[name].right == "refuse" for name in REFUSALS)
    assert {damage.number for damage in DAMAGES.values()} <= {row.number for row in ROWS}


def test_a_good_case_raises_nothing(bench):
    assert bench.read().subject == "sub-01"
    assert bench.warnings() == []


def test_one_error_lists_everything(bench):
    for name in ("one_nan", "unknown_label", "modality_missing"):
        DAMAGES[name].do(bench.folder)
    bench.file("t1ce").write_bytes(bench.file("t1ce").read_bytes()[:-50])
    code, findings = bench.check()
    assert code == 3
    assert [finding["found"][:24] for finding in findings if finding["severity"] == "error"] == [
        "no file for t2; the fold", "1 voxel is NaN or infini", "its compressed data is b", "unknown labels 7 (1 voxe",
    ]  # fmt: skip
    result = bench.predict(bench.folder, "-o", bench.folder.parent / "out")
    assert result.exit_code == 3
    assert len(result.stderr.splitlines()) == 3  # the segmentation is no input of a prediction
