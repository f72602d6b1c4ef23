import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

import recoseg_hf

ROOT = Path(recoseg_hf.__file__).parents[1]


def requirements() -> list[Requirement]:
    """Every requirement that setup.py lists, core and extras."""
    lists = {"CORE", "TRAIN", "EVAL", "PHANTOM", "DEV"}
    found = []
    for node in ast.parse((ROOT / "setup.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and node.targets[0].id in lists:
            found += [Requirement(text) for text in ast.literal_eval(node.value)]
    return found


def pins() -> dict[str, Version]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {normal(name): Version(version) for name, version in pairs}


def normal(name: str) -> str:
    return re.sub("[-_.]+", "-", name).lower()


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """What a wheel would hold."""
    folder = tmp_path_factory.mktemp("build")
    command = [sys.executable, "setup.py", "--quiet", "build_py", "--build-lib", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


def test_only_the_library_is_in_the_wheel(built):
    assert [entry.name for entry in built.iterdir()] == ["recoseg_hf"]
    assert (built / "recoseg_hf" / "py.typed").exists()
    assert (built / "recoseg_hf" / "imaging" / "volume.py").exists()
    assert (built / "recoseg_hf" / "evaluation" / "paper" / "published.json").exists()
    assert (built / "recoseg_hf" / "evaluation" / "paper" / "report" / "page.html.jinja").exists()
    page = {file.name for file in (built / "recoseg_hf" / "inference" / "page").iterdir()}
    assert {"page.html.jinja", "page.css", "viewer.js"} <= page


@pytest.mark.parametrize("name", ["pipelines", "model_cards", "recoseg_hf/pretrained"])
def test_data_of_the_checkout_goes_along(built, name):
    source = ROOT / name
    target = built / name if name.startswith("recoseg_hf/") else built / "recoseg_hf" / "_data" / name
    files = [path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    wanted = {path.relative_to(source) for path in files}
    assert {path.relative_to(target) for path in target.rglob("*") if path.is_file()} == wanted


@pytest.mark.parametrize("requirement", requirements(), ids=lambda requirement: requirement.name)
def test_every_requirement_is_pinned_to_a_version_it_allows(requirement):
    assert requirement.specifier.contains(pins()[normal(requirement.name)])


def test_torch_is_pinned_without_a_build_suffix():
    assert pins()["torch"].local is None


def test_one_version_everywhere():
    assert f"version: {recoseg_hf.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
