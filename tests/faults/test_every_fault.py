"""The table of faults in docs/reliability.md names, for each, tests that there are."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FAULTS = [f"F{number}" for number in range(1, 17)]


def rows() -> dict[str, str]:
    text = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\| (F\d+) (\|.*)\|$", text, flags=re.MULTILINE))


@pytest.mark.parametrize("fault", FAULTS)
def test_it_has_tests(fault):
    named = re.findall(r"`(tests/\S+\.py)::(\w+)`", rows()[fault])
    assert named
    for file, name in named:
        assert re.search(rf"^ *def {name}\(", (ROOT / file).read_text(encoding="utf-8"), flags=re.MULTILINE), name
