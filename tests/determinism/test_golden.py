"""A simulated case through the embedded model: the same bytes in any batches, and values that stay what they are."""

import math

import numpy as np
import pytest

from recoseg_hf.inference import predict_case
from tests.determinism.golden import arrays, golden_case, measured, pipeline

# Of `python -m tests.determinism.golden`. Other processors round otherwise: means hold to 1e-4 of themselves there,
# patterns, which are small sums of large parts of either sign, to 1e-4 of what their parts' sizes make.
VALUES = {
    "tumour_volume_ml": 11.373,
    "tumour_core_volume_ml": 2.388,
    "enhancing_tumour_volume_ml": 2.25,
    "mean probability": 0.030067,
    "mean t1ce": 140.095252,
    "mean residual": 0.037924,
    "mean probability of tc": 0.006542,
    "mean probability of et": 0.005746,
    "pattern probability": 0.723691,
    "pattern t1ce": -20910.965145,
    "pattern residual": 9.801798,
    "pattern probability of tc": 4.876699,
    "pattern probability of et": 8.824511,
}


@pytest.fixture(scope="module")
def model():
    return pipeline()


@pytest.fixture(scope="module")
def case():
    return golden_case()


@pytest.fixture(scope="module")
def once(model, case):
    return predict_case(model, case)


def same(one, other) -> bool:
    found, expected = arrays(one), arrays(other)
    assert found.keys() == expected.keys()
    return all(np.array_equal(found[name], data) for name, data in expected.items())


def test_nothing_has_changed_in_silence(once):
    """Where this fails, results have changed: say so in CHANGELOG.md, with the version, and take the new values."""
    found = measured(once)
    size = math.sqrt(once.mask.data.size)
    for name, value in VALUES.items():
        if name.startswith("pattern"):
            data = arrays(once)[name.removeprefix("pattern ")]
            assert found[name] == pytest.approx(value, abs=1e-4 * size * float(data.std())), name
        else:
            assert found[name] == pytest.approx(value, rel=5e-3 if name.endswith("_ml") else 1e-4), name


def test_a_repetition_and_any_batches_give_the_same_bytes(model, case, once, threads):
    threads(1)
    alone = predict_case(model, case, slice_batch_size=1)
    assert same(alone, once)
    assert same(predict_case(model, case, slice_batch_size=3), once)


def test_the_seed_decides(model, case, once):
    other = predict_case(model, case, seed=1)
    assert not np.array_equal(other.t1ce.data, once.t1ce.data)
    assert other.report["results"]["tumour_volume_ml"] == pytest.approx(VALUES["tumour_volume_ml"], rel=0.2)
