"""One simulated case, measured once, and the limits that came with the package."""

import pytest

from recoseg_hf.imaging.phantom import simulate_case
from recoseg_hf.inference.doctor import examine_case
from recoseg_hf.inference.doctor.limits import load_limits
from recoseg_hf.inference.doctor.scans import reduce_case
from recoseg_hf.pipeline.conventions import MODALITIES

SHAPE = (80, 80, 52)


@pytest.fixture(scope="session")
def case():
    return simulate_case(3, SHAPE)


@pytest.fixture(scope="session")
def volumes(case):
    return {name: getattr(case, name) for name in MODALITIES}


@pytest.fixture(scope="session")
def scans(volumes):
    return reduce_case(volumes)


@pytest.fixture(scope="session")
def limits():
    return load_limits()


@pytest.fixture(scope="session")
def clean(case, limits):
    return examine_case(case, limits)
