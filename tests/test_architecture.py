"""The architecture as tests: imports run downward, the pipeline stands alone, the library neither prints nor exits."""

import ast
import json
import resource
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "recoseg_hf"

FLOORS = {
    "errors": 0,
    "json_files": 0,
    "files": 0,
    "outputs": 0,
    "process": 0,
    "pipeline": 1,
    "imaging": 2,
    "inference": 3,
    "learning": 3,
    "evaluation": 4,
    "hub": 5,
    "sharing": 5,
    "cli": 6,
    "__main__": 6,
}
PIPELINE_MAY_IMPORT = {"torch", "numpy", "diffusers"}
HEAVY = {
    "torch",
    "diffusers",
    "transformers",
    "monai",
    "nilearn",
    "scipy",
    "matplotlib",
    "datasets",
    "nibabel",
    "numpy",
}
CLI_ONLY_CALLS = {"print", "input", "exit", "quit", "sys.exit", "os._exit"}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {
    module_name(path): path
    for path in sorted(PACKAGE.rglob("*.py"))
    if not {"pretrained", "_data"} & set(path.relative_to(PACKAGE).parts)
}
ROOMS = {name: path for name, path in MODULES.items() if name != "recoseg_hf"}


def imported(name: str, path: Path) -> set[str]:
    """Every module that a file imports, at the top or inside a function; ours by the module that is meant."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= from_import(name, path, node)
    return found


def from_import(name: str, path: Path, node: ast.ImportFrom) -> set[str]:
    base = node.module or ""
    if node.level:
        package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
        parents = package[: len(package) - node.level + 1]
        base = ".".join([*parents, base] if base else parents)
    submodules = {f"{base}.{alias.name}" for alias in node.names} & MODULES.keys()
    return submodules or {base}


IMPORTS = {name: imported(name, path) for name, path in MODULES.items()}


def floor(name: str) -> int:
    """Floor of one of our modules; the package itself, with its version and lazy names, is the ground."""
    return FLOORS[name.split(".")[1]] if "." in name else 0


def ours(names: set[str]) -> set[str]:
    return {name for name in names if name.split(".")[0] == "recoseg_hf"}


@pytest.mark.parametrize("name", ROOMS)
def test_every_module_has_a_floor(name):
    assert name.split(".")[1] in FLOORS, f"{name} stands on no floor: name its room in FLOORS and in CONTRIBUTING.md"


@pytest.mark.parametrize("name", ROOMS)
def test_imports_run_downward(name):
    upward = {other for other in ours(IMPORTS[name]) if floor(other) > floor(name)}
    assert not upward, f"{name} (floor {floor(name)}) imports {sorted(upward)} from above"


def test_imports_form_no_cycle():
    try:
        TopologicalSorter({name: ours(IMPORTS[name]) - {name} for name in ROOMS}).prepare()
    except CycleError as error:
        pytest.fail(f"import cycle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("name", [name for name in ROOMS if name.startswith("recoseg_hf.pipeline")])
def test_pipeline_stands_alone(name):
    allowed = PIPELINE_MAY_IMPORT | set(sys.stdlib_module_names) | {"recoseg_hf"}
    assert {other.split(".")[0] for other in IMPORTS[name]} <= allowed
    assert all(other.startswith("recoseg_hf.pipeline") for other in ours(IMPORTS[name]))


@pytest.mark.parametrize("name", [name for name in ROOMS if name.startswith("recoseg_hf.pipeline.")])
def test_only_the_pipeline_itself_imports_siblings(name):
    # A file loaded from a Hub repository gets its own siblings, but not theirs.
    if not name.endswith(".pipeline_recoseg"):
        assert not ours(IMPORTS[name])


def test_nothing_imports_what_is_outside_the_package():
    outside = {"training", "pipelines", "spaces_demo", "tests", "benchmarks"}
    assert not {name: found & outside for name, found in IMPORTS.items() if found & outside}


@pytest.mark.parametrize("name", [name for name in MODULES if not name.startswith("recoseg_hf.cli")])
def test_library_never_prints_exits_or_parses_arguments(name):
    tree = ast.parse(MODULES[name].read_text(encoding="utf-8"))
    calls = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert not (calls | {ast.unparse(n.exc) for n in ast.walk(tree) if isinstance(n, ast.Raise) and n.exc}) & (
        CLI_ONLY_CALLS | {"SystemExit", "SystemExit()"}
    )
    assert not IMPORTS[name] & {"argparse", "typer", "click"}


def run_python(code: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent
    ).stdout


def test_import_is_light():
    loaded = json.loads(run_python("import recoseg_hf, sys, json; print(json.dumps(sorted(sys.modules)))"))
    assert "recoseg_hf" in loaded
    assert not HEAVY & set(loaded)


def test_import_is_quick():
    seconds = []
    for _ in range(3):  # processor time, the best of three: the machine may be busy with something else
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run_python("import recoseg_hf")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(seconds) < 0.3


def test_public_names_are_few_and_unknown_ones_are_refused():
    import recoseg_hf

    assert len(recoseg_hf.__all__) <= 15
    assert set(recoseg_hf.__all__) <= set(dir(recoseg_hf))
    with pytest.raises(AttributeError, match="no attribute 'segment'; it offers Case, "):
        _ = recoseg_hf.segment


@pytest.mark.parametrize("name", ["Case", "CheckpointError", "InputError", "RecosegError", "Volume", "read_volume"])
def test_public_names_load_on_first_use(name):
    import recoseg_hf

    assert getattr(recoseg_hf, name).__name__ == name
