"""What the doctor says of numbers."""

import pytest

from recoseg_hf.inference.doctor.words import times


@pytest.mark.parametrize(
    ("scale", "said"),
    [(2.5, "2.5 times"), (1.0, "1 times"), (0.1, "1/10 of"), (0.0, "less than 1/1000 of")],
)
def test_a_factor_is_said_also_where_nothing_is_left(scale, said):
    assert times(scale) == said
