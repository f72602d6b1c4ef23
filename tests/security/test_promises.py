"""SECURITY.md names a test for each promise, and each of them is there; and what no other test holds."""

import ast
import importlib.util
import re
import shutil
import sys
from pathlib import Path

import pytest

import recoseg_hf

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py(?:::\w+)*)`", TEXT)))


def names_in(file: Path) -> set[str]:
    """Names of a file's tests, those of classes behind the class; and its classes."""
    tree, found = ast.parse(file.read_text(encoding="utf-8")), {""}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            found.add(f"::{node.name}")
        elif isinstance(node, ast.ClassDef):
            methods = [part.name for part in node.body if isinstance(part, ast.FunctionDef)]
            found |= {f"::{node.name}", *(f"::{node.name}::{name}" for name in methods)}
    return found


@pytest.mark.parametrize("name", NAMED)
def test_every_test_that_is_named_is_there(name):
    file, colons, test = name.partition("::")
    assert (ROOT / file).is_file()
    assert colons + test in names_in(ROOT / file)


def test_every_requirement_has_a_row_with_a_test():
    rows = {int(row[0]): row[2] for row in re.findall(r"^\| (\d+) \| (.*) \| (.*) \|$", TEXT, re.MULTILINE)}
    assert sorted(rows) == list(range(1, 17))
    assert all("`tests/" in tests for tests in rows.values())
    assert len(NAMED) > 30


def test_a_test_that_is_gone_would_be_noticed():
    assert "::test_no_such_thing" not in names_in(Path(__file__))
    assert "::test_a_test_that_is_gone_would_be_noticed" in names_in(Path(__file__))


def test_nobody_is_told_to_write_to_an_address():
    assert not re.search(r"[\w.+-]+@[\w-]+\.\w+", TEXT)
    assert "Report a vulnerability" in TEXT


def test_the_first_examples_trust_nobody():
    for file in ("README.md", "docs/quickstart.md", "recoseg_hf/pretrained/recoseg-small/README.md"):
        code = re.findall(r"```python\n(.*?)```", (ROOT / file).read_text(encoding="utf-8"), re.DOTALL)
        assert not any("trust_remote_code" in block for block in code), file


def test_whoever_trusts_a_repositorys_code_is_shown_a_commit():
    for file in (ROOT / "model_cards" / "hub.md.jinja", ROOT / "docs" / "hub.md"):
        blocks = re.findall(r"from_pretrained\((.*?)\n\)", file.read_text(encoding="utf-8"), re.DOTALL)
        trusting = [block for block in blocks if "trust_remote_code=True" in block]
        assert trusting
        assert all("revision=" in block for block in trusting), file.name


WATCHING: list[list[str]] = []
sys.addaudithook(lambda event, arguments: WATCHING[-1].append(f"{event} {arguments[:1]}") if WATCHING else None)


def test_code_for_the_hub_opens_nothing_when_it_is_imported(tmp_path):
    from recoseg_hf.pipeline import fresh, pipeline_recoseg  # noqa: F401  (what they import opens files of its own)

    for file in (Path(recoseg_hf.__file__).parent / "pipeline").glob("*.py"):
        shutil.copyfile(file, tmp_path / file.name)
    (tmp_path / "__init__.py").write_text("")
    spec = importlib.util.spec_from_file_location(
        "hub_copy", tmp_path / "__init__.py", submodule_search_locations=[str(tmp_path)]
    )
    sys.modules["hub_copy"] = importlib.util.module_from_spec(spec)
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    WATCHING.append([])
    try:
        importlib.import_module("hub_copy.pipeline_recoseg")
        importlib.import_module("hub_copy.fresh")
    finally:
        seen = WATCHING.pop()
        sys.dont_write_bytecode = before
        for name in [name for name in sys.modules if name.split(".")[0] == "hub_copy"]:
            del sys.modules[name]
    assert any("import" in event and "hub_copy" in event for event in seen)
    files = [event for event in seen if event.split()[0] in ("open", "os.open")]
    opened = [event for event in files if not re.search(r"\.(py|pyc|so)\W*$", event)]
    reached = [
        event for event in seen if event.startswith(("socket.", "subprocess.", "os.system", "urllib", "pickle."))
    ]
    assert opened == []
    assert reached == []
