"""Operations of a training step, counted by hand for a net of one convolution."""

import torch

from benchmarks.training_peak import conv_flops_per_second, step_calls, step_flops
from tests.tiny import tiny_net


def test_a_step_is_about_three_times_a_forward():
    net = tiny_net(3, 1)
    counted = step_flops(net, 16)
    with torch.utils.flop_counter.FlopCounterMode(display=False) as forward, torch.no_grad():
        net(torch.zeros(1, 3, 16, 16), 0)
    assert 2.8 < counted / forward.get_total_flops() <= 3
    assert all(weight.grad is None for weight in net.parameters())
    assert step_flops(net, 32) > 3.5 * counted


def test_calls_do_not_depend_on_the_size():
    net = tiny_net(3, 1)
    assert step_calls(net, 16) == step_calls(net, 32) > 100


def test_a_peak_is_that_of_some_machine():
    assert 1e8 < conv_flops_per_second(torch.device("cpu"), torch.float32) < 1e16
