import pytest
import torch
import torch.nn.functional as F

from recoseg_hf.pipeline.folding import fold_pixels, unfold_pixels

DTYPES = [torch.float32, torch.bfloat16, torch.float64]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("side", [1, 2, 3, 4])
class TestAsTorchDoes:
    def test_pixels_are_folded_and_lie_channels_last(self, side, dtype):
        images = torch.rand(2, 3, 12, 24).to(dtype)
        folded = fold_pixels(images, side)
        assert torch.equal(folded, F.pixel_unshuffle(images, side))
        assert folded.is_contiguous(memory_format=torch.channels_last)

    @pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
    def test_channels_become_pixels(self, side, dtype, layout):
        folded = torch.rand(2, 3 * side**2, 5, 7).to(dtype).contiguous(memory_format=layout)
        pixels = unfold_pixels(folded, side)
        assert torch.equal(pixels, F.pixel_shuffle(folded, side))
        assert pixels.is_contiguous()

    def test_what_begins_within_a_word_or_runs_otherwise_through_memory(self, side, dtype):
        images = torch.rand(1 + 2 * 3 * 12 * 24).to(dtype)[1:].view(2, 3, 12, 24)
        for one in (images, images.transpose(2, 3).contiguous().transpose(2, 3), images[:, :, :, ::2]):
            assert torch.equal(fold_pixels(one, side), F.pixel_unshuffle(one, side))

    def test_no_images_at_all(self, side, dtype):
        folded = fold_pixels(torch.rand(0, 2, 12, 12).to(dtype), side)
        assert folded.shape == (0, 2 * side**2, 12 // side, 12 // side)
        assert unfold_pixels(folded, side).shape == (0, 2, 12, 12)

    def test_one_undoes_the_other(self, side, dtype):
        images = torch.rand(2, 2, 12, 12).to(dtype)
        assert torch.equal(unfold_pixels(fold_pixels(images, side), side), images)


@pytest.mark.parametrize("turn", [fold_pixels, unfold_pixels])
def test_gradients_pass(turn):
    values = torch.rand(1, 4, 4, 4, requires_grad=True)
    (turn(values, 2) * torch.arange(64.0).view_as(turn(values, 2))).sum().backward()
    assert sorted(values.grad.flatten().tolist()) == list(range(64))
