"""The command as a whole: quick help, exit codes, plain errors."""

import resource
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

import recoseg_hf
from recoseg_hf.cli import app
from recoseg_hf.cli.app import Commands
from recoseg_hf.cli.ending import Terminated
from recoseg_hf.errors import CheckpointError, InputError

COMMAND = [sys.executable, "-c", "from recoseg_hf.cli import main; main()"]


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=120)


def failing(error: BaseException):
    """An app like ours with a command that fails."""
    failing_app = typer.Typer(cls=Commands)

    @failing_app.callback()
    def options(debug: bool = False):
        pass

    @failing_app.command()
    def fail():
        raise error

    return failing_app


def test_help_is_quick_and_lists_the_commands():
    seconds = []
    for _ in range(3):  # processor time, the best of three: the machine may be busy with something else
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        result = run("--help")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(seconds) < 0.3
    assert result.returncode == 0
    for name in ("predict", "demo", "evaluate", "prepare"):
        assert f"\n  {name} " in result.stdout
    assert "not a medical device" in result.stdout


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from recoseg_hf.cli import app\n"
        "heavy = {'numpy', 'torch', 'diffusers', 'nibabel', 'PIL', 'rich'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stderr == ""


def test_version():
    result = run("--version")
    assert (result.returncode, result.stdout) == (0, f"recoseg {recoseg_hf.__version__}\n")


def test_bad_input_in_a_process_of_its_own(tmp_path):
    result = run("predict", str(tmp_path / "nobody"), "--output", str(tmp_path / "out"))
    assert result.returncode == 3
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(f"{tmp_path}/nobody: no such folder; expected a case folder. ")


@pytest.mark.parametrize("arguments", [[], ["segment"], ["predict"], ["predict", "x", "-o", "y", "--steps", "0"]])
def test_wrong_usage_exits_2(arguments):
    assert CliRunner().invoke(app, arguments).exit_code == 2


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (InputError("a.nii", "empty", "an image", "Copy it."), 3, "a.nii: empty; expected an image. Copy it."),
        (CheckpointError("model: damaged"), 3, "model: damaged"),
        (OSError(28, "No space left on device", "out.json"), 3, "out.json: No space left on device"),
        (ZeroDivisionError("by zero"), 70, "internal error: ZeroDivisionError: by zero"),
        (KeyboardInterrupt(), 130, "Interrupted."),
        (Terminated(), 143, "Interrupted."),
        (MemoryError(), 3, "out of memory. Free memory or end other programs, and give the same command again."),
    ],
)  # fmt: skip
def test_each_kind_of_failure_has_its_code(error, code, line):
    result = CliRunner().invoke(failing(error), ["fail"])
    assert result.exit_code == code
    assert result.stderr.splitlines()[0] == line
    assert "Traceback" not in result.output
    assert ("recoseg --debug fail" in result.stderr) == (code == 70)


def test_debug_shows_the_traceback():
    result = CliRunner().invoke(failing(ZeroDivisionError("by zero")), ["--debug", "fail"])
    assert result.exit_code == 70
    assert "Traceback" in result.stderr
    assert "raise error" in result.stderr
