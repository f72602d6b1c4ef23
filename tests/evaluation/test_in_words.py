import pytest

from recoseg_hf.evaluation.in_words import mean_in_words


@pytest.mark.parametrize(
    ("statistic", "options", "text"),
    [
        ({"value": 0.8534, "interval": [0.801, 0.899]}, {}, "0.853 [0.801, 0.899]"),
        ({"value": 0.02, "interval": [-0.01, 0.05]}, {"sign": "+"}, "+0.020 [-0.010, +0.050]"),
        ({"value": 12.34, "interval": None}, {"digits": 1}, "12.3"),
        ({"value": None, "interval": None}, {"undefined": "undefined"}, "undefined"),
        (None, {}, ""),
    ],
)
def test_a_mean_and_its_interval(statistic, options, text):
    assert mean_in_words(statistic, **options) == text
