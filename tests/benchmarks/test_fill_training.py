"""The numbers in training/README.md are those of the committed results, and no other."""

from benchmarks.fill_training import PARTS, ROOT, filled, mean, table


def test_the_readme_holds_what_was_measured():
    text = (ROOT / "training" / "README.md").read_text(encoding="utf-8")
    assert filled(text) == text, "run `python -m benchmarks.fill_training`"


def test_every_part_has_its_place_once():
    text = (ROOT / "training" / "README.md").read_text(encoding="utf-8")
    assert all(text.count(f"<!-- measured: {name} -->") == 1 for name in PARTS)
    assert all(text.count(f"<!-- measured: {name} end -->") == 1 for name in PARTS)


def test_a_mean_has_its_interval_and_a_difference_its_sign():
    values = {"value": 0.1234, "interval": [-0.0051, 0.25], "n": 6}
    assert mean(values) == "0.123 [-0.005, 0.250]"
    assert mean(values, 2, "+") == "+0.12 [-0.01, +0.25]"
    assert mean({"value": 0.5, "interval": None}) == "0.500"
    assert mean({"value": None, "interval": None}) == "undefined"


def test_a_table_is_markdown():
    assert table(["a", "b"], [["1", "2"]]) == "| a | b |\n| --- | --- |\n| 1 | 2 |"
