"""A case in memory for the tests of inference."""

from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.volume import Volume
from tests.factories import affine, intensities

SHAPE = (20, 22, 9)


def make_case(spacing=(1.0, 1.0, 1.0), **others) -> Case:
    """A case in RAS; the sequence of seeds makes the modalities differ."""
    volumes = {
        name: Volume(intensities(SHAPE, seed), affine("RAS", spacing, (-8.0, 3.0, 5.0)))
        for seed, name in enumerate(("flair", "t1", "t2", "t1ce"))
    }
    return Case("sub-01", **(volumes | others))
