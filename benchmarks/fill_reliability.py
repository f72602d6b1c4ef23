"""Write the measured parts of docs/reliability.md from `benchmarks/results/*.json`, each between its two markers.

python -m benchmarks.fill_reliability
"""

from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.fill_readme import ROOT, read
from benchmarks.fill_training import table
from recoseg_hf.files import atomic_write

PAGE = ROOT / "docs" / "reliability.md"
_ACTS = {"slab": "a slab", "threshold": "another threshold", "example": "the whole case"}


def space_load(result: Mapping[str, Any]) -> str:
    """The Space under many clients."""
    after = result["afterwards"]
    memory = (result["megabytes_before"], result["megabytes_peak"], after["megabytes_after"])
    seconds = [
        [f"seconds for {name}, median and 95th percentile", _seconds(result["seconds"][act])]
        for act, name in _ACTS.items()
    ]
    rows = [
        ["requests", str(result["requests"])],
        ["right answers", str(result["answers_right"])],
        ["wrong answers", str(result["answers_wrong"])],
        ["bad input, told so by field", str(result["bad_input_told"])],
        ["refused in words", str(result["refusals"])],
        ["left without waiting", str(result["left"])],
        ["errors", str(result["errors"])],
        *seconds,
        ["requests waiting, at most", f"{result['waiting_most']} (8 are allowed)"],
        ["memory in GB: before, at most, after", " / ".join(f"{megabytes / 1024:.1f}" for megabytes in memory)],
        ["temporary files, at most and after", f"{result['files_most']} / {after['files_left']}"],
    ]
    machine = f"{result['cores']} cores, shared with the clients; {result['load_before']:g} processes ran before."
    head = [f"{result['clients']} clients, {result['minutes']:g} minutes", ""]
    return f"{table(head, rows)}\n\n{machine}\n\n![Memory and queue](../benchmarks/results/space_load.png)"


def _seconds(found: Mapping[str, float] | None) -> str:
    return "none" if found is None else f"{found['p50']:.1f} and {found['p95']:.1f}, n = {found['n']}"


PARTS: dict[str, Callable[[Mapping[str, Any]], str]] = {part.__name__: part for part in (space_load,)}


def filled(text: str) -> str:
    """docs/reliability.md with each part between its markers."""
    for name, render in PARTS.items():
        begin, end = f"<!-- measured: {name} -->", f"<!-- measured: {name} end -->"
        before, _, rest = text.partition(begin)
        _, _, after = rest.partition(end)
        result = read(name)
        text = f"{before}{begin}\n{render(result) if result else ''}\n{end}{after}"
    return text


def main() -> None:
    """Rewrite docs/reliability.md."""
    text = filled(PAGE.read_text(encoding="utf-8"))
    with atomic_write(PAGE) as path:
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
