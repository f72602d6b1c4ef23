"""Calls that run what a file says, or open more than was asked for: found in source code without running it."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

UNPICKLING = {"pickle", "cPickle", "_pickle", "dill", "joblib", "cloudpickle", "marshal", "shelve", "jsonpickle"}
NETWORK = {"requests", "urllib", "httpx", "socket"}
ARCHIVES = {"tarfile", "zipfile"}
RUNNING = {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "commands.getoutput", "runpy.run_path"}
YAML = {f"yaml.{name}" for name in ("load", "load_all", "unsafe_load", "unsafe_load_all", "full_load", "UnsafeLoader")}

Finding = tuple[int, str]


def dangers(source: str) -> list[Finding]:
    """Return (line, what) for every dangerous pattern in Python code, in order."""
    tree = ast.parse(source)
    names = _imported_names(tree)
    found = [*_at_import(tree)]
    for node in ast.walk(tree):
        found += [(node.lineno, what) for what in _of_import(node)]
        if isinstance(node, ast.Call):
            found += [(node.lineno, what) for what in _of_call(node, _called(node.func, names))]
        elif isinstance(node, ast.Attribute) and _called(node, names) in YAML:
            found.append((node.lineno, _called(node, names)))
    return sorted(set(found))


def _imported_names(tree: ast.Module) -> dict[str, str]:
    """What each name of a module stands for: `import numpy as np` makes `np` numpy."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _called(function: ast.expr, names: dict[str, str]) -> str:
    """The dotted name of what is called, aliases resolved."""
    first, dot, rest = ast.unparse(function).partition(".")
    return names.get(first, first) + dot + rest


def _of_import(node: ast.AST) -> Iterator[str]:
    modules = []
    if isinstance(node, ast.Import):
        modules = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and node.module:
        modules = [node.module]
    yield from (f"import {module}" for module in modules if module.split(".")[0] in UNPICKLING | ARCHIVES)


def _at_import(tree: ast.Module) -> Iterator[Finding]:
    """Calls to the network when the module is imported; inside a function they may be."""
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        for node in ast.walk(statement):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[0] in NETWORK:
                yield node.lineno, f"{ast.unparse(node.func)} at import"


def _of_call(node: ast.Call, name: str) -> Iterator[str]:
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    if name in RUNNING:
        yield name
    if name in YAML:
        yield name
    if name.endswith(".extractall") or name in ("shutil.unpack_archive",):
        yield "extractall"
    if name.endswith(".register_for_checkpointing"):
        yield "register_for_checkpointing"
    for option, wrong in _OPTIONS.items():
        if option in given and wrong(given[option]):
            yield f"{option}={ast.unparse(given[option])}"
    if name == "torch.load" and not _is(given.get("weights_only"), True):
        yield "torch.load without weights_only=True"
    if (
        name.endswith("from_pretrained")
        and "DiffusionPipeline" in name
        and not _is(given.get("use_safetensors"), True)
    ):
        yield "DiffusionPipeline without use_safetensors=True"


def _is(value: ast.expr | None, wanted: bool) -> bool:
    return isinstance(value, ast.Constant) and value.value is wanted


# What is said of an option that must not be, also where it is no constant: nobody knows then what it will be.
_OPTIONS: dict[str, Callable[[ast.expr], bool]] = {
    "shell": lambda value: not _is(value, False),
    "allow_pickle": lambda value: not _is(value, False),
    "weights_only": lambda value: not _is(value, True),
    "trust_remote_code": lambda value: not _is(value, False),
    "use_safetensors": lambda value: not _is(value, True),
}


def sources(root: Path) -> list[Path]:
    """The project's own Python code: all that is neither a test nor made."""
    rooms = ("recoseg_hf", "training", "benchmarks", "spaces_demo", "docs")
    found = [file for room in rooms for file in (root / room).rglob("*.py") if "__pycache__" not in file.parts]
    return sorted([*found, root / "setup.py"])
