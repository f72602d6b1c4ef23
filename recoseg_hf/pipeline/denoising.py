"""The algebra between a net's output and the clean image, and noise that belongs to a slice (a leaf).

Symbols: x_t = sqrt(a) x_0 + sqrt(1 - a) e with a = alpha_bar_t (Ho et al. 2020, arXiv 2006.11239, Eq. 4);
v = sqrt(a) e - sqrt(1 - a) x_0 (Salimans and Ho 2022, arXiv 2202.00512).
"""

from collections.abc import Sequence

import numpy as np
import torch

PREDICTION_TYPES = ("epsilon", "v_prediction", "sample")


def predict_clean(
    output: torch.Tensor, noisy: torch.Tensor, alpha_bar: torch.Tensor, prediction_type: str
) -> torch.Tensor:
    """The estimate x0_hat that a net's output stands for.

    Args:
        output: what the net returned, (B, C, H, W).
        noisy: x_t as the net saw it, same shape.
        alpha_bar: alpha_bar_t, broadcastable to (B, 1, 1, 1).
        prediction_type: `epsilon`, `v_prediction` or `sample`.

    Raises:
        ValueError: if the prediction type is another.
    """
    if prediction_type == "sample":
        return output
    if prediction_type == "v_prediction":
        return alpha_bar.sqrt() * noisy - (1 - alpha_bar).sqrt() * output
    if prediction_type == "epsilon":
        return (noisy - (1 - alpha_bar).sqrt() * output) / alpha_bar.sqrt()
    raise ValueError(f"prediction_type={prediction_type!r}; expected one of {', '.join(PREDICTION_TYPES)}.")


def clamp_clean(
    output: torch.Tensor, noisy: torch.Tensor, alpha_bar: torch.Tensor, prediction_type: str
) -> torch.Tensor:
    """Change a net's output so that the x0_hat it stands for lies in [-1, 1].

    Several solvers (DPM-Solver++, UniPC, Euler) ignore `clip_sample`; done here, every solver gets it.
    """
    clean = predict_clean(output, noisy, alpha_bar, prediction_type)
    excess = clean.clamp(-1, 1) - clean
    if prediction_type == "sample":
        return output + excess
    if prediction_type == "v_prediction":
        return output - excess / (1 - alpha_bar).sqrt()
    return output - excess * (alpha_bar / (1 - alpha_bar)).sqrt()


def slice_generators(seed: int, positions: Sequence[int], sample: int) -> list[torch.Generator]:
    """One CPU generator per slice: its noise is a function of (seed, position in the stack, sample), of nothing else.

    So neither the batch size nor skipped slices change a result.
    """
    states = (np.random.SeedSequence([seed, sample, position]) for position in positions)
    return [torch.Generator().manual_seed(int(state.generate_state(1, np.uint64)[0] >> 1)) for state in states]


def slice_noise(generators: Sequence[torch.Generator], size: int) -> torch.Tensor:
    """Unit Gaussian noise (B, 1, size, size), slice by slice from its own generator."""
    return torch.stack([torch.randn(1, size, size, generator=generator) for generator in generators])
