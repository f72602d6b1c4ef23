"""The tiny cases of the learning room serve here too; beside them, a run of the paper's table."""

from pathlib import Path

import pytest

from tests.evaluation.paper_runs import result, with_regions, write_results, write_run
from tests.learning.conftest import brats_like

__all__ = ["brats_like"]


@pytest.fixture(scope="session")
def paper_run(tmp_path_factory) -> Path:
    """Folder of a run on one data set, to be read only."""
    return write_run(tmp_path_factory.mktemp("paper_run"))


@pytest.fixture(scope="session")
def regions_run(tmp_path_factory) -> Path:
    """Folder of a run of which two rows have TC and ET, to be read only."""
    rows = {
        "small_t1ce": with_regions(result("small_t1ce", 0.1), 0.6),
        "recoseg_small": with_regions(result("recoseg_small", 0.1), 0.8),
        "three_regions": result("three_regions", 0.1),
    }
    return write_results(tmp_path_factory.mktemp("regions_run"), {"Simulated": rows})
