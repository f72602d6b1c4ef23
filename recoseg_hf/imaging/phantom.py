"""Simulated cases with known truth and no patient behind them: for the demo, the tests and a fresh machine."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.phantom_anatomy import deformed_tissue, draw_tumour, grid, grow_tumour, smooth_noise
from recoseg_hf.imaging.phantom_signal import SITES, TISSUES, Site, tissue_signals
from recoseg_hf.imaging.volume import Volume, write_volume
from recoseg_hf.pipeline.conventions import MODALITIES

FIELD_OF_VIEW = 240.0  # mm along the first axis, as in BraTS
TEXTURE = 0.04
OWN_BIAS = 0.25  # of the slow bias that all images of a session share


def simulate_case(
    seed: int = 0, shape: tuple[int, int, int] = (240, 240, 155), tumour: bool = True, site: Site | str = "a"
) -> Case:
    """Simulate one skull-stripped, co-registered subject in BraTS geometry (LPS).

    Args:
        seed: same seed, same case; another seed, another head and tumour.
        shape: voxels; they are isotropic and the first axis spans 240 mm, so (240, 240, 155) has 1 mm.
        tumour: False simulates a healthy head.
        site: a scanner, or its name in `SITES`; it changes intensities, never anatomy.

    Returns:
        A case named `simulated-<seed>` with all four images and its segmentation (labels 0, 1, 2, 4).

    Raises:
        RecosegError: if nilearn, which ships the tissue maps, is not installed.
        ValueError: if the site's name is unknown.
    """
    if isinstance(site, str):
        if site not in SITES:
            raise ValueError(f"site={site!r}; expected one of {', '.join(SITES)}.")
        site = SITES[site]
    anatomy, scanner = (np.random.default_rng([seed, part]) for part in (0, 1))
    spacing = FIELD_OF_VIEW / shape[0]
    positions = grid(shape, spacing)
    mass = draw_tumour(anatomy, shape, spacing) if tumour else None
    tissue = deformed_tissue(anatomy, positions, spacing, mass)
    labels = np.zeros(shape, np.uint8)
    if mass is not None:
        labels, strength = grow_tumour(anatomy, positions, spacing, mass, tissue)
        tissue = _with_tumour(tissue, labels, strength)
    tissue["blood"] = _vessels(anatomy, tissue, spacing)
    images = _scan(scanner, tissue, site, spacing)
    return _as_case(f"simulated-{seed}", images, labels, spacing)


def _with_tumour(tissue: dict, labels: np.ndarray, strength: np.ndarray) -> dict:
    """Replace healthy tissue where the tumour has grown; borders are soft, as partial volume makes them."""
    from scipy import ndimage

    parts = {"oedema": (labels == 2) * strength, "enhancing": labels == 4, "necrosis": labels == 1}
    parts = {
        name: ndimage.gaussian_filter(part.astype(np.float32), 0.6) * tissue["brain"] for name, part in parts.items()
    }
    left = np.clip(1 - sum(parts.values()), 0, 1)
    healthy = {name: tissue[name] * left for name in ("white_matter", "grey_matter", "fluid")}
    return {**healthy, **parts, "brain": tissue["brain"]}


def _vessels(generator: np.random.Generator, tissue: dict, spacing: float) -> np.ndarray:
    """Blood in the sulci and sinuses, so that not only tumour enhances."""
    from scipy import ndimage

    outer = ndimage.distance_transform_edt(tissue["brain"]) * spacing < 7
    dense = smooth_noise(generator, tissue["brain"].shape, max(4 / spacing, 1))
    return 0.8 * tissue["fluid"] * outer * (dense > 1.3)


def _scan(generator: np.random.Generator, tissue: dict, site: Site, spacing: float) -> dict[str, np.ndarray]:
    """Signal, texture, slow bias and Rician noise; zero outside the brain, whole numbers inside."""
    brain = tissue["brain"]
    tissue = tissue | {"fluid": np.clip(tissue["fluid"] - tissue["blood"], 0, 1)}
    # The coil's sensitivity is in every image of a session alike; the rest differs from sequence to sequence.
    received = smooth_noise(generator, brain.shape, 90 / spacing)
    images = {}
    for name, signals in tissue_signals(site).items():
        clean = sum(tissue[part] * np.float32(signals[part]) for part in TISSUES if part in tissue)
        clean = clean * (1 + TEXTURE * smooth_noise(generator, brain.shape, max(3 / spacing, 1)))
        own = OWN_BIAS * smooth_noise(generator, brain.shape, 90 / spacing)
        clean = clean * np.exp(site.bias * (received + own))
        sigma = site.noise * signals["white_matter"]
        real, imaginary = (sigma * generator.standard_normal(brain.shape, dtype=np.float32) for _ in range(2))
        noisy = np.hypot(clean + real, imaginary) * site.gain
        images[name] = np.where(brain, np.maximum(np.rint(noisy), 1), 0).astype(np.float32)
    return images


def _as_case(subject: str, images: dict[str, np.ndarray], labels: np.ndarray, spacing: float) -> Case:
    """Turn RAS arrays to the LPS geometry of BraTS."""
    affine = np.diag([-spacing, -spacing, spacing, 1.0])
    affine[1, 3] = spacing * (labels.shape[1] - 1)
    turned = {name: np.ascontiguousarray(array[::-1, ::-1]) for name, array in (*images.items(), ("seg", labels))}
    return Case(subject=subject, **{name: Volume(array, affine) for name, array in turned.items()})


def write_case(case: Case, folder: str | Path) -> Path:
    """Write a case under BraTS names: `<folder>/<subject>/<subject>_flair.nii.gz` and so on.

    Returns:
        The subject's folder.
    """
    target = Path(folder) / case.subject
    target.mkdir(parents=True, exist_ok=True)
    for name in (*MODALITIES, "seg"):
        volume = getattr(case, name)
        if volume is not None:
            dtype = np.uint8 if name == "seg" else np.int16
            write_volume(target / f"{case.subject}_{name}.nii.gz", volume, dtype)
    return target
