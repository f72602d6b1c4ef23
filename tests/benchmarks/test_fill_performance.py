"""The numbers in docs/performance.md are those of the committed run, and no other."""

from benchmarks.fill_performance import PAGE, filled
from benchmarks.performance.tables import PARTS
from benchmarks.performance.tables_accuracy import accuracy


def test_the_page_holds_what_was_measured():
    text = PAGE.read_text(encoding="utf-8")
    assert filled(text) == text, "run `python -m benchmarks.fill_performance`"


def test_every_part_has_its_place_once():
    text = PAGE.read_text(encoding="utf-8")
    names = [*(part.__name__ for part in PARTS), "picture", "steps", "accuracy"]
    assert all(text.count(f"<!-- measured: {name} -->") == 1 for name in names)
    assert all(text.count(f"<!-- measured: {name} end -->") == 1 for name in names)


def measured(dice: float, commit: str) -> dict:
    def value(number: float) -> dict:
        return {"volume": {"dice": {"value": number, "interval": [number - 0.1, number + 0.1], "n": 2}}}

    likeness = {name: {"value": 10 * dice, "interval": [1.0, 2.0], "n": 2} for name in ("psnr", "ssim")}
    default = {**value(dice), "n": 2, "synthesis": likeness, "dice_of_each_subject_sorted": [dice, dice]}
    model = {"weights_sha256": f"{dice}" * 20}
    return {
        "default": default, "regions": {"tc": value(0.5)},
        "measurement": {"model": model, "dtype": "bfloat16", "commit": commit},
    }  # fmt: skip


def test_accuracy_before_and_after_stand_side_by_side():
    text = accuracy(measured(0.8, "a" * 40), measured(0.81, "b" * 40))
    assert "Before: commit `aaaaaaa`, weights `0.80.80.80.8`, bfloat16." in text
    assert "| Dice per volume, WT | 0.8000 [0.7000, 0.9000] | 0.8100 [0.7100, 0.9100] | +0.0100 |" in text
    assert "| +0.10 |" in text
    assert "ET" not in text
    assert "sorted: before 0.800, 0.800; after 0.810, 0.810." in text
