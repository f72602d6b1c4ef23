"""A long work in stages, each a script in a process of its own: done once, and known to be done."""

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recoseg_hf.errors import InputError, RecosegError
from recoseg_hf.files import write_json
from recoseg_hf.learning.folder_lock import in_turn

Texts = str | list[str]


class UnfinishedStageError(RecosegError):
    """A stage did not come to its end.

    Args:
        name: of the stage.
        code: exit code of its process, negative for a signal.
    """

    def __init__(self, name: str, code: int) -> None:
        super().__init__(name, code)
        self.name, self.code = name, code

    @property
    def exit_code(self) -> int:
        """What a shell would report."""
        return self.code if self.code > 0 else 128 - self.code

    def __str__(self) -> str:
        return f"{self.name}: ended with code {self.code}; expected 0. The same command goes on with it."


class Stages:
    """Runs scripts and remembers which have come to their end, with what flags.

    Args:
        records: folder of the records, one for each finished stage.
        scripts: folder of the scripts.
        launcher: what stands before a script that several processes may share; by default this Python.
    """

    def __init__(self, records: Path, scripts: Path, launcher: Sequence[str] = ()):
        self.records, self.scripts = records, scripts
        self.launcher = list(launcher) or [sys.executable]

    def run(self, name: str, script: str, flags: Mapping[str, Any], launched: bool = True) -> None:
        """Run a stage, unless its record says that it is done; another process that is at it is waited for.

        Args:
            name: of the stage.
            script: its file.
            flags: of the script, by name; a list for one that takes several values.
            launched: whether the launcher starts it.

        Raises:
            InputError: it was done with other flags.
            UnfinishedStageError: it did not come to its end.
        """
        file, given = self.records / f"{name}.json", {flag: _texts(value) for flag, value in flags.items()}
        with in_turn(self.records / f".{name}.lock"):
            if file.is_file():
                self._check(file, json.loads(file.read_text(encoding="utf-8")), given)
            else:
                self._carry_out(name, script, given, launched)

    def _carry_out(self, name: str, script: str, given: Mapping[str, Texts], launched: bool) -> None:
        start = time.monotonic()
        arguments = [text for flag, value in given.items() for text in (f"--{flag}", *_listed(value))]
        launcher = self.launcher if launched else [sys.executable]
        code = subprocess.run([*launcher, str(self.scripts / script), *arguments], check=False).returncode
        if code:
            raise UnfinishedStageError(name, code)
        record = {"script": script, "flags": given, "seconds": round(time.monotonic() - start, 1)}
        write_json(self.records / f"{name}.json", record)

    @staticmethod
    def _check(file: Path, record: Mapping[str, Any], given: Mapping[str, Texts]) -> None:
        former = record["flags"]
        differing = [name for name in sorted(former | given) if former.get(name) != given.get(name)]
        if differing:
            listed = ", ".join(f"{name} {former.get(name)} (now {given.get(name)})" for name in differing)
            remedy = "Repeat them, or name another --output_dir."
            raise InputError(file, f"done with {listed}", "the flags of this command", remedy)


def _texts(value: Any) -> Texts:
    return [str(one) for one in value] if isinstance(value, list) else str(value)


def _listed(texts: Texts) -> list[str]:
    return texts if isinstance(texts, list) else [texts]
