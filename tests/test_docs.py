"""The documentation builds strictly, asks nothing of anybody, and leaves no public name or command out."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import recoseg_hf
from recoseg_hf.cli import app

ROOT = Path(recoseg_hf.__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    pytest.importorskip("mkdocs")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)}
    built = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    return folder


@pytest.fixture(scope="module")
def hook():
    pytest.importorskip("mkdocs")
    spec = importlib.util.spec_from_file_location("generate_pages", ROOT / "docs" / "generate_pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def html(site: Path, page: str) -> str:
    return (site / page / "index.html").read_text(encoding="utf-8")


def test_nothing_comes_from_elsewhere(site):
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 10
    for file in pages:
        text = file.read_text(encoding="utf-8")
        loaded = re.findall(r'<(?:script|img|iframe)[^>]* src="?((?:https?:)?//[^" >]*)', text)
        loaded += re.findall(r'<link[^>]*stylesheet[^>]*href="?((?:https?:)?//[^" >]*)', text)
        assert not loaded, f"{file.relative_to(site)} loads {loaded}"


def test_every_public_name_is_in_the_reference(site):
    anchors = set(re.findall(r'id="?([\w.]+)', html(site, "api")))
    assert {f"recoseg_hf.{name}" for name in recoseg_hf.__all__ if not name.startswith("__")} <= anchors


def test_every_command_and_option_is_on_its_page(site):
    import typer.main

    text = html(site, "cli")
    for name, command in typer.main.get_command(app).commands.items():
        assert f"recoseg {name}" in text
        assert all(option in text for parameter in command.params for option in parameter.opts if "--" in option)


def test_sections_of_other_files_are_taken_in(site):
    assert "--freeze" in html(site, "fine_tuning")
    assert "Whole-tumour Dice per volume" in html(site, "limits")
    assert "<!-- section" not in html(site, "limits")


def test_links_lead_into_the_site_or_become_text(hook):
    text = "[a](../README.md#train) ![b](../docs/images/c.png) [d](../LICENSE) [e](https://f.org) [g](#h)"
    assert hook.rewrite_links(text, "training/README.md") == (
        "[a](index.md#train) ![b](images/c.png) d [e](https://f.org) [g](#h)"
    )


def test_a_section_ends_where_the_next_of_its_level_begins(hook):
    text = "# A\n## B\none\n### C\ntwo\n## D\nthree\n"
    assert hook.section(text, "B") == "one\n### C\ntwo\n"
    assert hook.section(text, "D") == "three\n"
    with pytest.raises(ValueError, match="no heading 'E'"):
        hook.section(text, "E")
