"""Where weights lie in memory and how many slices a call takes; what is done where that runs out, the faults test."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from recoseg_hf.pipeline.memory import align_weights, choose_batch_size
from tests.tiny import tiny_net, tiny_pipeline


def misaligned(values: torch.Tensor) -> torch.Tensor:
    """The same values, 4 bytes off what torch aligns."""
    room = torch.empty(values.numel() + 16)
    start = next(place for place in range(1, 17) if (room.data_ptr() + 4 * place) % 64 == 4)
    moved = room[start : start + values.numel()].view_as(values)
    return moved.copy_(values)


def places(net: torch.nn.Module) -> set[int]:
    return {weights.data_ptr() % 64 for weights in (*net.parameters(), *net.buffers())}


def test_weights_and_buffers_are_moved_to_where_torch_puts_its_own():
    net = tiny_net(4, 1)
    net.register_buffer("levels", torch.arange(6.0))
    before = {name: values.clone() for name, values in net.state_dict().items()}
    parameters = list(net.parameters())
    for weights in (*parameters, *net.buffers()):
        weights.data = misaligned(weights.data)
    assert places(net) == {4}
    align_weights([net])
    assert places(net) == {0}
    assert all(torch.equal(values, before[name]) for name, values in net.state_dict().items())
    assert all(now is then for now, then in zip(net.parameters(), parameters, strict=True))


def test_what_lies_right_stays_and_what_is_no_net_is_passed_by():
    net = tiny_net(4, 1)
    before = [weights.data_ptr() for weights in net.parameters()]
    align_weights([None, "scheduler", net])
    assert [weights.data_ptr() for weights in net.parameters()] == before


def test_a_loaded_pipeline_lies_as_a_built_one_wherever_its_file_has_the_weights(tmp_path):
    built = tiny_pipeline()
    built.save_pretrained(tmp_path)
    file = tmp_path / "segmenter" / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    for spaces in range(16):  # so that the header, and with it all weights, end elsewhere
        save_file(weights, file, metadata={"format": "pt", "note": " " * spaces})
        loaded = type(built).from_pretrained(tmp_path)
        assert places(loaded.segmenter) == places(loaded.synthesizer) == {0}
    assert all(torch.equal(values, weights[name]) for name, values in loaded.segmenter.state_dict().items())


class TestChoosingABatch:
    @pytest.mark.parametrize(
        ("slices", "values", "threads", "expected"),
        [
            (78, 2080 * 32, 1, 39),  # two calls
            (78, 2080 * 32, 2, 40),  # whole slices for each thread
            (78, 520 * 128, 2, 40),  # fewer pixels of more channels
            (143, 3600 * 32, 1, 29),
            (20, 57600 * 32, 1, 7),  # three calls of 8 at most
            (3, 64 * 32, 4, 3),
            (0, 64 * 32, 2, 1),
        ],
    )
    def test_calls_are_few_and_even(self, slices, values, threads, expected, monkeypatch):
        monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
        assert choose_batch_size(slices, values) == expected
