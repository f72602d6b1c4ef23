"""The folder that is published: its front matter, its pins, what lies in it."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import SpaceCard

from recoseg_hf import Case
from tests.test_packaging import normal, pins

ROOT = Path(__file__).parents[2] / "spaces_demo"
NIIVUE_SHA256 = "47b896b77ec4a5be3ef1949c33ad393b6f45629921f326c279000bcf51bdb4af"  # of @niivue/niivue 0.69.0 on npm


def requirements() -> dict[str, str]:
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def test_front_matter():
    card = SpaceCard.load(ROOT / "README.md").data
    assert card.sdk == "gradio"
    assert card.sdk_version == str(pins()["gradio"])
    assert card.python_version == "3.11"
    assert (ROOT / card.app_file).is_file()
    assert len(card.short_description) <= 60
    assert {card.colorFrom, card.colorTo} <= {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}


@pytest.mark.parametrize("name", requirements())
def test_requirements_are_pinned_as_we_test_them(name):
    assert requirements()[name] == str(pins()[normal(name)])


def test_requirements_are_all_that_the_library_needs():
    setup = (ROOT.parent / "setup.py").read_text(encoding="utf-8")
    core = re.search(r"CORE = \[(.*?)\]", setup, re.DOTALL)[1]
    needed = {normal(name) for name in re.findall(r'"([A-Za-z0-9_-]+)>=', core)} | {"gradio"}
    assert {normal(name) for name in requirements()} == needed


def test_niivue_is_as_published_with_its_licence():
    assert hashlib.sha256((ROOT / "static" / "niivue.umd.js").read_bytes()).hexdigest() == NIIVUE_SHA256
    licence = (ROOT / "static" / "niivue.LICENSE.txt").read_text(encoding="utf-8")
    assert licence.startswith("BSD 2-Clause License\n\nCopyright (c) 2021, Niivue")


def test_the_example_is_simulated_and_whole():
    case = Case.from_folder(ROOT / "example", subject="example")
    assert {file.name for file in case.sources.values()} == {
        f"simulated-0_{name}.nii.gz" for name in ("flair", "t1", "t2", "t1ce", "seg")
    }
    assert case.flair.shape == (240, 240, 155)
    assert set(np.unique(case.seg.data)) == {0, 1, 2, 4}
    assert case.flair.data.max() == 255


def test_nothing_is_fetched_from_elsewhere():
    ours = [
        file
        for file in ROOT.rglob("*")
        if file.suffix in (".py", ".js", ".css", ".html") and "niivue" not in file.name
    ]
    assert len(ours) > 10
    for file in ours:
        found = re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", file.read_text(encoding="utf-8"))
        assert not found, f"{file.name}: {found}"


def test_the_folder_holds_the_library(space):
    assert (space.folder / "recoseg_hf" / "pretrained" / "recoseg-small" / "model_index.json").is_file()
    assert (space.folder / "requirements.txt").is_file()
    assert not (space.folder / "make_example.py").exists()


def test_the_folder_holds_nothing_compiled(parts, tmp_path, monkeypatch):
    import assemble

    library = tmp_path / "recoseg_hf"
    (library / "__pycache__").mkdir(parents=True)
    for name in ("errors.py", "stray.pyc", "__pycache__/errors.cpython-311.pyc"):
        (library / name).touch()
    monkeypatch.setattr(assemble, "LIBRARY", library)
    assemble.assemble(tmp_path / "space")
    found = {file.name for file in (tmp_path / "space" / "recoseg_hf").rglob("*")}
    assert found == {"errors.py"}
    assert not list((tmp_path / "space").rglob("__pycache__"))
