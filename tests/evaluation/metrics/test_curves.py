"""Average precision and its curve against scikit-learn, MONAI and counting by hand."""

import warnings

import numpy as np
import pytest

from recoseg_hf.evaluation.metrics.curves import (
    average_precision,
    compare_cues,
    precision_at_recalls,
    precision_recall_curve,
    prevalence,
    static_residual,
)

SHAPE = (7, 6, 5)


def cue_and_mask(seed, levels=None, share=0.2):
    """A cue that knows a little about the mask, in `levels` steps (ties) or without any."""
    generator = np.random.default_rng(seed)
    mask = generator.random(SHAPE) < share
    mask[3, 3, 3] = True
    cue = generator.normal(size=SHAPE) + mask
    return (cue if levels is None else np.round(cue * levels) / levels), mask, generator.random(SHAPE) < 0.8


@pytest.mark.parametrize("levels", [None, 4, 1, 0.2])
@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_scikit_learn(seed, levels):
    sklearn = pytest.importorskip("sklearn.metrics")
    cue, mask, inside = cue_and_mask(seed, levels)
    inside[3, 3, 3] = True
    expected = sklearn.average_precision_score(mask[inside], cue[inside])
    assert average_precision(cue, mask, inside) == pytest.approx(expected, abs=1e-12)
    precision, recall, threshold = sklearn.precision_recall_curve(mask[inside], cue[inside])
    ours = precision_recall_curve(cue, mask, inside)
    assert [one.tolist() for one in ours] == [
        pytest.approx(threshold[::-1].tolist()),
        pytest.approx(precision[:-1][::-1].tolist()),
        pytest.approx(recall[:-1][::-1].tolist()),
    ]


@pytest.mark.parametrize("levels", [None, 2])
def test_agrees_with_monai(levels):
    torch = pytest.importorskip("torch")
    monai = pytest.importorskip("monai.metrics")
    cue, mask, inside = cue_and_mask(5, levels)
    inside[3, 3, 3] = True
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = monai.compute_average_precision(torch.tensor(cue[inside]), torch.tensor(mask[inside]).int())
    assert average_precision(cue, mask, inside) == pytest.approx(float(expected), abs=1e-6)


def test_values_by_hand():
    cue, mask = np.array([9.0, 8, 7, 6, 5]), np.array([1, 0, 1, 0, 0])
    inside = np.ones(5, bool)
    assert average_precision(cue, mask, inside) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert average_precision(-cue, mask, inside) == pytest.approx(0.5 * 1 / 3 + 0.5 * 2 / 5)
    assert precision_at_recalls(cue, mask, inside, [0.1, 0.5, 0.6, 1]) == pytest.approx([1, 1, 2 / 3, 2 / 3])
    assert prevalence(mask, inside) == 0.4


def test_a_cue_of_one_value_scores_what_guessing_does():
    _, mask, inside = cue_and_mask(1)
    assert average_precision(np.zeros(SHAPE), mask, inside) == pytest.approx(prevalence(mask, inside))


def test_only_the_order_counts_and_only_inside():
    cue, mask, inside = cue_and_mask(2)
    expected = average_precision(cue, mask, inside)
    assert average_precision(np.where(inside, 7 * np.exp(cue), np.nan), mask, inside) == pytest.approx(expected)


def test_a_perfect_cue():
    _, mask, inside = cue_and_mask(3)
    assert average_precision(mask, mask, inside) == 1
    assert set(precision_at_recalls(mask, mask, inside)) == {1.0}


def test_an_empty_mask_has_no_score():
    cue, mask, inside = cue_and_mask(4)
    for function in (average_precision, precision_recall_curve, precision_at_recalls):
        assert function(cue, mask & False, inside) is None
        assert function(cue, mask, inside & False) is None
    assert prevalence(mask, inside & False) is None
    assert prevalence(mask & False, inside) == 0


def test_refusals():
    cue, mask, inside = cue_and_mask(6)
    with pytest.raises(ValueError, match=r"shapes differ: cue \(7, 6, 5\), mask \(7, 6\)"):
        average_precision(cue, mask[..., 0], inside)
    with pytest.raises(ValueError, match=r"shapes differ: cue \(7, 6, 5\), inside \(7, 6\)"):
        average_precision(cue, mask, inside[..., 0])
    inside[0, 0, 0], cue[0, 0, 0] = True, np.inf
    with pytest.raises(ValueError, match="the cue holds NaN or Inf inside"):
        average_precision(cue, mask, inside)


def test_static_residual_does_not_see_the_scale_of_either_scan():
    generator = np.random.default_rng(0)
    t1, brain = generator.gamma(4, 50, size=SHAPE), np.ones(SHAPE, bool)
    brain[0] = False
    assert static_residual(t1, 3 * t1 + 100, brain) == pytest.approx(np.zeros(SHAPE), abs=1e-12)
    enhanced = t1.copy()
    enhanced[3, 3, 3] = t1.max()
    residual = static_residual(t1, enhanced, brain)
    assert np.unravel_index(residual.argmax(), SHAPE) == (3, 3, 3)
    assert 0 <= residual.min() <= residual.max() <= 1
    assert not residual[0].any()
    with pytest.raises(ValueError, match="the T1 has no contrast in the brain: 5 between"):
        static_residual(np.full(SHAPE, 5.0), t1, brain)


def test_cues_of_a_subject():
    cue, _, inside = cue_and_mask(7)
    labels = np.random.default_rng(1).choice([0, 0, 0, 1, 2], size=SHAPE)
    found = compare_cues({"flair": cue, "residual": -cue}, labels, inside)
    assert list(found) == ["flair", "residual"]
    assert found["flair"]["tc"] == {
        "average_precision": average_precision(cue, labels == 1, inside),
        "prevalence": prevalence(labels == 1, inside),
    }
    assert found["residual"]["et"] == {"average_precision": None, "prevalence": 0.0}
