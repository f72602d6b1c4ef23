"""What the pipeline refuses before it computes anything (a leaf: imports torch and numpy alone).

Messages read `found; expected what. remedy`, and start with the modality where one is at fault.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

MOST_SAMPLES = 1000
"""More would only take time: the mean of 1000 draws is known to 3 % of their spread."""
MOST_SLICES_APART = 5
"""Lesions are found from 5 mm on; between slices further apart one could hide."""


def check_settings(config: Mapping[str, Any], nets: Sequence[Any]) -> None:
    """Compare the pipeline's settings with their ranges, and its grid with what the nets can halve.

    Args:
        config: of the pipeline.
        nets: those that there are, with their `config`.

    Raises:
        ValueError: naming the settings that are out of range, or the size to use.
    """
    fine = {
        "lower_percentile": 0 <= config["lower_percentile"] < config["upper_percentile"],
        "upper_percentile": config["upper_percentile"] <= 100,
        "mask_threshold": 0 < config["mask_threshold"] < 1,
        "seed_threshold": 0 <= config["seed_threshold"] < 1,
        "residual_clip": 0 < config["residual_clip"] <= 1,
        "slice_smoothing": 0 <= config["slice_smoothing"] <= 10,
        "region_threshold": 0 < config["region_threshold"] < 1,
        "flip_above": 0 <= config["flip_above"] < 1,
        "slice_step": isinstance(config["slice_step"], int) and 1 <= config["slice_step"] <= MOST_SLICES_APART,
    }
    wrong = ", ".join(f"{name}={config[name]}" for name, holds in fine.items() if not holds)
    if wrong:
        raise ValueError(
            f"{wrong}; expected 0 <= lower_percentile < upper_percentile <= 100, mask_threshold within (0, 1), "
            "seed_threshold within [0, 1), residual_clip within (0, 1], slice_smoothing within [0, 10] mm, "
            f"region_threshold within (0, 1), flip_above within [0, 1) and slice_step from 1 to {MOST_SLICES_APART}."
        )
    size, fold, multiple = config["image_size"], config["pixel_unshuffle"], least_multiple(config, nets)
    if size % multiple:
        raise ValueError(
            f"image_size={size} cannot be folded by {fold} and halved {_halvings(nets)} times; expected a multiple of "
            f"{multiple}, such as {-(-size // multiple) * multiple}."
        )


def least_multiple(config: Mapping[str, Any], nets: Sequence[Any | None]) -> int:
    """Return what a side must be a multiple of for the nets to fold and halve it."""
    return config["pixel_unshuffle"] * 2 ** _halvings(nets)


def _halvings(nets: Sequence[Any | None]) -> int:
    return max(len(net.config.get("block_out_channels", [0])) for net in nets if net is not None) - 1


def check_nets(
    config: Mapping[str, Any], synthesizer: Any | None, segmenter: Any, channels: Sequence[str], regions: Sequence[str]
) -> None:
    """Compare the nets' channels with what the settings make of them.

    Args:
        config: of the pipeline.
        synthesizer, segmenter: nets with their `config`.
        channels: the names in `segmenter_inputs`.
        regions: the names in `regions`.

    Raises:
        ValueError: naming the net and both channel counts, or the setting that asks for what is not there.
    """
    check_roles(config, synthesizer, channels, regions)
    fold = config["pixel_unshuffle"] ** 2
    seen = fold * len(channels) * (2 * config["context_slices"] + 1)
    check_channels("segmenter", segmenter, seen, fold * len(regions))
    check_channels("synthesizer", synthesizer, fold * 4, fold)


def check_roles(
    config: Mapping[str, Any], synthesizer: Any | None, channels: Sequence[str], regions: Sequence[str]
) -> None:
    """Refuse a first region from which no mask is made, and channels that nothing draws; as for `check_nets`."""
    if regions[0] != "wt":
        raise ValueError(f"regions={config['regions']!r}; expected wt first, from which the mask is made.")
    if synthesizer is None and {"residual", "synthetic_t1ce"} & set(channels):
        raise ValueError(f"segmenter_inputs={config['segmenter_inputs']!r} without a synthesizer; expected one.")


def check_channels(name: str, net: Any | None, inputs: int, outputs: int) -> None:
    """Compare a net's channels with those that the settings ask for.

    Raises:
        ValueError: naming the net and both counts.
    """
    if net is not None and (net.config.in_channels, net.config.out_channels) != (inputs, outputs):
        raise ValueError(
            f"{name} has {net.config.in_channels} input and {net.config.out_channels} output channels; expected "
            f"{inputs} and {outputs} for these settings."
        )


def check_scheduler(config: Mapping[str, Any]) -> None:
    """Refuse noise levels at which the net's output does not tell x_0.

    Raises:
        ValueError: for epsilon at zero SNR, where x_0 = 0 / 0.
    """
    if config["prediction_type"] == "epsilon" and config.get("rescale_betas_zero_snr"):
        raise ValueError(
            "prediction_type='epsilon' with rescale_betas_zero_snr, where pure noise says nothing of x0; expected "
            "v_prediction or sample."
        )


def check_counts(steps: int, samples: int, threshold: float, batch_size: int | None, longest: int) -> None:
    """Compare the numbers of one call with their ranges; `longest` is the scheduler's number of training steps.

    Raises:
        ValueError: naming the argument.
    """
    if not 1 <= steps <= longest:
        raise ValueError(f"num_inference_steps={steps}; expected 1 to {longest}.")
    if not 1 <= samples <= MOST_SAMPLES:
        raise ValueError(f"num_samples={samples}; expected 1 to {MOST_SAMPLES}.")
    if not 0 < threshold < 1:
        raise ValueError(f"mask_threshold={threshold}; expected a number between 0 and 1.")
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"slice_batch_size={batch_size}; expected 1 or more.")


def check_measurement(measurement: Any | None, has_t1ce: bool, synthesizer: Any | None) -> None:
    """Compare a partial T1ce with what there is to complete.

    Raises:
        ValueError: a measurement is described and there is no T1ce, or no synthesizer to draw the rest of it.
    """
    if measurement is not None and not (has_t1ce and synthesizer is not None):
        missing = "no t1ce was given" if not has_t1ce else "this model has no synthesizer"
        raise ValueError(f"t1ce_measurement where {missing}; expected a T1ce to complete, and a net that draws it.")


def one_by_one(work: Callable[[str], Any], names: Iterable[str]) -> dict[str, Any]:
    """What some work returns for each name."""
    return {name: work(name) for name in names}


def check_images(
    images: Mapping[str, np.ndarray | torch.Tensor | None],
    each: Callable[[Callable, Iterable[str]], dict] = one_by_one,
) -> dict[str, np.ndarray]:
    """Take what was given as float32 on the CPU, leaving out what is None; what is float32 already is not copied.

    Args:
        images: (N, H, W) of any real type, by modality; `flair` is there and sets the shape.
        each: does some work for each of several names, as `one_by_one` does.

    Raises:
        ValueError: naming the modality, for another shape or values that are not finite.
    """
    given = {name: image for name, image in images.items() if image is not None}
    shape = tuple(given["flair"].shape)
    if len(shape) != 3:
        raise ValueError(f"flair: its shape is {shape}; expected (N, H, W), the axial slices of one volume.")
    for name, image in given.items():
        if tuple(image.shape) != shape:
            raise ValueError(f"{name}: its shape is {tuple(image.shape)}; expected {shape} as FLAIR has it.")
    return each(lambda name: _finite(name, given[name]), given)


def _finite(name: str, image: np.ndarray | torch.Tensor) -> np.ndarray:
    taken = np.asarray(image.detach().float().cpu() if isinstance(image, torch.Tensor) else image, np.float32)
    # NaN and infinity show in the sum, and so does what is too large to add up.
    if not np.isfinite(_sum(taken)) and (broken := int((~np.isfinite(taken)).sum())):
        raise ValueError(f"{name}: {broken} values are NaN or infinite; expected finite intensities.")
    return taken


def _sum(values: np.ndarray) -> float:
    """Add up a volume line by line as it lies in memory, as a product with ones: a third of the time for a window."""
    forwards = values[tuple(slice(None, None, -1 if step < 0 else 1) for step in values.strides)]
    lines = forwards.transpose(sorted(range(values.ndim), key=lambda axis: -forwards.strides[axis]))
    with np.errstate(over="ignore", invalid="ignore"):
        return float((lines @ np.ones(lines.shape[-1], np.float32)).sum())
