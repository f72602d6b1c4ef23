import pytest
import torch

from recoseg_hf.learning.freezing import FREEZABLE, FrozenCount, freeze
from recoseg_hf.learning.options import TrainingOptions
from recoseg_hf.learning.training_loop import TrainingRun
from tests.tiny import tiny_net

EVERY_PART = {"conv_in", "time_embedding", "class_embedding", "down_blocks", "mid_block", "up_blocks"} | {
    "conv_norm_out",
    "conv_out",
}
LAST = ("conv_norm_out", "conv_out")


@pytest.fixture
def net():
    return tiny_net(4, 1, num_class_embeds=3)


def parts(net, trained: bool) -> set[str]:
    return {name.split(".")[0] for name, weight in net.named_parameters() if weight.requires_grad is trained}


@pytest.mark.parametrize(
    ("which", "frozen"),
    [
        ("none", set()),
        ("encoder", {"conv_in", "down_blocks"}),
        ("all_but_decoder", EVERY_PART - {"up_blocks", "conv_norm_out", "conv_out"}),
        ("all_but_last", EVERY_PART - {"conv_norm_out", "conv_out"}),
    ],
)
def test_the_named_part_is_frozen_and_the_rest_is_not(net, which, frozen):
    freeze(net, which)
    assert parts(net, trained=False) == frozen
    assert parts(net, trained=True) == EVERY_PART - frozen


def test_parameters_are_counted(net):
    total = sum(weight.numel() for weight in net.parameters())
    assert freeze(net, "none") == FrozenCount(trainable=total, frozen=0)
    last = sum(weight.numel() for part in (net.conv_norm_out, net.conv_out) for weight in part.parameters())
    assert freeze(net, "all_but_last") == FrozenCount(trainable=last, frozen=total - last)


def test_freezing_less_later_thaws(net):
    freeze(net, "all_but_last")
    assert freeze(net, "none").frozen == 0


def test_an_unknown_part_is_answered_with_the_choices(net):
    with pytest.raises(
        ValueError, match=r"freeze='head'; expected one of none, encoder, all_but_decoder, all_but_last"
    ):
        freeze(net, "head")
    assert parts(net, trained=True) == EVERY_PART


def test_the_option_knows_the_choices():
    assert TrainingOptions(freeze="encoder").freeze == "encoder"
    with pytest.raises(ValueError, match=f"freeze='head'; expected one of {', '.join(FREEZABLE)}"):
        TrainingOptions(freeze="head")


@pytest.mark.parametrize("which", FREEZABLE)
def test_gradients_of_the_rest_are_those_of_the_whole_net(net, which):
    """In the memory format of training too, in which torch crashes behind frozen layers if it is let."""
    net.to(memory_format=torch.channels_last)
    inputs = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0)).to(memory_format=torch.channels_last)

    def gradients(frozen: str) -> dict[str, torch.Tensor]:
        freeze(net, frozen)
        net.zero_grad()
        net(inputs, 0, class_labels=torch.tensor([0, 2])).sample.square().mean().backward()
        return {name: weight.grad for name, weight in net.named_parameters() if weight.grad is not None}

    whole, part = gradients("none"), gradients(which)
    assert list(part) == [name for name, weight in net.named_parameters() if weight.requires_grad]
    assert all(torch.allclose(part[name], whole[name], atol=1e-6) for name in part)


def test_freezing_again_adds_no_second_guard(net):
    for which in FREEZABLE:
        freeze(net, which)
    assert len(net.conv_norm_out._forward_pre_hooks) == 1


@pytest.mark.parametrize(
    ("which", "still"), [("encoder", {"conv_in", "down_blocks"}), ("all_but_last", EVERY_PART - {*LAST})]
)
def test_a_run_changes_and_averages_the_rest_alone(which, still, tmp_path):
    net = tiny_net(4, 1, num_class_embeds=3)
    before = {name: weight.clone() for name, weight in net.state_dict().items()}
    options = TrainingOptions(
        output_dir=str(tmp_path), freeze=which, learning_rate=0.1, adam_weight_decay=0.1, lr_warmup_steps=1,
        lr_scheduler="constant", report_to="none", max_train_steps=2,
    )  # fmt: skip
    run = TrainingRun(options, net)
    assert sum(len(group["params"]) for group in run.optimizer.param_groups) == len(
        [weight for weight in net.parameters() if weight.requires_grad]
    )
    for _ in range(2):
        output = run.net(torch.ones(1, 4, 8, 8), 0, class_labels=torch.tensor([1])).sample
        run.backward(output.square().mean())
        run.update()
    with run.average.applied():
        after = {name: weight.clone() for name, weight in run.bare_net.state_dict().items()}
    changed = {name.split(".")[0] for name, weight in before.items() if not torch.equal(weight, after[name])}
    assert changed == EVERY_PART - still
