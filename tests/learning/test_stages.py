"""Stages of a long work, with real scripts."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from recoseg_hf.errors import InputError
from recoseg_hf.learning.stages import Stages, UnfinishedStageError

SCRIPT = """
import sys
from pathlib import Path
flags = dict(zip(sys.argv[1::2], sys.argv[2::2]))
with Path(flags["--output_dir"]).open("a") as file:
    file.write(flags["--word"])
sys.exit(int(flags.get("--code", 0)))
"""


@pytest.fixture
def stages(tmp_path):
    (tmp_path / "say.py").write_text(SCRIPT)
    return Stages(tmp_path / "stages", tmp_path)


def test_a_finished_stage_is_not_run_again(stages, tmp_path):
    flags = {"output_dir": tmp_path / "said", "word": "once "}
    stages.run("first", "say.py", flags)
    stages.run("first", "say.py", flags)
    assert (tmp_path / "said").read_text() == "once "
    record = json.loads((tmp_path / "stages" / "first.json").read_text())
    assert record["script"] == "say.py"
    assert record["flags"]["word"] == "once "


def test_a_failed_stage_is_told_of_and_run_again(stages, tmp_path):
    flags = {"output_dir": tmp_path / "said", "word": "again ", "code": 3}
    for _ in range(2):
        with pytest.raises(UnfinishedStageError, match="first: ended with code 3; expected 0") as caught:
            stages.run("first", "say.py", flags)
    assert caught.value.exit_code == 3
    assert (tmp_path / "said").read_text() == "again again "


def test_a_stage_done_with_other_flags_is_not_taken_for_this_one(stages, tmp_path):
    stages.run("first", "say.py", {"output_dir": tmp_path / "said", "word": "a"})
    with pytest.raises(InputError, match=r"first\.json: done with code None \(now 0\), word a \(now b\); expected"):
        stages.run("first", "say.py", {"output_dir": tmp_path / "said", "word": "b", "code": 0})


def test_a_list_is_given_as_several_values_and_remembered_as_such(tmp_path):
    (tmp_path / "list.py").write_text("import sys; open(sys.argv[2], 'w').write(' '.join(sys.argv[3:]))")
    stages = Stages(tmp_path / "stages", tmp_path)
    flags = {"output_dir": tmp_path / "said", "models": [Path("a"), Path("b")]}
    for _ in range(2):
        stages.run("first", "list.py", flags)
    assert (tmp_path / "said").read_text() == "--models a b"
    with pytest.raises(InputError, match=r"done with models \['a', 'b'\] \(now \['a'\]\)"):
        stages.run("first", "list.py", flags | {"models": [Path("a")]})


def test_the_launcher_starts_what_may_be_shared(tmp_path):
    (tmp_path / "say.py").write_text(SCRIPT)
    stages = Stages(tmp_path / "stages", tmp_path, ["false"])
    flags = {"output_dir": tmp_path / "said", "word": "alone"}
    with pytest.raises(UnfinishedStageError, match="code 1"):
        stages.run("first", "say.py", flags)
    stages.run("first", "say.py", flags, launched=False)
    assert (tmp_path / "said").read_text() == "alone"


WORK = """
import sys
from pathlib import Path
from recoseg_hf.learning.stages import Stages
folder = Path(sys.argv[1])
Stages(folder / "stages", folder).run("first", "slow.py", {"output_dir": folder / "said", "word": "once "})
"""


def test_processes_that_share_a_work_do_each_stage_once(tmp_path):
    (tmp_path / "slow.py").write_text(f"import time\ntime.sleep(1)\n{SCRIPT}")
    workers = [subprocess.Popen([sys.executable, "-c", WORK, str(tmp_path)]) for _ in range(2)]
    assert [worker.wait(60) for worker in workers] == [0, 0]
    assert (tmp_path / "said").read_text() == "once "
