import math

import pytest
import torch

from recoseg_hf.learning.losses import reconstruction_loss, segmentation_loss, soft_dice_loss

ONE = torch.ones(2, 1, 1, 1)


@pytest.fixture
def grey():
    """An image of grey values in [0, 1]."""
    return 0.2 + 0.6 * torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(0))


class TestSoftDice:
    def test_perfect_masks_cost_nothing_and_disjoint_ones_everything(self):
        mask = torch.zeros(1, 1, 40, 40)
        mask[..., :20] = 1
        assert soft_dice_loss(mask, mask).item() == pytest.approx(0, abs=1e-6)
        assert soft_dice_loss(mask, 1 - mask).item() == pytest.approx(1, abs=1e-3)

    def test_half_an_overlap(self):
        prediction, target = torch.zeros(2, 1, 1, 100, 100)
        prediction[..., :50], target[..., 25:75] = 1, 1
        assert soft_dice_loss(prediction, target).item() == pytest.approx(0.5, abs=1e-3)

    def test_empty_masks_cost_nothing(self):
        assert soft_dice_loss(torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)).item() == 0

    def test_channels_count_alike_whatever_their_size(self):
        prediction, target = torch.zeros(2, 1, 2, 50, 50)
        prediction[0, 0], target[0, 0] = 1, 1
        target[0, 1, 0, :2] = 1  # a tiny region, missed
        assert soft_dice_loss(prediction, target).item() == pytest.approx((1 - 1 / 3) / 2, abs=1e-3)

    def test_squared_denominators_are_best_at_the_grey_target_itself(self, grey):
        binary = (grey > 0.5).float()
        assert soft_dice_loss(grey, grey).item() == pytest.approx(0, abs=1e-6)
        assert soft_dice_loss(grey, grey) < soft_dice_loss(binary, grey)

    def test_the_linear_form_prefers_binarised_values(self, grey):
        binary = (grey > 0.5).float()
        assert soft_dice_loss(binary, grey, squared=False) < soft_dice_loss(grey, grey, squared=False)


class TestSegmentationLoss:
    def test_is_cross_entropy_plus_dice(self):
        logits, target = torch.zeros(1, 1, 10, 10), torch.ones(1, 1, 10, 10)
        dice = 1 - (2 * 50 + 1) / (25 + 100 + 1)
        assert segmentation_loss(logits, target).item() == pytest.approx(math.log(2) + dice, abs=1e-5)

    def test_confident_and_right_costs_nothing_confident_and_wrong_much(self):
        target = (torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0)) > 0.5).float()
        right = 30 * (2 * target - 1)
        assert segmentation_loss(right, target).item() == pytest.approx(0, abs=1e-5)
        assert segmentation_loss(-right, target).item() > 30

    def test_partly_covered_pixels_are_fine(self):
        target = torch.full((1, 1, 4, 4), 0.25)
        best = torch.full((1, 1, 4, 4), math.log(0.25 / 0.75))
        assert segmentation_loss(best, target) < segmentation_loss(best + 1, target)


class TestReconstructionLoss:
    def test_none_is_zero(self):
        assert reconstruction_loss(torch.randn(2, 1, 4, 4), torch.zeros(2, 1, 4, 4), ONE, "none").item() == 0

    def test_another_form_is_refused(self):
        with pytest.raises(ValueError, match="reconstruction_loss='l1'; expected one of weighted, paper, none"):
            reconstruction_loss(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2), ONE, "l1")

    def test_weighted_is_least_at_the_target(self, grey):
        target = 2 * grey - 1
        loss = {shift: reconstruction_loss(target + shift, target, ONE, "weighted").item() for shift in (-0.1, 0, 0.1)}
        assert loss[0] < min(loss[-0.1], loss[0.1])

    def test_the_papers_form_binarises(self, grey):
        target = 2 * grey - 1
        pushed = target + 0.1 * target.sign()
        dice = [soft_dice_loss((image + 1) / 2, grey, squared=False) for image in (target, pushed)]
        assert dice[1] < dice[0]
        paper = reconstruction_loss(target, target, ONE, "paper")
        assert paper.item() > reconstruction_loss(target, target, ONE, "weighted").item()

    def test_noisy_steps_weigh_less(self, grey):
        target = 2 * grey - 1
        wrong = -target
        losses = [reconstruction_loss(wrong, target, a * ONE, "weighted").item() for a in (1.0, 0.1, 0.0)]
        assert losses[0] > losses[1] > losses[2] == 0
        paper = [reconstruction_loss(wrong, target, a * ONE, "paper").item() for a in (1.0, 0.0)]
        assert paper[0] == pytest.approx(paper[1])

    def test_estimates_far_outside_and_targets_rounded_past_one_stay_finite(self):
        clean = torch.tensor([[[[1e6, -1e6]]]], requires_grad=True)
        target = torch.tensor([[[[1 + 1e-6, -1 - 1e-6]]]])
        for form in ("weighted", "paper"):
            loss = reconstruction_loss(clean, target, ONE[:1], form)
            loss.backward()
            assert loss.isfinite()
            assert clean.grad.isfinite().all()
