"""A number in a card is one of its JSON values, as it is shown there."""

import pytest

from recoseg_hf.errors import InputError
from recoseg_hf.hub.numbers import check_numbers, declared_integers

VALUES = {
    "dice": {"value": 0.85302, "interval": [0.7809, 0.9051]},
    "n": 6,
    "error_ml": -1.571,
    "note": "40 % of the slices, rate 1e-3",
    "steps": {"10": None},
    "volume": 12345.6,
}


@pytest.mark.parametrize(
    "text",
    [
        "Dice 0.853 [0.781, 0.905], n = 6",
        "85 % or 85.3 %",
        "an error of -1.6 mL, 1.57 at most",
        "40 % at 1e-3, in 10 steps",
        "12,346 voxels, 1.23e+04",
        "T1, T2, UNet2DModel, Apache-2.0, torch 2.13.0 and 3D say nothing",
        "arXiv 2508.01058, 10.1038/sdata.2017.117, Menze et al. 2015, BraTS 2018, https://x.org/0.99",
        "`threshold=0.97` and\n```\n0.98\n```\n",
    ],
)
def test_what_the_values_say_may_stand(text):
    check_numbers("README.md", text, VALUES)


@pytest.mark.parametrize("typed", ["0.854", "0.92", ".92", "0.8531", "7", "-1.7", "86 %", "1e-4", "12,347"])
def test_what_was_typed_in_is_refused_with_its_line(typed):
    with pytest.raises(InputError, match=rf"^README\.md: line 2 holds \[?{typed}, which is in no JSON value"):
        check_numbers("README.md", f"Dice 0.853\nor {typed}, say\n", VALUES)


def test_a_template_declares_whole_numbers_alone():
    assert declared_integers("{# numbers that measure nothing: 27, 1 (subjects) #} 5 {#- numbers here: 9 -#}") == [
        1,
        27,
    ]
    check_numbers("README.md", "27 of them", VALUES, declared=[27])
    with pytest.raises(InputError, match=r"27\.5"):
        check_numbers("README.md", "27.5 of them", VALUES, declared=[27])
