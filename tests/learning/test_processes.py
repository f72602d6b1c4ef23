"""Sharing work; what several processes do is in tests/faults."""

import pytest
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType

from recoseg_hf.errors import LaunchError
from recoseg_hf.learning.processes import (
    agreed_scores,
    check_processes,
    exchange_losses,
    on_this_process,
    over_processes,
)


@pytest.fixture
def accelerator(fresh_accelerate):
    return Accelerator(cpu=True)


def test_one_process_does_all_the_work(accelerator):
    assert over_processes(accelerator) is on_this_process
    assert on_this_process(lambda item: (item, item**2), [1, 2, 3]) == [[1, 1], [2, 4], [3, 9]]


def test_one_process_exchanges_with_itself(accelerator):
    assert exchange_losses(accelerator, torch.tensor([1.0, 3.0]), 15) == (2.0, 15)
    assert agreed_scores(accelerator, {"dice": 0.5}) == {"dice": 0.5}


def test_a_process_alone_is_no_stranger(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    check_processes(1)
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(LaunchError, match=r"^3 processes were launched and each knows of 1: they would train apart"):
        check_processes(1)


@pytest.mark.parametrize("kind", [DistributedType.FSDP, DistributedType.DEEPSPEED])
def test_a_net_in_parts_is_refused(kind, monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with pytest.raises(LaunchError, match=rf"^Accelerate is configured for {kind.value}, .* expected plain data para"):
        check_processes(1, kind)


def test_one_process_where_several_were_asked_for_is_refused(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    with pytest.raises(LaunchError, match="several processes were asked for and one was started; expected as many"):
        check_processes(1)
