"""How a program sets up its process; nothing of it is forced on one who chose otherwise."""

import os
import subprocess
import sys

import pytest

from recoseg_hf.process import tune_process

CHOSEN = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")


@pytest.fixture
def unset(monkeypatch):
    for name in CHOSEN:
        monkeypatch.setenv(name, "")  # put back at the end, whatever is set
        monkeypatch.delenv(name)
    return monkeypatch


def test_threads_wait_in_a_short_loop(unset):
    tune_process()
    assert os.environ["GOMP_SPINCOUNT"] == "10000"


@pytest.mark.parametrize(("name", "value"), [("GOMP_SPINCOUNT", "5"), ("OMP_WAIT_POLICY", "active")])
def test_what_a_user_chose_stays(unset, name, value):
    unset.setenv(name, value)
    tune_process()
    assert {name: os.environ.get(name) for name in CHOSEN} == dict.fromkeys(CHOSEN) | {name: value}


def test_importing_the_library_sets_nothing():
    code = "import os, recoseg_hf.inference, recoseg_hf.process; print(os.environ.get('GOMP_SPINCOUNT'))"
    environment = {name: value for name, value in os.environ.items() if name not in CHOSEN}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "None\n"
