"""Draw the paper's figures, and ours, from what `reproduce_paper.py` wrote.

    python training/draw_paper_figures.py runs/paper --data BraTS2020=BRATS

Each data set gets a folder of pictures, `runs/paper/BraTS2020/figures`, where `recoseg report` looks: `synthesis.png`
(the paper's Figure 2: input, measured T1ce, synthetic T1ce, residual), `masks.png` (Figures 3 and 4: slice, reference,
prediction, overlay), `thresholds.png` (Figure 5), `cues.png` (precision and recall of the residual beside two cues
that need no model), `calibration.png`, `dice_by_threshold.png` and, with `--steps`, `steps.png`. What there is no data
for is left out. No net runs, so it takes seconds for a subject. Pictures of scans belong where the scans are.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from recoseg_hf.cli.scripts import told_in_a_line
from recoseg_hf.errors import InputError
from recoseg_hf.evaluation.paper.figures import draw_figures, draw_steps_figure, require_drawing
from recoseg_hf.evaluation.paper.figures.steps_figure import read_steps
from recoseg_hf.evaluation.systems.rows import chosen_rows


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("results", type=Path, help="the --output_dir of reproduce_paper.py")
    parser.add_argument("--data", action="append", required=True, help="NAME=FOLDER, as for reproduce_paper.py")
    parser.add_argument("--output_dir", type=Path, default=None, help="holds NAME/ then, in place of that")
    parser.add_argument("--system", default=None, help="row whose T1ce, residual and thresholds are shown")
    parser.add_argument("--rows", nargs="+", default=[], help="rows to compare, at most four are; by default all")
    parser.add_argument("--steps", type=Path, default=None, help="result of python -m benchmarks.steps")
    return parser.parse_args(arguments)


def draw_data_set(options: argparse.Namespace, given: str) -> list[Path]:
    """The pictures of one data set."""
    name, _, cases = given.partition("=")
    if not name or not cases:
        raise InputError(f"--data {given}", "no NAME=FOLDER", "a name and a folder", "Give it as --data X=FOLDER.")
    folder = options.results / name
    output = options.output_dir / name if options.output_dir else folder / "figures"
    rows = list(chosen_rows([*options.rows, *([options.system] if options.rows and options.system else [])]))
    pictures = draw_figures(
        folder, Path(cases), rows, output, system=options.system,
        progress=lambda done, total: print(f"{name}: subject {done} of {total}", flush=True),
    )  # fmt: skip
    if not pictures:
        wanted = options.system or "a row"
        found = f"no finished prediction of {wanted} for a labelled case of {cases}"
        raise InputError(folder, found, "predictions/ROW/SUBJECT/, as reproduce_paper.py leaves it", "Run that first.")
    return [*pictures, draw_steps_figure(options.steps, output)] if options.steps else pictures


def main(arguments: Sequence[str] | None = None) -> None:
    """All data sets."""
    options = parse_arguments(arguments)
    require_drawing()
    if options.steps:
        read_steps(options.steps)  # fails now rather than after minutes
    if options.system:
        chosen_rows([options.system])
    pictures = [file for given in options.data for file in draw_data_set(options, given)]
    for file in pictures:
        print(file)


if __name__ == "__main__":
    with told_in_a_line():
        main()
