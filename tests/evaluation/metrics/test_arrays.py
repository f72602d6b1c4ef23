import numpy as np
import pytest

from recoseg_hf.evaluation.metrics.arrays import bounding_box, cut_to


def test_bounding_box_holds_the_mask_and_no_more():
    mask = np.zeros((6, 5, 4), bool)
    mask[1, 4, 0] = mask[3, 2, 3] = True
    assert bounding_box(mask) == (slice(1, 4), slice(2, 5), slice(0, 4))


def test_cut_to_the_mask():
    values = np.asfortranarray(np.arange(120.0).reshape(6, 5, 4))
    mask = (values > 60) & (values < 80)
    inside, cut = cut_to(mask, values)
    assert np.array_equal(cut[inside], values[mask])
    assert (cut.shape, cut.flags["C_CONTIGUOUS"]) == ((1, 5, 4), True)
    assert [one.shape for one in cut_to(mask & False, values)] == [(6, 5, 4)] * 2
    with pytest.raises(ValueError, match=r"shapes differ: mask \(6, 5, 4\), array 1 \(6, 5\)"):
        cut_to(mask, values[..., 0])
