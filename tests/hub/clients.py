"""Clients of the loopback Hub: processes of their own, as strangers have them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

WITHOUT_PACKAGE = 'import sys\nsys.modules["recoseg_hf"] = None  # any import of it fails\n'
"""First lines of a client that does not have the package."""


def run_client(
    code: str,
    environment: Mapping[str, str],
    folder: Path,
    arguments: Sequence[object] = (),
    package: bool | None = True,
) -> dict[str, Any]:
    """Run Python code that ends by printing JSON, and return that.

    Args:
        code: of the client.
        environment: from `LoopbackHub.environment`.
        folder: the client's working folder.
        arguments: in its `sys.argv[1:]`.
        package: whether it can import `recoseg_hf`; None leaves it to the client's own path.
    """
    environment = dict(environment) | ({"PYTHONPATH": str(ROOT)} if package else {})
    command = [sys.executable, "-c", WITHOUT_PACKAGE + code if package is False else code, *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{done.stdout[-1000:]}\n{done.stderr[-4000:]}"
    return json.loads(done.stdout.splitlines()[-1])


def run_command(
    command: Sequence[object], environment: Mapping[str, str], folder: Path
) -> subprocess.CompletedProcess:
    """Run a program of this environment, such as `hf`, and return what it said, whatever its exit code."""
    program = Path(sys.executable).parent / str(command[0])
    return subprocess.run(
        [str(program), *map(str, command[1:])], cwd=folder, env=dict(environment), capture_output=True, text=True,
        timeout=300,
    )  # fmt: skip
