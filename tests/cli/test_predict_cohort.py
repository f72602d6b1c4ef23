"""`recoseg predict --cohort` with a tiny real model: killed, stopped, shared by processes, with bad cases."""

import json
import os
import signal
import socket
import subprocess
import sys

import pytest
from typer.testing import CliRunner

import recoseg_hf
from recoseg_hf.cli import app
from recoseg_hf.cli.processes import Exchange, LostProcessesError, Place
from recoseg_hf.errors import InputError
from tests.cli.commands import Command
from tests.inference.cases import result_bytes, save_cohort

SUBJECTS = ("sub-01", "sub-02", "sub-03")


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return save_cohort(tmp_path_factory.mktemp("cohort") / "cases", SUBJECTS)


@pytest.fixture(scope="module")
def undisturbed(cases, tiny_model):
    """The results of one run from end to end."""
    output = cases.parent / "undisturbed"
    assert predict(cases, output, tiny_model).exit_code == 0
    return result_bytes(output)


def arguments(cases, output, model, *others):
    return ["predict", "--cohort", cases, "-o", output, "--model", model, "--device", "cpu", *others]


def predict(cases, output, model, *others, **options):
    return CliRunner().invoke(app, [str(each) for each in arguments(cases, output, model, *others)], **options)


def listing(output) -> dict:
    return json.loads((output / "cohort.json").read_text())


def states(output) -> list[str]:
    return [row["state"] for row in listing(output)["cases"]]


def temporary(output) -> list[str]:
    return [path.name for path in output.rglob(".*")]


def launched(rank: int, size: int, port: int) -> dict[str, str]:
    """What torchrun tells a process."""
    return {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_every_case_gets_a_folder_and_a_row(cases, undisturbed, tiny_model, tmp_path):
    (tmp_path / "cohort.json").write_text("of an earlier run")
    result = predict(cases, tmp_path, tiny_model)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "Cases:        3: 3 done, 0 skipped, 0 failed",
        "Model:        tiny",
        f"Results:      {tmp_path}",
        f"List:         {tmp_path / 'cohort.json'}",
    ]
    assert result_bytes(tmp_path) == undisturbed
    found = listing(tmp_path)
    assert found["counts"] == {"done": 3, "skipped": 0, "failed": 0}
    assert found["complete"] is True
    assert (found["model"]["name"], found["processes"], found["settings"]["seed"]) == ("tiny", 1, 0)
    report = json.loads((tmp_path / "sub-02" / "sub-02_report.json").read_text())
    row = found["cases"][1]
    assert row.pop("seconds") > 0
    assert row == {
        "subject": "sub-02",
        "folder": "sub-02",
        "state": "done",
        "tumour_volume_ml": report["results"]["tumour_volume_ml"],
        "warnings": [],
    }


@pytest.mark.parametrize("stage", ["synthesizing T1ce", "publish"])
def test_killed_in_the_middle_it_goes_on_to_the_same_bytes(cases, undisturbed, tiny_model, tmp_path, stage):
    output = tmp_path / "out"
    command = Command(arguments(cases, output, tiny_model), tmp_path / "log", end=(signal.SIGKILL, "sub-02", stage))
    assert command.wait() == -signal.SIGKILL
    assert bool(temporary(output)) == (stage == "publish")
    assert [path.name for path in sorted(output.glob("*/*_report.json"))] == ["sub-01_report.json"]
    assert not (output / "cohort.json").exists()
    resumed = predict(cases, output, tiny_model)
    assert (resumed.exit_code, resumed.stderr) == (0, "")
    assert states(output) == ["skipped", "done", "done"]
    assert result_bytes(output) == undisturbed
    assert temporary(output) == []


