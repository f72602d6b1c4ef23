"""From tissue to signal: relaxation constants, scanner settings and the spin-echo and inversion-recovery equations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

TISSUES = ("white_matter", "grey_matter", "fluid", "oedema", "enhancing", "necrosis", "blood")

# T1 (ms), T2 (ms) and proton density at 1.5 T. Healthy tissue: Kwan, Evans and Pike 1999 (IEEE TMI 18:1085, BrainWeb).
# Blood: Stanisz et al. 2005 (MRM 54:507). Tumour: our choice, longer than white matter's as relaxometry finds
# (Bottomley et al. 1987, Med Phys 14:1), set so that contrast to healthy tissue is that of clinical scans.
RELAXATION = {
    "white_matter": (500.0, 70.0, 0.77),
    "grey_matter": (833.0, 83.0, 0.86),
    "fluid": (2569.0, 329.0, 1.00),
    "oedema": (830.0, 116.0, 0.88),
    "enhancing": (900.0, 122.0, 0.88),
    "necrosis": (1150.0, 150.0, 0.92),
    "blood": (1441.0, 90.0, 0.85),
}
RELAXIVITY = 4.5  # of gadolinium chelates at 1.5 T, per mM and s (Rohrer et al. 2005, Invest Radiol 40:715)
CONCENTRATION = {"enhancing": 0.35, "blood": 0.8, "grey_matter": 0.02, "white_matter": 0.01, "necrosis": 0.03}  # mM
FIELD_EXPONENT = 0.34  # T1 grows with field strength to about this power (Bottomley et al. 1984, Med Phys 11:425)


@dataclass(frozen=True)
class Site:
    """A scanner: times in ms, the rest without unit.

    Attributes:
        field_strength: tesla.
        t1_times, t2_times: (repetition time, echo time) of the spin echoes; T1ce is the T1 sequence after contrast.
        flair_times: (repetition time, echo time, inversion time).
        noise: standard deviation of the complex noise as a share of white matter's signal.
        bias: amplitude of the slow change of intensity over the head.
        gain: intensity units of the brightest signal.
    """

    field_strength: float = 1.5
    t1_times: tuple[float, float] = (500.0, 12.0)
    t2_times: tuple[float, float] = (4500.0, 95.0)
    flair_times: tuple[float, float, float] = (9000.0, 120.0, 2150.0)
    noise: float = 0.025
    bias: float = 0.06
    gain: float = 1200.0


SITES = {
    "a": Site(),
    "b": Site(field_strength=3.0, t1_times=(750.0, 10.0), flair_times=(9500.0, 125.0, 2050.0), noise=0.02, bias=0.1),
    "c": Site(t1_times=(500.0, 14.0), t2_times=(3800.0, 105.0), noise=0.04, bias=0.08, gain=400.0),
}


def spin_echo(t1: float, t2: float, density: float, repetition: float, echo: float) -> float:
    """S = PD (1 - exp(-TR / T1)) exp(-TE / T2)."""
    return density * (1 - np.exp(-repetition / t1)) * np.exp(-echo / t2)


def inversion_recovery(
    t1: float, t2: float, density: float, repetition: float, echo: float, inversion: float
) -> float:
    """S = PD |1 - 2 exp(-TI / T1) + exp(-TR / T1)| exp(-TE / T2)."""
    return density * abs(1 - 2 * np.exp(-inversion / t1) + np.exp(-repetition / t1)) * np.exp(-echo / t2)


def with_contrast_agent(t1: float, concentration: float) -> float:
    """T1 in ms once the agent has arrived: 1 / T1' = 1 / T1 + r1 C."""
    return 1000 / (1000 / t1 + RELAXIVITY * concentration)


def tissue_signals(site: Site) -> dict[str, dict[str, float]]:
    """Signal of each tissue in each of the four images, in units of `site.gain`."""
    stretch = (site.field_strength / 1.5) ** FIELD_EXPONENT
    signals: dict[str, dict[str, float]] = {name: {} for name in ("flair", "t1", "t2", "t1ce")}
    for tissue, (t1_at_reference, t2, density) in RELAXATION.items():
        # Fluid's T1 hardly depends on the field.
        t1 = t1_at_reference * (1.0 if tissue == "fluid" else stretch)
        enhanced = with_contrast_agent(t1, CONCENTRATION.get(tissue, 0.0))
        signals["flair"][tissue] = inversion_recovery(t1, t2, density, *site.flair_times)
        signals["t1"][tissue] = spin_echo(t1, t2, density, *site.t1_times)
        signals["t2"][tissue] = spin_echo(t1, t2, density, *site.t2_times)
        signals["t1ce"][tissue] = spin_echo(enhanced, t2, density, *site.t1_times)
    return signals
