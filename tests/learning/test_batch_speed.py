import torch

from recoseg_hf.learning.batch_speed import seconds_per_batch
from tests.tiny import tiny_net


def test_learning_takes_longer_than_looking_and_leaves_the_net_as_it_was():
    net = tiny_net(4, 1, num_class_embeds=3)
    before = {name: weight.clone() for name, weight in net.state_dict().items()}
    both, forward = seconds_per_batch(net, batch_size=16, image_size=32, bfloat16=False)
    assert 0 < forward < both
    assert all(torch.equal(weight, before[name]) for name, weight in net.state_dict().items())
    assert all(weight.grad is None for weight in net.parameters())


def test_a_net_without_classes_is_timed_in_bfloat16_too():
    assert min(seconds_per_batch(tiny_net(4, 1), batch_size=2, image_size=8, bfloat16=True)) > 0