@pytest.mark.parametrize("stage", ["synthesizing T1ce", "publish"])
def test_told_to_end_it_leaves_no_half_result(cases, undisturbed, tiny_model, tmp_path, stage):
    output = tmp_path / "out"
    command = Command(arguments(cases, output, tiny_model), tmp_path / "log", end=(signal.SIGTERM, "sub-02", stage))
    assert command.wait() == 143
    assert command.err.splitlines() == [
        "The same command goes on with the cases that are not finished.",
        "Interrupted.",
    ]
    assert result_bytes(output) == {name: file for name, file in undisturbed.items() if name.startswith("sub-01")}
    assert temporary(output) == []
    assert predict(cases, output, tiny_model).exit_code == 0
    assert result_bytes(output) == undisturbed


def test_processes_share_the_cases_and_the_first_tells(cases, undisturbed, tiny_model, tmp_path):
    shared = tmp_path / "cases"
    shared.mkdir()
    for subject in SUBJECTS:
        (shared / subject).symlink_to(cases / subject)
    broken = save_cohort(shared, ("sub-04",)) / "sub-04"  # the second case of the second process
    (broken / "sub-04_t1.nii.gz").unlink()
    output, port = tmp_path / "out", free_port()
    first, second = (
        Command(arguments(shared, output, tiny_model), tmp_path / f"log-{rank}", launched(rank, 2, port))
        for rank in (0, 1)
    )
    assert (first.wait(), second.wait()) == (3, 0)
    assert (second.out, second.err) == ("", "")
    assert first.out.startswith("Cases:        4 in 2 processes: 3 done, 0 skipped, 1 failed\n")
    assert first.err.splitlines()[0] == "Failed:"
    assert first.err.splitlines()[1].startswith(f"  sub-04  {broken}: no file for t1; ")
    assert states(output) == ["done", "done", "done", "failed"]
    assert listing(output)["processes"] == 2
    assert result_bytes(output) == undisturbed
    assert predict(shared, output, tiny_model).exit_code == 3  # alone now: the others' results stand
    assert states(output) == ["skipped", "skipped", "skipped", "failed"]


def test_the_list_is_written_without_the_cases_of_a_lost_process(cases, tiny_model, tmp_path, monkeypatch):
    def lose(exchange, rows):
        raise LostProcessesError("process 1 has shown no life for 120 s", rows[:2])

    monkeypatch.setattr(Exchange, "collect", lose)
    result = predict(cases, tmp_path, tiny_model)
    assert result.exit_code == 3
    assert result.stderr.splitlines() == [
        "The list lacks 1 of 3 cases, those of processes that were lost.",
        "the other processes: process 1 has shown no life for 120 s; expected all of them until the end. The results "
        "are on the disk: the same command goes on from there.",
    ]
    assert (listing(tmp_path)["complete"], states(tmp_path)) == (False, ["done", "done"])


def test_started_twice_at_once_it_leaves_whole_results(cases, undisturbed, tiny_model, tmp_path):
    output = tmp_path / "out"
    commands = [Command(arguments(cases, output, tiny_model), tmp_path / f"log-{number}") for number in (0, 1)]
    assert [command.wait() for command in commands] == [0, 0]
    assert result_bytes(output) == undisturbed
    assert temporary(output) == []
    assert predict(cases, output, tiny_model).exit_code == 0
    assert states(output) == ["skipped"] * 3


def test_failures_are_listed_at_the_end(tiny_model, tmp_path):
    cases = save_cohort(tmp_path / "cases", ("a", "subject-2", "sub-3"))
    (cases / "a" / "a_t2.nii.gz").write_bytes(b"")
    (cases / "subject-2" / "subject-2_t1ce.nii.gz").unlink()
    output = tmp_path / "out"
    result = predict(cases, output, tiny_model)
    assert result.exit_code == 3
    head, first, second = result.stderr.splitlines()
    assert head == "Failed:"
    assert first.startswith(f"  a          {cases / 'a' / 'a_t2.nii.gz'}: the file is empty; expected ")
    assert second.startswith("  subject-2  case subject-2: no T1ce was given and this model needs it ")
    assert "Cases:        3: 1 done, 0 skipped, 2 failed\n" in result.stdout
    rows = {row["subject"]: row for row in listing(output)["cases"]}
    assert first == f"  a          {rows['a']['message']}"
    assert rows["a"].keys() == {"subject", "folder", "state", "seconds", "message"}
    waived = predict(cases, output, tiny_model, "--residual-source=none")
    assert waived.exit_code == 3
    assert states(output) == ["failed", "failed", "done"]
    assert "made with residual_source measured; expected residual_source none" in waived.stderr
    assert f"Warnings for 1 of 3 cases: see {output / 'cohort.json'}" in waived.stderr


