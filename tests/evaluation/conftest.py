"""The tiny cases of the learning room serve here too; beside them, a run of the paper's table."""

from pathlib import Path

import pytest

from tests.evaluation.paper_runs import write_run
from tests.learning.conftest import brats_like

__all__ = ["brats_like"]


@pytest.fixture(scope="session")
def paper_run(tmp_path_factory) -> Path:
    """Folder of a run on one data set, to be read only."""
    return write_run(tmp_path_factory.mktemp("paper_run"))
