"""`recoseg demo`: a simulated case through the embedded model, checked against its known truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recoseg_hf.cli.running import Finished, run_case, tell

if TYPE_CHECKING:
    from recoseg_hf.imaging.case import Case


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the case and the results.")] = Path(
        "demo_output"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Which case is simulated; also the seed of all noise.")] = 0,
    model: Annotated[str | None, typer.Option(help="Folder or Hub id; by default the embedded model.")] = None,
) -> None:
    """Simulate a case and predict it.

    The mask is compared with the simulated truth.
    An earlier result in the folder is replaced.
    """
    run_demo(output, seed, model)


def run_demo(output: Path, seed: int, model: str | None, shape: tuple[int, int, int] = (240, 240, 155)) -> None:
    """Do what `recoseg demo` does, for a case of `shape` voxels."""

    def simulate() -> Case:
        from recoseg_hf.imaging.phantom import simulate_case, write_case

        case = simulate_case(seed, shape)
        write_case(case, output / "case")
        return case

    finished = run_case(
        simulate,
        output / "results",
        first_stage=("simulate", "Simulating a case"),
        model=model,
        overwrite=True,
        light=False,  # the anatomy comes out of nilearn, which needs scipy
        seed=seed,
    )
    tell(finished)
    _compare_with_truth(finished)


def _compare_with_truth(finished: Finished) -> None:
    from recoseg_hf.evaluation.comparison import compare_case

    comparison = compare_case(finished.prediction.mask, finished.case.seg)
    typer.echo(f"Dice:         {comparison['dice']:.3f} against the simulated {comparison['reference_ml']:.1f} mL")
