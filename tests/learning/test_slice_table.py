import pickle

import numpy as np
import pyarrow as pa
import pytest
from datasets import (
    Array3D,
    Dataset,
    Features,
    Value,
    are_progress_bars_disabled,
    disable_progress_bars,
    enable_progress_bars,
)

from recoseg_hf.learning.slice_table import MappedColumns, quiet_datasets, slice_features, write_blocks

FEATURES = Features(subject=Value("string"), plane=Array3D((2, 3, 4), "float16"))


def block(subject: str, rows: int, seed: int) -> dict[str, np.ndarray]:
    values = np.random.default_rng(seed).random((rows, 2, 3, 4)).astype(np.float16)
    return {"subject": np.array([subject] * rows), "plane": values}


def test_blocks_of_any_length_come_back_as_rows(tmp_path):
    blocks = [block("a", 3, 0), block("b", 1, 1), block("c", 5, 2)]
    assert write_blocks(tmp_path / "rows.arrow", FEATURES, iter(blocks)) == 9
    table = Dataset.from_file(str(tmp_path / "rows.arrow"))
    assert table.features == FEATURES
    assert table["subject"][:] == list("aaabccccc")
    expected = np.concatenate([given["plane"] for given in blocks])
    assert np.array_equal(table.with_format("numpy")["plane"][:], expected)
    assert np.array_equal(table.with_format("numpy")[4]["plane"], expected[4])


def test_no_block_is_an_empty_table(tmp_path):
    assert write_blocks(tmp_path / "rows.arrow", FEATURES, []) == 0
    assert len(Dataset.from_file(str(tmp_path / "rows.arrow"))) == 0


def test_a_block_of_another_type_is_refused(tmp_path):
    wrong = block("a", 1, 0)
    wrong["plane"] = wrong["plane"].astype(np.float64)
    with pytest.raises(TypeError, match="Incompatible storage type"):
        write_blocks(tmp_path / "rows.arrow", FEATURES, [wrong])


def test_half_precision_is_fine_enough():
    assert slice_features(16)["conditions"].dtype == "float16"
    unit = np.linspace(0, 1, 1001)
    assert np.abs(unit.astype(np.float16) - unit).max() < 1e-3
    assert pa.types.is_float16(pa.array(unit.astype(np.float16)).type)


def test_progress_bars_are_as_they_were_afterwards():
    for switch, silent in ((disable_progress_bars, True), (enable_progress_bars, False)):
        switch()
        with quiet_datasets():
            assert are_progress_bars_disabled()
        assert are_progress_bars_disabled() == silent


class TestMappedColumns:
    @pytest.fixture
    def table(self, tmp_path):
        write_blocks(tmp_path / "rows.arrow", FEATURES, [block("a", 3, 0), block("b", 1, 1), block("c", 5, 2)])
        return Dataset.from_file(str(tmp_path / "rows.arrow"))

    @pytest.fixture
    def planes(self):
        return np.concatenate([block("a", 3, 0)["plane"], block("b", 1, 1)["plane"], block("c", 5, 2)["plane"]])

    @pytest.mark.parametrize("rows", [[0], [2, 3, 4], [8, 0, 0, 3]])
    def test_rows_come_in_their_order_out_of_any_block(self, table, planes, rows):
        found = MappedColumns(table, ["plane"]).read("plane", rows)
        assert found.dtype == np.float16
        assert np.array_equal(found, planes[rows])

    def test_what_is_read_may_be_written_to(self, table, planes):
        columns = MappedColumns(table, ["plane"])
        columns.read("plane", [0])[:] = 0
        assert np.array_equal(columns.read("plane", [0]), planes[:1])

    def test_a_choice_of_rows_is_kept_to(self, table, planes):
        columns = MappedColumns(table.select([7, 3, 1]), ["plane"])
        assert np.array_equal(columns.read("plane", [0, 2]), planes[[7, 1]])

    def test_parts_joined_into_one_table(self, table, planes):
        from datasets import concatenate_datasets

        columns = MappedColumns(concatenate_datasets([table, table]), ["plane"])
        assert np.array_equal(columns.read("plane", [8, 9]), planes[[8, 0]])

    def test_columns_of_numbers_and_of_bytes(self):
        features = Features(brain=Array3D((1, 2, 2), "uint8"), highest=Value("float32"))
        rows = {"brain": np.arange(8, dtype=np.uint8).reshape(2, 1, 2, 2), "highest": np.float32([0.5, 0.25])}
        columns = MappedColumns(Dataset.from_dict(rows, features=features), ["brain", "highest"])
        assert columns.read("brain", [1]).tolist() == [[[[4, 5], [6, 7]]]]
        assert columns.read("highest", [1, 0]).tolist() == [0.25, 0.5]

    def test_a_worker_is_sent_the_files_place_and_not_its_content(self, table, planes):
        sent = pickle.dumps(MappedColumns(table, ["plane"]))
        assert planes[0].tobytes() not in sent
        assert np.array_equal(pickle.loads(sent).read("plane", [4]), planes[[4]])
