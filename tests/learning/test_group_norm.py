"""The quicker gradient is torch's own."""

import pytest
import torch
from torch import nn

from recoseg_hf.learning.group_norm import QuickGroupNorm, quicken_group_norms
from tests.tiny import tiny_net

CHANNELS_LAST = torch.channels_last


def gradients(layer: nn.Module, images: torch.Tensor, given: torch.Tensor) -> tuple[torch.Tensor, ...]:
    images = images.clone(memory_format=torch.preserve_format).requires_grad_()
    return layer(images).detach(), *torch.autograd.grad(layer(images), (images, *layer.parameters()), given)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_output_and_gradients_are_those_of_torch(dtype):
    generator = torch.Generator().manual_seed(0)
    images, given = (torch.randn(3, 16, 9, 7, generator=generator).to(dtype) for _ in range(2))
    slow = nn.GroupNorm(4, 16)
    nn.init.normal_(slow.weight, generator=generator)
    quick = QuickGroupNorm(4, 16)
    quick.load_state_dict(slow.state_dict())
    expected = gradients(slow, images, given)
    found = gradients(quick, images.to(memory_format=CHANNELS_LAST), given.to(memory_format=CHANNELS_LAST))
    assert torch.equal(found[0], slow(images.to(memory_format=CHANNELS_LAST)))
    quickly = type(quick(images.to(memory_format=CHANNELS_LAST)).grad_fn).__name__ == "_NormalizeBackward"
    assert quickly == (dtype is torch.bfloat16)  # on a CPU, whose other types are quick enough
    for one, other in zip(found[1:], expected[1:], strict=True):
        assert torch.allclose(one.float(), other.float(), rtol=2e-2 if dtype is torch.bfloat16 else 1e-5, atol=1e-5)
    assert found[1].is_contiguous(memory_format=CHANNELS_LAST)


def test_what_is_frozen_gets_no_gradient():
    layer = QuickGroupNorm(2, 4).requires_grad_(False)
    images = torch.randn(2, 4, 5, 5).bfloat16().to(memory_format=CHANNELS_LAST).requires_grad_()
    layer(images).square().sum().backward()
    assert images.grad.abs().sum() > 0
    assert layer.weight.grad is None


def test_a_net_keeps_its_weights_and_its_output():
    net = tiny_net(3, 1)
    images = torch.randn(2, 3, 16, 16).to(memory_format=CHANNELS_LAST)
    names, before = [*net.state_dict()], net(images, 0).sample
    quicken_group_norms(net)
    kinds = {type(module) for module in net.modules() if isinstance(module, nn.GroupNorm)}
    assert kinds == {QuickGroupNorm}
    assert [*net.state_dict()] == names
    assert torch.equal(net(images, 0).sample, before)
