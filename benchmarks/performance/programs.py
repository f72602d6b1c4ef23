"""A whole program as a contestant: started anew at each of its turns."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.performance.workers import LONGEST

ROOT = Path(__file__).resolve().parents[2]
_LAUNCH = """
import json, os, sys, time
started = time.perf_counter()
child = os.fork()
if not child:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.execvp(sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(child, 0)
seconds = time.perf_counter() - started
told = {"seconds": seconds, "peak_mib": usage.ru_maxrss / 1024, "cpu_seconds": usage.ru_utime + usage.ru_stime}
print(json.dumps(told | {"code": os.waitstatus_to_exitcode(status)}))
"""
"""Starts the program from a tiny process: Linux counts, in `ru_maxrss` (KiB), what the starting one held before."""


class Program:
    """A command; `{folder}` in it becomes a fresh folder.

    Args:
        arguments: the program and its arguments.
        threads: that its libraries may use.
        longest: seconds after which it is ended.
    """

    def __init__(self, arguments: Sequence[str], threads: int = 0, longest: float = LONGEST) -> None:
        self._arguments, self._longest = arguments, longest
        self._environment = os.environ | {"PYTHONPATH": str(ROOT)}
        if threads:
            self._environment["OMP_NUM_THREADS"] = str(threads)

    def imported(self) -> None:
        """Nothing is to be waited for."""

    def about(self) -> dict[str, Any]:
        """It says nothing of itself."""
        return {}

    def run(self, plan: str = "") -> dict[str, Any]:
        """Run it to its end.

        Returns:
            `seconds` of wall time, `cpu_seconds` of all its threads, and `peak_mib` of its process.

        Raises:
            RuntimeError: it failed; what it said is in the message.
            TimeoutError: it did not end.
        """
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as said:
            arguments = [argument.replace("{folder}", folder) for argument in self._arguments]
            told = self._launched(arguments, said)
            if code := told.pop("code"):
                said.seek(0)
                raise RuntimeError(f"{' '.join(arguments)}: exit code {code}: {said.read()[-2000:]}")
        return told

    def _launched(self, arguments: Sequence[str], said: Any) -> dict[str, Any]:
        launcher = subprocess.Popen(
            (sys.executable, "-S", "-c", _LAUNCH, *arguments),
            env=self._environment, stdout=subprocess.PIPE, stderr=said, text=True, start_new_session=True,
        )  # fmt: skip
        try:
            told, _ = launcher.communicate(timeout=self._longest)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{' '.join(arguments)}: not done after {self._longest:g} s") from None
        finally:
            if launcher.poll() is None:
                os.killpg(launcher.pid, signal.SIGKILL)  # the program too
                launcher.communicate()
        return json.loads(told)

    def close(self) -> None:
        """Nothing is left of it."""
