"""F11, F14 in `predict`: two processes that write one subject's results at once; being told to end."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from recoseg_hf.files import sha256_file
from recoseg_hf.inference import predict_case, write_prediction
from recoseg_hf.inference.results import output_paths
from tests.cli.commands import Command
from tests.inference.cases import make_case, save_cohort
from tests.tiny import tiny_pipeline

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs fork, and locks that end with their process")
ROUNDS = 2


@pytest.fixture(scope="module")
def predictions():
    """Two of the same case, of which no file is alike."""
    case, pipeline = make_case(), tiny_pipeline()
    return case, [predict_case(pipeline, case, seed=seed, mask_threshold=0.4 + seed / 5) for seed in (0, 1)]


def slowly() -> None:
    """Let this process rest at every renaming, so that another one's come in between."""
    sys.addaudithook(lambda event, given: time.sleep(0.01) if event == "os.rename" else None)


def write_at_once(predictions, folder: Path, overwrite: bool) -> list[int]:
    """Write both in processes of their own, and return their exit codes: 3 for one that was refused."""
    case, both = predictions
    children = []
    for prediction in both:
        children.append(os.fork())
        if not children[-1]:
            code = 1
            try:
                slowly()
                write_prediction(prediction, case, folder, overwrite)
                code = 0
            except Exception as error:
                code = 3 if "already holds" in str(error) else 1
            finally:
                os._exit(code)
    return sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)


def check_whole(folder: Path) -> int:
    """Every file is the one that the report records; return the result's seed."""
    paths = output_paths("sub-01", folder)
    report = json.loads(paths["report"].read_text())
    assert {name: sha256_file(paths[name]) for name in report["outputs"]} == report["outputs"]
    assert len(list(folder.iterdir())) == len(report["outputs"]) + 1
    return report["settings"]["seed"]


def test_f11_one_whole_result_replaces_the_other(predictions, tmp_path):
    for number in range(ROUNDS):
        assert write_at_once(predictions, tmp_path, overwrite=number > 0) in ([0, 0], [0, 3])
        assert check_whole(tmp_path) in (0, 1)


def test_f11_without_being_asked_the_second_replaces_nothing(predictions, tmp_path):
    assert write_at_once(predictions, tmp_path, overwrite=False) == [0, 3]
    check_whole(tmp_path)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_f14_one_case_told_to_end_while_its_files_are_moved(number, code, tiny_model, tmp_path):
    case, output = save_cohort(tmp_path / "cases", ("sub-01",)) / "sub-01", tmp_path / "sub-01"
    given = ["predict", case, "-o", output, "--model", tiny_model, "--device", "cpu"]
    command = Command(given, tmp_path / "log", end=(number, "sub-01", "publish"))
    assert (command.wait(), command.err) == (code, "Interrupted.\n")
    assert list(output.iterdir()) == []
