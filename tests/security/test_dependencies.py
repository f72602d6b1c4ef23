"""Versions are pinned, the Space's with hashes; none is of those that are known to be bad; workflows are pinned too.

This stands in for `pip-audit` where its database cannot be reached. It knows the faults of `known_bad.json` alone.
"""

import json
import re
from pathlib import Path

import pytest
import yaml
from packaging.version import Version

from tests.test_packaging import normal, pins

ROOT = Path(__file__).parents[2]
FAULTS = json.loads((Path(__file__).parent / "known_bad.json").read_text(encoding="utf-8"))["faults"]
LOCK = ROOT / "spaces_demo" / "requirements.lock"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def locked() -> dict[str, tuple[Version, list[str]]]:
    """What the lock holds: version and hashes by name."""
    text = "\n".join(line for line in LOCK.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    entries = re.findall(r"^([\w.-]+)==(\S+)((?:\s*\\\n\s+--hash=sha256:[0-9a-f]{64})+)", text, re.MULTILINE)
    assert len(entries) == text.count("==")
    return {normal(name): (Version(version), re.findall("sha256:(.{64})", rest)) for name, version, rest in entries}


def known_faults(versions: dict[str, Version]) -> list[str]:
    """The advisories that versions are under."""
    there = (fault for fault in FAULTS if normal(fault["package"]) in versions)
    return [one["advisory"] for one in there if versions[normal(one["package"])] < Version(one["fixed"])]


def test_no_pin_is_known_to_be_bad():
    assert known_faults(pins()) == []
    assert known_faults({name: version for name, (version, _) in locked().items()}) == []


def test_an_old_pin_would_be_found():
    assert known_faults(pins() | {"gradio": Version("6.15.9")}) == ["GHSA-j36p-7w88-g82j"]
    assert known_faults({"torch": Version("2.5.1"), "unknown": Version("1")}) == ["CVE-2025-32434"]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault["advisory"])
def test_every_fault_is_of_something_that_is_installed(fault):
    assert normal(fault["package"]) in pins()
    assert fault["what"]


def test_what_others_may_install_is_not_bad_either():
    text = (ROOT / "setup.py").read_text(encoding="utf-8")
    floors = {normal(name): Version(low) for name, low in re.findall(r'"([A-Za-z][\w.\[\]-]*)>=([\d.]+)', text)}
    assert {"gradio", "torch", "diffusers", "monai"} <= floors.keys()
    assert known_faults(floors) == []


def test_the_lock_is_of_what_we_test_with_and_holds_hashes():
    lines = (ROOT / "spaces_demo" / "requirements.txt").read_text(encoding="utf-8").splitlines()
    wanted = {normal(line.split("==")[0]) for line in lines if line and not line.startswith("#")}
    held, tested = locked(), pins()
    assert wanted <= held.keys()
    assert len(held) > len(wanted) + 40, "all that these bring along"
    assert all(hashes for _, hashes in held.values())
    assert {name: version for name, (version, _) in held.items() if name in tested and tested[name] != version} == {}


def test_the_lock_names_no_host_and_no_place():
    entries = [line for line in LOCK.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.+!-]+ \\|    --hash=sha256:[0-9a-f]{64}( \\)?", line) for line in entries)


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_workflows_pin_what_they_use_and_may_read_alone(file):
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert content["permissions"] == {"contents": "read"}
    used = [step["uses"] for job in content["jobs"].values() for step in job["steps"] if "uses" in step]
    assert used
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action) for action in used)


def test_the_audit_fails_where_it_cannot_look():
    (job,) = yaml.safe_load((ROOT / ".github" / "workflows" / "audit.yml").read_text(encoding="utf-8"))[
        "jobs"
    ].values()
    audits = [step["run"] for step in job["steps"] if step.get("run", "").startswith("pip-audit")]
    assert len(audits) == 2
    assert all("--strict" in audit for audit in audits)
    assert {Path(audit.split()[-1]).name for audit in audits} == {"constraints.txt", "requirements.lock"}
