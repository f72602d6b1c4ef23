"""A tiny model as `recoseg export` leaves it, made once for all tests of the folder."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def exported(tiny_model, tmp_path_factory) -> Path:
    """The exported folder of `tiny_model`; nobody changes it."""
    from recoseg_hf.hub import export_model

    return export_model(tiny_model, tmp_path_factory.mktemp("export") / "tiny", hub_id="org/tiny", example=False)


@pytest.fixture
def copy_of_export(exported, tmp_path) -> Path:
    """A copy that a test may change."""
    import shutil

    return Path(shutil.copytree(exported, tmp_path / "tiny"))
