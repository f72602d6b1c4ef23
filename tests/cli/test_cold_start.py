"""Reading beside the imports: in a process of its own, since this one has loaded everything."""

import subprocess
import sys
import textwrap
import threading
from importlib import import_module

import pytest

from recoseg_hf.cli.cold_start import as_if_not_installed, beside_imports, needless

IN_A_NEW_PROCESS = """
import sys, threading
from recoseg_hf.cli.cold_start import beside_imports

def refuse():
    raise ValueError("a bad file")

try:
    beside_imports(refuse)
except ValueError as error:
    print(error, "diffusers" in sys.modules)

print(beside_imports(lambda: threading.current_thread() is threading.main_thread()))
print({"transformers", "scipy"} & set(sys.modules))

from recoseg_hf.inference import load_pipeline
import scipy.ndimage, transformers
print(load_pipeline().synthesizer.config.in_channels)
"""


def test_a_bad_file_is_told_first_and_nothing_needless_is_loaded():
    result = subprocess.run([sys.executable, "-c", IN_A_NEW_PROCESS], capture_output=True, text=True)
    assert result.stderr.count("Error") == 0
    assert result.stdout.splitlines()[:3] == ["a bad file False", "False", "set()"]
    assert int(result.stdout.splitlines()[3]) > 4


def test_the_work_is_done_in_another_thread():
    assert beside_imports(threading.current_thread) is not threading.current_thread()


@pytest.mark.parametrize(
    ("index", "without_scipy"),
    [
        ('{"scheduler": ["diffusers", "DDIMScheduler"]}', True),
        ('{"scheduler": ["diffusers", "LMSDiscreteScheduler"]}', False),
        ('{"scheduler": [null, null]}', False),
        ('{"scheduler": []}', False),
        ("{}", False),
        ("no JSON", False),
    ],
)
def test_a_folder_says_whether_its_scheduler_needs_scipy(index, without_scipy, tmp_path):
    (tmp_path / "model_index.json").write_text(index)
    assert needless(str(tmp_path)) == (("transformers", "scipy") if without_scipy else ("transformers",))


def test_of_a_model_that_is_not_here_scipy_may_be_needed():
    assert needless(None) == ("transformers", "scipy")
    assert needless("organisation/with-a-scheduler-of-its-own") == ("transformers",)


def in_a_new_process(code: str) -> list[str]:
    """What it printed, by line; nothing is loaded there."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_a_command_line_is_checked_before_anything_heavy_loads():
    code = """
        import sys
        from recoseg_hf.cli import predict, running
        predict.run_case = lambda *_, outputs, **__: print(outputs, {"numpy", "torch", "nibabel"} & set(sys.modules))
        predict.tell = lambda _: None
        predict.predict("case", output="out", outputs="mask")
    """
    assert in_a_new_process(textwrap.dedent(code)) == ["('mask',) set()"]


def test_what_was_imported_is_not_searched_for_garbage():
    code = """
        import gc
        from recoseg_hf.cli.cold_start import beside_imports, import_model_classes
        print(beside_imports(gc.isenabled), gc.isenabled(), gc.get_freeze_count() > 100_000)
        before = gc.get_freeze_count()
        kept = [[] for _ in range(1000)]
        import_model_classes()
        print(gc.isenabled(), gc.get_freeze_count() == before)
    """
    assert in_a_new_process(textwrap.dedent(code)) == ["False True True", "True True"]


def test_whoever_does_not_want_garbage_collected_is_left_alone():
    code = """
        import gc
        from recoseg_hf.cli.cold_start import import_model_classes
        gc.disable()
        import_model_classes()
        print(gc.isenabled(), gc.get_freeze_count())
    """
    assert in_a_new_process(textwrap.dedent(code)) == ["False 0"]


def test_what_is_hidden_comes_back(monkeypatch):
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    with as_if_not_installed(["colorsys"]), pytest.raises(ModuleNotFoundError, match="colorsys"):
        import_module("colorsys")
    found = import_module("colorsys")
    with as_if_not_installed(["colorsys"]):
        assert import_module("colorsys") is found
