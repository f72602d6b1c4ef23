"""What counts as told, as an error alone, and as nothing said."""

import pytest

from benchmarks.compare_readers import CAUSES, LEFT_OUT, attempt
from tests.inputs.damages import DAMAGES


@pytest.mark.parametrize(
    ("reader", "name", "outcome"),
    [
        ("nibabel", "empty_file", "named"),
        ("nibabel", "truncated_gz", "error"),
        ("nibabel", "wrong_crc", "silent"),
        ("nibabel", "mirrored_with_its_header", "silent"),
        ("nibabel", "fourth_axis_of_one", "refused"),
        ("nibabel", "other_axes", "right"),
        ("recoseg_hf", "truncated_gz", "named"),
        ("recoseg_hf", "with_skull", "named"),
        ("recoseg_hf", "mirrored_with_its_header", "right"),
    ],
)
def test_outcomes(reader, name, outcome):
    found = attempt(reader, DAMAGES[name])
    assert found["outcome"] == outcome
    assert bool(found["message"]) == (outcome in ("named", "error", "refused"))
    assert "/tmp" not in found["message"]


def test_every_damage_has_its_cause_in_words():
    told = {name for name, damage in DAMAGES.items() if damage.right != "read" and name not in LEFT_OUT}
    assert told == CAUSES.keys()
