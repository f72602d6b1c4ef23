"""The notebook runs from top to bottom, on a coarse case and a tiny model; only its settings are changed for that."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "notebooks" / "quickstart.ipynb"
SETTINGS = {"(240, 240, 155)  #": "(48, 48, 31)  #", "MODEL = None": "MODEL = {model!r}"}


@pytest.fixture(scope="module")
def notebook():
    nbformat = pytest.importorskip("nbformat")
    found = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(found)
    return found


def test_it_is_committed_without_outputs(notebook):
    assert not [cell.id for cell in notebook.cells if cell.get("outputs") or cell.get("execution_count")]


def test_it_runs_from_top_to_bottom(notebook, tiny_model, tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    pytest.importorskip("nilearn")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    settings = next(cell for cell in notebook.cells if "MODEL = None" in cell.source)
    for text, coarse in SETTINGS.items():
        assert text in settings.source
        settings.source = settings.source.replace(text, coarse.format(model=str(tiny_model)))
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output["data"] for cell in notebook.cells for output in cell.get("outputs", []) if "data" in output]
    assert any("image/png" in data for data in shown)
    written = {file.name for file in (tmp_path / "quickstart_output" / "results").iterdir()}
    assert {"simulated-0_mask.nii.gz", "simulated-0_report.html"} <= written
    assert "DPMSolverMultistepScheduler" in "".join(data["text/plain"] for data in shown)
