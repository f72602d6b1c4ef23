"""What the rows of the matrix are tried on: a good case of their own, and the doors that a user takes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from recoseg_hf import Case, InputError
from recoseg_hf.cli import app
from recoseg_hf.errors import CaseError
from tests import factories
from tests.inputs.damages import DAMAGES, path


@dataclass(frozen=True)
class Bench:
    """A good case to be damaged.

    Attributes:
        folder: of the case, `sub-01`.
        pipeline: a tiny real one.
        model: the folder it is saved in.
    """

    folder: Path
    pipeline: Any
    model: Path

    def damaged(self, name: str) -> Bench:
        """Do one of `DAMAGES` to the case."""
        DAMAGES[name].do(self.folder)
        return self

    def read(self) -> Case:
        return Case.from_folder(self.folder)

    def recoseg(self, *arguments) -> Any:
        return CliRunner().invoke(app, [*map(str, arguments)])

    def predict(self, *arguments) -> Any:
        return self.recoseg("predict", "--model", self.model, "--device", "cpu", *arguments)

    def check(self, *arguments) -> tuple[int, list[dict[str, str]]]:
        """Return the exit code and the findings of `recoseg check --json`, by default of the case."""
        result = self.recoseg("check", "--json", *(arguments or [self.folder]))
        (case,) = json.loads(result.stdout)["cases"]
        return result.exit_code, case["findings"]

    def warnings(self) -> list[str]:
        """What `recoseg check` found, with no error among it; that a tiny case is no whole brain is left out."""
        code, findings = self.check()
        assert code == 0
        assert {finding["severity"] for finding in findings} <= {"warning"}
        return [f"{f['found']}; {f['remedy']}" for f in findings if "it covers" not in f["found"]]

    def refused(
        self, file: str | Path, found: str, expected: str, remedy: str, read: Callable[[], Any] | None = None
    ) -> None:
        """Assert that a case is refused for one reason, in Python and by `recoseg check`.

        Args:
            file: at fault: a name in the case's folder, "" for the folder itself.
            found, expected, remedy: patterns that the message's parts have to hold.
            read: what has to raise; by default the case's folder is read and checked.
        """
        with pytest.raises(InputError) as caught:
            (read or self.read)()
        error, place = caught.value, self.folder / file
        assert not isinstance(error, CaseError), f"more than one problem: {error}"
        assert Path(error.file) == place
        for part, pattern in {"found": found, "expected": expected, "remedy": remedy}.items():
            assert re.search(pattern, getattr(error, part)), f"{part}: {getattr(error, part)!r} is not {pattern!r}"
        assert str(error) == f"{place}: {error.found}; expected {error.expected}. {error.remedy}"
        if read is None:
            code, findings = self.check()
            problems = [finding for finding in findings if finding.pop("severity") == "error"]
            parts = {name: str(getattr(error, name)) for name in ("file", "found", "expected", "remedy")}
            assert (code, problems) == (3, [parts])

    def file(self, name: str = "t1") -> Path:
        return path(self.folder, name)


def good_case(root: Path) -> Path:
    """Save the case that every damage begins with."""
    return factories.save_case(root, "sub-01")
