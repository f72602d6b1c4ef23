"""From noise to an image: the reverse process, the clean image that a net's output stands for, noise (a leaf).

Symbols: x_t = sqrt(a) x_0 + sqrt(1 - a) e with a = alpha_bar_t (Ho et al. 2020, arXiv 2006.11239, Eq. 4);
v = sqrt(a) e - sqrt(1 - a) x_0 (Salimans and Ho 2022, arXiv 2202.00512).
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any

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


def correct_clean(
    output: torch.Tensor,
    noisy: torch.Tensor,
    alpha_bar: torch.Tensor,
    prediction_type: str,
    correct: Callable[[torch.Tensor], torch.Tensor],
) -> torch.Tensor:
    """Change a net's output so that the x0_hat it stands for becomes `correct(x0_hat)`.

    Done to the output, before the scheduler sees it, a correction holds for every solver.
    """
    clean = predict_clean(output, noisy, alpha_bar, prediction_type)
    excess = correct(clean) - clean
    if prediction_type == "sample":
        return output + excess
    if prediction_type == "v_prediction":
        return output - excess / (1 - alpha_bar).sqrt()
    return output - excess * (alpha_bar / (1 - alpha_bar)).sqrt()


def within_range(clean: torch.Tensor) -> torch.Tensor:
    """Clamp x0_hat to [-1, 1]; several solvers (DPM-Solver++, UniPC, Euler) ignore `clip_sample`."""
    return clean.clamp(-1, 1)


def reverse_process(
    predict: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    scheduler: Any,
    noise: torch.Tensor,
    steps: int,
    generators: Sequence[torch.Generator],
    correct: Callable[[torch.Tensor], torch.Tensor] = within_range,
    advance: Callable[[int, torch.Tensor], Any] | None = None,
) -> torch.Tensor:
    """Go from noise to an image with any diffusers scheduler that has `alphas_cumprod`.

    Args:
        predict: the net: its output for (x_t as the scheduler scales it, timestep).
        scheduler: its timesteps are set here.
        noise: unit Gaussian (B, C, H, W), on the net's device.
        steps: denoising steps.
        generators: one for each of the batch, for solvers that add noise.
        correct: what every x0_hat goes through before the solver sees it.
        advance: called with (step, timestep) after each.

    Returns:
        The last x_t, as the solver left it.
    """
    scheduler.set_timesteps(steps, device=noise.device)
    noisy = noise * scheduler.init_noise_sigma
    takes_generator = "generator" in inspect.signature(scheduler.step).parameters
    extra = {"generator": list(generators)} if takes_generator else {}
    for step, timestep in enumerate(scheduler.timesteps):
        seen = scheduler.scale_model_input(noisy, timestep)
        alpha_bar = scheduler.alphas_cumprod[timestep.round().long().cpu()].to(noise.device)
        output = predict(seen, timestep)
        output = correct_clean(output, seen, alpha_bar, scheduler.config.prediction_type, correct)
        noisy = scheduler.step(output, timestep, noisy, **extra).prev_sample
        if advance is not None:
            advance(step, timestep)
    return noisy


def slice_generators(seed: int, positions: Sequence[int], sample: int) -> list[torch.Generator]:
    """One CPU generator per slice: its noise is a function of (seed, position in the stack, sample), of nothing else.

    So neither the batch size nor skipped slices change a result.
    """
    states = (np.random.SeedSequence([seed, sample, position]) for position in positions)
    return [torch.Generator().manual_seed(int(state.generate_state(1, np.uint64)[0] >> 1)) for state in states]


def slice_noise(generators: Sequence[torch.Generator], size: Sequence[int]) -> torch.Tensor:
    """Unit Gaussian noise (B, 1, *size), slice by slice from its own generator."""
    return torch.stack([torch.randn(1, *size, generator=generator) for generator in generators])
