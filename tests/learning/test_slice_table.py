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

from recoseg_hf.learning.slice_table import quiet_datasets, slice_features, write_blocks

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
