"""README's numbers are those of the committed results, and no other."""

from benchmarks.fill_readme import ROOT, filled, statistic


def test_readme_holds_the_measured_table():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert filled(text) == text, "run `python benchmarks/fill_readme.py`"


def test_statistic_has_interval_and_n():
    values = {"value": 0.85349, "interval": [0.8, 0.9001], "n": 6, "n_undefined": 0}
    assert statistic(values) == "0.853 [0.800, 0.900], n = 6"
    assert statistic(values, 1, " dB") == "0.9 dB [0.8, 0.9], n = 6"
