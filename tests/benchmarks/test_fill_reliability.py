"""The numbers in docs/reliability.md are those of the committed results, and no other."""

from benchmarks.fill_reliability import PAGE, PARTS, filled, interrupted_cohort, readers, space_load


def test_the_page_holds_what_was_measured():
    text = PAGE.read_text(encoding="utf-8")
    assert filled(text) == text, "run `python -m benchmarks.fill_reliability`"


def test_every_part_has_its_place_once():
    text = PAGE.read_text(encoding="utf-8")
    assert all(text.count(f"<!-- measured: {name} -->") == 1 for name in PARTS)
    assert all(text.count(f"<!-- measured: {name} end -->") == 1 for name in PARTS)


def test_a_loads_numbers_stand_in_its_table():
    counts = ("requests", "answers_right", "answers_wrong", "bad_input_told", "refusals", "left", "errors")
    result = {name: 11 + place for place, name in enumerate(counts)} | {
        "clients": 20, "minutes": 10, "cores": 2, "load_before": 0.1, "waiting_most": 8, "files_most": 321,
        "megabytes_before": 1024, "megabytes_peak": 3072, "afterwards": {"megabytes_after": 1536, "files_left": 0},
        "seconds": {"slab": {"p50": 1.25, "p95": 9.0, "n": 7}, "threshold": None, "example": None},
    }  # fmt: skip
    shown = space_load(result)
    assert "| requests | 11 |" in shown
    assert "| errors | 17 |" in shown
    assert "| seconds for a slab, median and 95th percentile | 1.2 and 9.0, n = 7 |" in shown
    assert "| seconds for the whole case, median and 95th percentile | none |" in shown
    assert "| memory in GB: before, at most, after | 1.0 / 3.0 / 1.5 |" in shown
    assert "| temporary files, at most and after | 321 / 0 |" in shown


def test_a_cohorts_numbers_stand_in_its_table():
    memory = {"peak_mib": 700.0, "first_quarter_median_mib": 690.0, "last_quarter_median_mib": 691.0}
    result = {
        "cases": 12, "files": 108, "differing_files": [], "seconds": {"killed": 240, "undisturbed": 120},
        "kills": [{"finished": 3, "half_made": 1}, {"finished": 7, "half_made": 0}],
        "memory": {"killed": memory | {"growth_mib_per_100_cases": 0.5},
                   "undisturbed": memory | {"growth_mib_per_100_cases": -0.25, "peak_mib": 705.5}},
    }  # fmt: skip
    shown = interrupted_cohort(result)
    assert "| kills, after so many finished cases | 2: 3, 7 |" in shown
    assert "| folders of half a result that the kills left | 1 |" in shown
    assert "| files that differ at the end | 0 |" in shown
    assert "| minutes | 2.0 / 4.0 |" in shown
    assert "| highest memory in MiB | 705.5 / 700.0 |" in shown
    assert "| growth in MiB per 100 cases | -0.2 / 0.5 |" in shown


def test_readers_are_counted_and_listed():
    names = ("nibabel", "monai", "monai_list", "recoseg_hf")
    row = {"number": 4, "name": "flipped_byte", "right": "refuse"} | {name: {"outcome": "silent"} for name in names}
    result = {
        "versions": {"nibabel": "5", "monai": "1"},
        "rows": [row | {"recoseg_hf": {"outcome": "named"}}],
        "counts": {right: {name: {} for name in names} for right in ("warn", "read")}
        | {"refuse": {name: {"silent": 1} for name in names} | {"recoseg_hf": {"named": 1}}},
    }
    shown = readers(result)
    assert "| 1 make a case unusable | 1 nothing said | 1 nothing said | 1 nothing said | 1 told |" in shown
    assert "| 4 | flipped byte | an error | nothing said | nothing said | nothing said | told |" in shown
