"""The mirror image in some slices alone: what it changes is counted, and how often it was looked at."""

from benchmarks.measure_mirror import measure, mirror_table
from tests.tiny import tiny_pipeline


def test_looking_at_all_changes_nothing_and_at_fewer_saves_looks(brats_like):
    pipeline = tiny_pipeline(field_of_view=24, flip_average=True, regions="wt,tc,et", mask_threshold=0.5)
    rows = measure(pipeline, [brats_like / "sub-03"])
    assert [row["flip_above"] for row in rows] == [0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, None]
    assert (pipeline.config.flip_average, pipeline.config.flip_above) == (True, 0.0)
    first, last, never = rows[0], rows[-2], rows[-1]
    assert (first["voxels_of_mask"], first["voxels_of_labels"], first["largest_change"]) == (0, 0, 0)
    assert first["share"] == 1
    shares = [row["share"] for row in rows]
    assert shares == sorted(shares, reverse=True)
    assert 0 <= last["share"] <= 1
    assert (last["largest_change"] > 0) == (last["share"] < 1)
    assert never["share"] == 0 < never["largest_change"]
    assert set(last["dice"]) == {"wt", "tc", "et"}
    assert all(value is None or 0 <= value <= 1 for value in last["dice"].values())


def test_the_table_says_what_differs():
    row = {
        "flip_above": 0.1, "n": 6, "voxels_of_mask": 3, "voxels_of_labels": 4, "voxels_above_lowest": 5,
        "largest_change": 0.25, "share": 0.675, "dice": {"wt": 0.84555, "tc": 0.75},
    }  # fmt: skip
    never = row | {"flip_above": None, "share": 0.0}
    text = mirror_table({"rows": [row, never], "measurement": {"dtype": "bfloat16"}})
    assert "| no second look | 0 % | 3 |" in text
    assert "| 0.1 | 68 % | 3 | 4 | 5 | 0.250 | 0.8456 / 0.7500 |" in text
    assert text.startswith("n = 6 validation subjects, bfloat16:")
