"""Slices as Arrow: the columns, and blocks of rows written and read without a Python object per value."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from recoseg_hf.pipeline.conventions import REGIONS

if TYPE_CHECKING:
    from datasets import Dataset, Features
    from pyarrow import Array, ChunkedArray, DataType


TUMOUR_PIXELS = "tumour_pixels"
"""Column of a taught data set: a slice's pixels with tumour in its reference, which `regions` tell no more."""


def slice_features(image_size: int, taught: bool = False) -> "Features":
    """Columns of the slice data set; images are float16, which is finer than 1/1000 of their range.

    Args:
        image_size: side of the nets' grid in pixels.
        taught: whether a teacher takes part in the regions.
    """
    from datasets import Array3D, Features, Value

    def plane(channels: int, dtype: str = "float16") -> Array3D:
        return Array3D((channels, image_size, image_size), dtype)

    return Features(
        subject=Value("string"),
        position=Value("int32"),
        conditions=plane(3),
        t1=plane(1),
        t1ce=plane(1),
        brain=plane(1, "uint8"),
        regions=plane(len(REGIONS)),
        **({TUMOUR_PIXELS: Value("int32")} if taught else {}),
    )


def write_blocks(path: Path, features: "Features", blocks: Iterable[Mapping[str, np.ndarray]]) -> int:
    """Stream blocks of rows into one Arrow file that `datasets.Dataset.from_file` opens.

    Args:
        path: the file.
        features: names, types and shapes of the columns.
        blocks: for each column an array (N, ...) of the column's own type; N may differ between blocks.

    Returns:
        The number of rows written.
    """
    import pyarrow as pa

    schema = features.arrow_schema
    rows = 0
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, schema) as stream:
        for block in blocks:
            columns = [_column(block[field.name], field.type) for field in schema]
            stream.write_batch(pa.record_batch(columns, schema=schema))
            rows += len(columns[0])
    return rows


def _column(values: np.ndarray, kind: "DataType") -> "Array":
    """One column of a block; (N, C, S, S) becomes lists of lists of lists over one flat buffer."""
    import pyarrow as pa

    if values.ndim == 1:
        return pa.array(values, type=kind)
    nested = pa.array(values.reshape(-1))
    for size in values.shape[:0:-1]:
        offsets = np.arange(0, len(nested) + 1, size, dtype=np.int32)
        nested = pa.ListArray.from_arrays(pa.array(offsets), nested)
    return pa.ExtensionArray.from_storage(kind, nested)


class MappedColumns:
    """Rows of a table's columns, straight from the memory that Arrow mapped the file into.

    The formatters of `datasets` build an Arrow table for every row that is asked for, which takes ten times as long.

    Args:
        table: a `datasets` table with columns as in `slice_features`, or of numbers.
        names: of the columns to read.
    """

    def __init__(self, table: "Dataset", names: Sequence[str]):
        self._table = table.flatten_indices() if table._indices is not None else table
        self._names = list(names)
        self._chunks = {name: [_chunk_values(chunk) for chunk in self._column(name).chunks] for name in names}
        self._starts = {name: np.cumsum([0, *map(len, chunks)]) for name, chunks in self._chunks.items()}

    def __reduce__(self) -> tuple:
        return MappedColumns, (self._table, self._names)  # a worker maps the file anew instead of being sent it

    @property
    def files(self) -> list[Path]:
        """What is mapped; none for a table in memory."""
        return [Path(file["filename"]) for file in self._table.cache_files]

    def read(self, name: str, rows: Sequence[int]) -> np.ndarray:
        """A copy of these rows of a column, (len(rows), ...), in the column's own type."""
        starts, chunks = self._starts[name], self._chunks[name]
        places = np.searchsorted(starts, rows, side="right") - 1
        return np.stack([chunks[place][row - starts[place]] for place, row in zip(places, rows, strict=True)])

    def _column(self, name: str) -> "ChunkedArray":
        return self._table.data.column(name)


def _chunk_values(chunk: "Array") -> np.ndarray:
    """A column's chunk as (N, ...), without a copy where its type allows."""
    shape: tuple[int, ...] = (len(chunk),)
    if hasattr(chunk.type, "shape"):
        chunk, shape = chunk.storage, shape + tuple(chunk.type.shape)
        for _ in shape[1:]:
            chunk = chunk.flatten()
    return chunk.to_numpy(zero_copy_only=False).reshape(shape)


@contextmanager
def quiet_datasets() -> Iterator[None]:
    """Within, `datasets` draws no progress bars: the library prints nothing, and a program shows its own."""
    from datasets import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    silent = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not silent:
            enable_progress_bars()
