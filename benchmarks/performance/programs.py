"""A whole program as a contestant: started anew at each of its turns."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class Program:
    """A command; `{folder}` in it becomes a fresh folder.

    Args:
        arguments: the program and its arguments.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self._arguments = arguments

    def imported(self) -> None:
        """Nothing is to be waited for."""

    def about(self) -> dict[str, Any]:
        """It says nothing of itself."""
        return {}

    def run(self) -> dict[str, Any]:
        """Run it to its end.

        Returns:
            `seconds` of wall time, and `peak_mib` of its process.

        Raises:
            RuntimeError: it failed; what it said is in the message.
        """
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as said:
            arguments = [argument.replace("{folder}", folder) for argument in self._arguments]
            environment = os.environ | {"PYTHONPATH": str(ROOT)}
            started = time.perf_counter()
            process = subprocess.Popen(arguments, env=environment, stdout=subprocess.DEVNULL, stderr=said)
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - started
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                said.seek(0)
                raise RuntimeError(f"{' '.join(arguments)}: exit code {process.returncode}: {said.read()[-2000:]}")
        return {"seconds": seconds, "peak_mib": usage.ru_maxrss / 1024}  # Linux counts in KiB

    def close(self) -> None:
        """Nothing is left of it."""
