"""Write the measured parts of docs/performance.md from `benchmarks/results/`.

`performance.json`, `steps.json`, `busy.json`, `compiled.json` and `mirror.json`, and beside `accuracy.json` what it
was before, `accuracy_before.json`.

python -m benchmarks.fill_performance
"""

from benchmarks.fill_readme import ROOT, between, read, rewrite, with_parts
from benchmarks.measure_busy import busy_table
from benchmarks.measure_compiled import compiled_table
from benchmarks.measure_mirror import mirror_table
from benchmarks.performance.tables import PARTS
from benchmarks.performance.tables_accuracy import accuracy
from benchmarks.steps.tables import steps

PAGE = ROOT / "docs" / "performance.md"
PICTURE = "![Seconds of everybody, and our stages](../benchmarks/results/performance.png)"


def filled(text: str) -> str:
    """docs/performance.md with each part between its markers; empty where nothing has been measured."""
    result = read("performance")
    contents = {part.__name__: part(result) if result else "" for part in PARTS} | {
        "picture": PICTURE if result else ""
    }
    for name, content in contents.items():
        text = between(text, f"<!-- measured: {name} -->", f"<!-- measured: {name} end -->", content)
    before, after = read("accuracy_before"), read("accuracy")
    shown = accuracy(before, after) if before and after else ""
    text = between(text, "<!-- measured: accuracy -->", "<!-- measured: accuracy end -->", shown)
    return with_parts(text, {"steps": steps, "busy": busy_table, "compiled": compiled_table, "mirror": mirror_table})


def main() -> None:
    """Rewrite docs/performance.md."""
    rewrite(PAGE, filled)


if __name__ == "__main__":
    main()
