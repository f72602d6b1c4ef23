"""Cases for the tests of inference, in memory and on disk."""

from pathlib import Path

from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.volume import Volume
from tests.factories import MODALITIES, affine, intensities, save

SHAPE = (20, 22, 9)


def make_case(spacing=(1.0, 1.0, 1.0), **others) -> Case:
    """A case in RAS; the sequence of seeds makes the modalities differ."""
    volumes = {
        name: Volume(intensities(SHAPE, seed), affine("RAS", spacing, (-8.0, 3.0, 5.0)))
        for seed, name in enumerate(("flair", "t1", "t2", "t1ce"))
    }
    return Case("sub-01", **(volumes | others))


def save_cohort(root: Path, subjects=("sub-01", "sub-02", "sub-03")) -> Path:
    """Write cases that all differ, each to a folder under `root` with the subject's name."""
    for number, subject in enumerate(subjects):
        for seed, name in enumerate(MODALITIES):
            save(root / subject / f"{subject}_{name}.nii.gz", intensities(SHAPE, seed + 10 * number))
    return root


def result_bytes(output: Path) -> dict[str, bytes]:
    """Every file of every subject's result by its path, but for the reports, which tell times."""
    files = (
        file for file in output.rglob("*") if file.is_file() and not file.name.endswith(("report.json", "cohort.json"))
    )
    return {str(file.relative_to(output)): file.read_bytes() for file in files}
