import copy
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from diffusers import UNet2DModel
from torch import nn
from torch.nn import functional

from recoseg_hf.pipeline import independence
from recoseg_hf.pipeline.independence import run_slices_apart

SIZE = 48  # large enough for the normalisation that cuts a batch by threads


@pytest.fixture(scope="module")
def net() -> UNet2DModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return UNet2DModel(
            in_channels=4, out_channels=1, block_out_channels=(32, 64), layers_per_block=1, norm_num_groups=8,
            down_block_types=("DownBlock2D",) * 2, up_block_types=("UpBlock2D",) * 2, num_class_embeds=3,
        ).eval()  # fmt: skip


@pytest.fixture(scope="module")
def slices() -> torch.Tensor:
    return torch.randn(8, 4, SIZE, SIZE, generator=torch.Generator().manual_seed(1))


def run(net, slices, timestep=500) -> torch.Tensor:
    with torch.no_grad():
        return run_slices_apart(net, slices, timestep, class_labels=torch.full((len(slices),), 1))


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_slice_is_the_same_in_any_company(net, slices, threads, number):
    threads(1)
    together = run(net, slices)
    threads(number)
    for size in (8, 5, 3, 2, 1):
        parts = torch.cat([run(net, part) for part in slices.split(size)])
        assert torch.equal(parts, together), size


@torch.no_grad()
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("side", [15, 31, 32, 48])
def test_normalisation_is_the_same_in_any_company(threads, side, dtype):
    norm = nn.GroupNorm(8, 64).to(dtype)
    maps = torch.randn(7, 64, side, side, generator=torch.Generator().manual_seed(2)).to(dtype)
    maps = maps.contiguous(memory_format=torch.channels_last)
    threads(1)
    with independence.SliceBySlice():
        expected = norm(maps)
    torch.testing.assert_close(expected.float(), norm(maps).float(), rtol=2e-2, atol=2e-2)
    for number in (2, 3, 5, 16):
        threads(number)
        with independence.SliceBySlice():
            for size in (7, 4, 1):
                found = torch.cat([norm(part) for part in maps.split(size)])
                assert torch.equal(found, expected), (number, size)


class TestAttention:
    @torch.no_grad()
    @pytest.mark.parametrize("heads", [1, 2])
    @pytest.mark.parametrize("pixels", [1, 35, 195, 209, 225])
    def test_it_is_torchs_but_for_rounding_and_the_same_in_any_company(self, threads, pixels, heads):
        shape, generator = (7, pixels, heads, 64), torch.Generator().manual_seed(3)
        given = [torch.randn(shape, generator=generator).bfloat16().transpose(1, 2) for _ in range(3)]
        threads(1)
        with independence.SliceBySlice():
            expected = functional.scaled_dot_product_attention(*given, attn_mask=None, dropout_p=0.0, is_causal=False)
        exact = functional.scaled_dot_product_attention(*(values.double() for values in given))
        assert (expected - exact).norm() < 0.01 * exact.norm()
        for number in (2, 3, 5, 16):
            threads(number)
            with independence.SliceBySlice():
                for size in (7, 4, 2):
                    parts = zip(*(values.split(size) for values in given), strict=True)
                    found = torch.cat([functional.scaled_dot_product_attention(*part) for part in parts])
                    assert torch.equal(found, expected), (number, size)

    @torch.no_grad()
    @pytest.mark.parametrize(
        ("pixels", "dtype", "extra"),
        [
            (226, torch.bfloat16, {}),
            (40, torch.float32, {}),
            (40, torch.bfloat16, {"is_causal": True}),
            (40, torch.bfloat16, {"attn_mask": torch.ones(40, 40).tril().bool()}),
            (40, torch.bfloat16, {"scale": 0.5}),
        ],
    )
    def test_all_other_attention_is_torchs_own(self, monkeypatch, pixels, dtype, extra):
        monkeypatch.setattr(independence, "attend", None)
        values = torch.randn(2, 1, pixels, 64, generator=torch.Generator().manual_seed(4)).to(dtype)
        with independence.SliceBySlice():
            found = functional.scaled_dot_product_attention(values, values, values, **extra)
        assert torch.equal(found, functional.scaled_dot_product_attention(values, values, values, **extra))

    def test_a_net_attends_so(self, monkeypatch, net, slices, threads):
        threads(1)
        seen, attend = [], independence.attend
        monkeypatch.setattr(independence, "attend", lambda *given: seen.append(given[0].shape) or attend(*given))
        half = copy.deepcopy(net).to(torch.bfloat16)
        found = run(half, slices[:, :, :24, :24].bfloat16()).float()
        assert seen == [(8, 8, 144, 8)]
        torch.testing.assert_close(found, run(net, slices[:, :, :24, :24]), rtol=0.1, atol=0.1)


@torch.no_grad()
def test_no_more_maps_are_held_than_a_quarter_of_the_batch(threads, monkeypatch):
    held, fill = [], independence._filled_up
    monkeypatch.setattr(
        independence, "_filled_up", lambda few, count: held.append(fill(few, count).numel()) or fill(few, count)
    )
    maps = torch.ones(4, 32, 32, 32).contiguous(memory_format=torch.channels_last)
    threads(16)
    with independence.SliceBySlice():
        nn.GroupNorm(32, 32)(maps)
    assert held
    assert max(held) <= maps.numel() / 4


def test_slices_of_several_classes_are_refused(net, slices):
    with pytest.raises(ValueError, match="class_labels has several values; expected one for all slices"):
        run_slices_apart(net, slices[:2], 500, class_labels=torch.tensor([0, 1]))


def test_two_threads_may_call_one_net(net, slices, threads):
    threads(1)
    expected = run(net, slices[:3])
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda part: run(net, part), [slices[:3]] * 4))
    assert all(torch.equal(one, expected) for one in found)


def test_it_is_what_the_net_says(net, slices, threads):
    threads(1)
    with torch.no_grad():
        plain = net(slices, 500, class_labels=torch.full((8,), 1)).sample
        other = net(slices, 500, class_labels=torch.full((8,), 2)).sample
    torch.testing.assert_close(run(net, slices), plain, rtol=1e-4, atol=1e-5)
    assert (plain - other).abs().max() > 1e-3
    assert (run(net, slices) - run(net, slices, 10)).abs().max() > 1e-3


@torch.no_grad()
def test_nothing_is_divided_by_one():
    maps = torch.ones(2, 3)
    with independence.SliceBySlice():
        assert maps / 1.0 is maps
        assert maps / 1 is maps
        assert torch.equal(maps / 2.0, torch.full((2, 3), 0.5))
        assert torch.equal(1 / (maps * 4), torch.full((2, 3), 0.25))
        assert (torch.ones(2, dtype=torch.int64) / 1).dtype == torch.float32


def test_nothing_stays_on_the_net(net, slices, threads):
    threads(2)
    run(net, slices[:3])
    assert not any(module._forward_pre_hooks or module._forward_hooks for module in net.modules())
