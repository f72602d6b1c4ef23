"""The numbers in docs/performance.md are those of the committed run, and no other."""

from benchmarks.fill_performance import PAGE, filled
from benchmarks.performance.tables import PARTS


def test_the_page_holds_what_was_measured():
    text = PAGE.read_text(encoding="utf-8")
    assert filled(text) == text, "run `python -m benchmarks.fill_performance`"


def test_every_part_has_its_place_once():
    text = PAGE.read_text(encoding="utf-8")
    names = [*(part.__name__ for part in PARTS), "picture", "steps"]
    assert all(text.count(f"<!-- measured: {name} -->") == 1 for name in names)
    assert all(text.count(f"<!-- measured: {name} end -->") == 1 for name in names)
