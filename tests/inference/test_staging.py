"""The hidden folder of a result in the making: gone at the end, and swept up after a kill."""

import logging
import os
import signal
import threading

import pytest

from recoseg_hf.inference.staging import is_being_made, moving_alone, staging_folder

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs locks that end with their process")


def leave_behind(parent) -> None:
    """Let a process be killed while it makes a result in `parent`."""
    child = os.fork()
    if not child:
        with staging_folder(parent) as folder:
            (folder / "half.nii.gz").write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL


def test_is_gone_at_the_end(tmp_path):
    with staging_folder(tmp_path) as folder:
        assert folder.parent == tmp_path
        assert folder.name.startswith(".recoseg-")
        assert is_being_made(tmp_path)
    assert not is_being_made(tmp_path)
    with pytest.raises(KeyboardInterrupt), staging_folder(tmp_path):
        raise KeyboardInterrupt
    assert not any(tmp_path.iterdir())


def test_what_a_killed_process_left_is_swept_up_by_the_next(tmp_path):
    leave_behind(tmp_path)
    assert [file.name for file in tmp_path.glob(".recoseg-*/half*")] == ["half.nii.gz"]
    assert is_being_made(tmp_path)
    with staging_folder(tmp_path) as folder:
        assert list(tmp_path.iterdir()) == [folder]


def test_the_folder_of_another_at_work_stays(tmp_path):
    with staging_folder(tmp_path) as other, staging_folder(tmp_path):
        assert other.is_dir()


def test_who_waits_for_another_says_so(tmp_path, caplog):
    with caplog.at_level(logging.WARNING), moving_alone(tmp_path):
        assert caplog.messages == []
        told = threading.Event()

        class Telling(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                told.set()

        def move() -> None:
            with moving_alone(tmp_path):
                done.set()

        done, handler = threading.Event(), Telling()
        logging.getLogger("recoseg_hf.inference.staging").addHandler(handler)
        second = threading.Thread(target=move)
        second.start()
        assert told.wait(30)
        assert not done.is_set()
    second.join(30)
    logging.getLogger("recoseg_hf.inference.staging").removeHandler(handler)
    assert done.is_set()
    assert caplog.messages == [f"{tmp_path}: another process moves results into it; waiting until it is done."]