def test_a_fault_of_ours_is_recorded_and_told_apart(cases, tiny_model, tmp_path, monkeypatch):
    def break_down(prediction, case, *rest, **options):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("recoseg_hf.inference.cohort.write_prediction", break_down)
    result = predict(cases, tmp_path, tiny_model)
    assert result.exit_code == 70
    assert "  sub-01  internal error: ZeroDivisionError: by zero\n" in result.stderr
    assert f"Report its `traceback` in {tmp_path / 'cohort.json'}, without patient data." in result.stderr
    assert "in break_down" in listing(tmp_path)["cases"][0]["traceback"]


def test_a_bar_on_a_terminal(cases, tiny_model, undisturbed):
    shown = predict(cases, cases.parent / "undisturbed", tiny_model, env={"FORCE_COLOR": "1", "COLUMNS": "100"})
    assert shown.exit_code == 0
    assert "3/3" in shown.stderr
    assert "Cases" in shown.stderr


@pytest.mark.parametrize(
    ("others", "message"),
    [
        (["case"], "give either --cohort or the folder case, not both"),
        (["--flair", "f.nii", "--t2", "t.nii"], "give either --cohort or --flair, --t2, not both"),
        (["--subject", "me"], "--subject names one case; those of --cohort have the names of their folders"),
    ],
)
def test_wrong_usage_says_what_is_wrong(others, message, tmp_path):
    result = CliRunner().invoke(app, ["predict", *others, "--cohort", "cases", "-o", str(tmp_path)])
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        (
            {"WORLD_SIZE": "2", "LOCAL_RANK": "0"},
            "2 processes were started, and RANK, MASTER_ADDR, MASTER_PORT is not set",
        ),
        (launched(2, 2, 1), "RANK: it is 2; expected a number from 0 to 1"),
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE: it is 'two'; expected a number"),
        (
            {"OMPI_COMM_WORLD_SIZE": "4"},
            "4 processes were started, and none knows which cases are its own; expected RANK",
        ),
        ({"SLURM_STEP_NUM_TASKS": "8"}, "SLURM_STEP_NUM_TASKS: it says that 8 processes were started"),
    ],
)
def test_processes_that_cannot_know_their_part_are_refused(environment, message, cases, tmp_path):
    result = predict(cases, tmp_path, "no/such-model", env=environment)
    assert result.exit_code == 3
    assert message in result.stderr
    assert "Start the processes with one of these." in result.stderr


def test_a_launcher_of_one_process_is_no_launcher(monkeypatch):
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")
    assert Place.from_environment() == Place(0, 1, 0)
    for name, value in launched(3, 4, 29500).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "2")  # two nodes, each with a torchrun
    assert Place.from_environment() == Place(3, 4, 3)


def test_an_address_nobody_listens_at_is_named(monkeypatch):
    from recoseg_hf.cli import processes

    monkeypatch.setattr(processes, "_START_TIMEOUT", processes.timedelta(seconds=1))
    port = free_port()
    for name, value in launched(1, 2, port).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=f"127.0.0.1:{port}: process 1 of 2 does not reach the others"):
        processes.Exchange(Place.from_environment())


def test_the_package_is_a_module_to_launch():
    told = subprocess.run(
        [sys.executable, "-m", "recoseg_hf", "--version"], capture_output=True, text=True, env=os.environ
    )
    assert (told.returncode, told.stdout) == (0, f"recoseg {recoseg_hf.__version__}\n")
