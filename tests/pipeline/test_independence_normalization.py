import pytest
import torch
import torch.nn.functional as F

from recoseg_hf.pipeline.independence import _is_slow, normalize_by_sums


def maps(channels=32, side=30, offset=2.0) -> torch.Tensor:
    values = torch.randn(3, channels, side, side + 1, generator=torch.Generator().manual_seed(0)) * 3 + offset
    return values.to(torch.bfloat16).contiguous(memory_format=torch.channels_last)


def relative_error(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found.double() - expected).norm() / expected.norm())


@pytest.mark.parametrize("offset", [0.0, 2.0, 60.0])
@pytest.mark.parametrize(("channels", "groups"), [(32, 8), (96, 8), (12, 3)])
def test_it_is_what_torch_computes_in_double_precision(channels, groups, offset):
    values = maps(channels, offset=offset)
    weight, bias = torch.linspace(0.5, 2, channels), torch.linspace(-1, 1, channels)
    expected = F.group_norm(values.double(), groups, weight.double(), bias.double(), 1e-5)
    found = normalize_by_sums(values, groups, weight.bfloat16(), bias.bfloat16(), 1e-5)
    assert found.dtype == torch.bfloat16
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert relative_error(found, expected) < 4e-3  # bfloat16 keeps 8 bits, and is rounded thrice


def test_weight_and_bias_may_lack():
    values = maps()
    expected = F.group_norm(values.double(), 8)
    assert relative_error(normalize_by_sums(values, 8), expected) < 4e-3
    doubled = normalize_by_sums(values, 8, weight=torch.full((32,), 2.0))
    assert relative_error(doubled, 2 * expected) < 4e-3


def test_a_flat_map_gives_the_bias():
    flat = torch.full((2, 16, 8, 8), 7.0, dtype=torch.bfloat16).contiguous(memory_format=torch.channels_last)
    found = normalize_by_sums(flat, 4, torch.ones(16), torch.full((16,), 0.5), 1e-5)
    torch.testing.assert_close(found, torch.full_like(flat, 0.5), rtol=0, atol=0.01)


@pytest.mark.parametrize(
    ("values", "groups", "slow"),
    [
        (maps(), 8, True),
        (maps(side=32), 8, False),  # large enough for torch's quick way
        (maps(channels=128), 8, False),  # 16 channels a group fill a vector
        (maps().float(), 8, False),
        (maps().contiguous(), 8, False),
        (maps().flatten(2), 8, False),
    ],
)
def test_only_what_torch_is_slow_at_goes_this_way(values, groups, slow):
    assert _is_slow(values, groups) is slow
