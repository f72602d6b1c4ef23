"""The paper's losses, each with its equation."""

import torch
import torch.nn.functional as F

RECONSTRUCTION_LOSSES = ("weighted", "paper", "none")


def soft_dice_loss(prediction: torch.Tensor, target: torch.Tensor, squared: bool = True) -> torch.Tensor:
    """1 - Dice for soft values, pooled over batch, pixels and the processes that share a step, averaged over channels.

    With squared denominators (Milletari et al. 2016, arXiv 1606.04797) the optimum is prediction = target even for
    grey targets; the linear form rewards binarising them.

    Args:
        prediction, target: (B, C, H, W) in [0, 1].
        squared: False is the linear form.
    """
    axes = (0, 2, 3)
    power = 2 if squared else 1
    overlap = (prediction * target).sum(axes)
    total = prediction.pow(power).sum(axes) + target.pow(power).sum(axes)
    overlap, total = _over_processes(torch.stack([overlap, total]))
    return (1 - (2 * overlap + 1) / (total + 1)).mean()


def _over_processes(sums: torch.Tensor) -> torch.Tensor:
    """Add up what all processes have: Dice is no mean over slices, so that DDP's averaging alone would change it."""
    if torch.distributed.is_initialized() and torch.distributed.get_world_size() > 1:
        from torch.distributed.nn.functional import all_reduce

        return all_reduce(sums)  # unlike torch.distributed.all_reduce, it lets gradients through
    return sums


def segmentation_loss(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """BCE + Dice (paper, Eq. 9), each averaged over regions.

    Args:
        logits: (B, R, H, W).
        target: (B, R, H, W), the covered part of each pixel, 0 to 1.
    """
    return F.binary_cross_entropy_with_logits(logits, target) + soft_dice_loss(logits.sigmoid(), target)


def reconstruction_loss(clean: torch.Tensor, target: torch.Tensor, alpha_bar: torch.Tensor, form: str) -> torch.Tensor:
    """L_recon = BCE + Dice between x0_hat and x0 (paper, Eq. 6, both weights 1).

    Args:
        clean: x0_hat (B, 1, H, W); clamped to [-1, 1] here, beyond which it has no gradient.
        target: x0 (B, 1, H, W) in [-1, 1].
        alpha_bar: (B, 1, 1, 1).
        form: `weighted` (each slice by alpha_bar_t, since the error of x0_hat grows without bound as alpha_bar goes
            to 0; Dice with squared denominators), `paper` (the literal form) or `none`.

    Raises:
        ValueError: if the form is another.
    """
    if form == "none":
        return clean.new_zeros(())
    if form not in RECONSTRUCTION_LOSSES:
        raise ValueError(f"reconstruction_loss={form!r}; expected one of {', '.join(RECONSTRUCTION_LOSSES)}.")
    unit, real = (clean.clamp(-1, 1) + 1) / 2, ((target + 1) / 2).clamp(0, 1)  # warping rounds past 1
    weight = alpha_bar if form == "weighted" else torch.ones_like(alpha_bar)
    # NaN would be an error of torch's here; beside it the loss on the noise is NaN, and the run stops for that.
    cross_entropy = F.binary_cross_entropy(unit.clamp(1e-4, 1 - 1e-4).nan_to_num(0.5), real, reduction="none")
    root = weight.sqrt()
    dice = soft_dice_loss(unit * root, real * root, squared=form == "weighted")
    return (weight * cross_entropy).mean() + dice
