"""The rows of the paper's table and ours: which system each is, who draws its T1ce, how it is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recoseg_hf.errors import InputError
from recoseg_hf.evaluation.systems.variants import cpu_variant, vary_system

Values = Mapping[str, Any]

BASELINE = "unet2d_t1ce"
"""The row that the others are compared with: it sees the measured T1ce, as the residual does."""

REGION_BASELINE = "small_t1ce"
"""The row that others with TC and ET are compared with on these; `BASELINE` has the whole tumour alone."""

_PAPER = {"learning_rate": 3e-4, "lr_scheduler": "plateau", "adam_weight_decay": 0.0}
_POSTER = {"learning_rate": 2e-4, "adam_weight_decay": 0.0}
_SMALL = {"learning_rate": 1e-3, "lr_scheduler": "cosine", "lr_warmup_steps": 50, "ema_decay": 0.998}
_NO_ATTENTION = {
    "down_block_types": ["DownBlock2D"] * 4,
    "up_block_types": ["UpBlock2D"] * 4,
    "add_attention": False,  # between the two paths
}
# One timestep with beta = 1: alpha_bar is 0, so that x_t is noise and says nothing of x_0. What the squared error of
# x0_hat is least for is then the conditional mean of T1ce, and one step returns the net's output as it is.
_REGRESSION = {
    "num_train_timesteps": 1,
    "beta_schedule": "linear",
    "beta_start": 1.0,
    "beta_end": 1.0,
    "prediction_type": "sample",
}


@dataclass(frozen=True)
class Row:
    """One system of the comparison.

    Attributes:
        title: as the paper names it.
        system: a folder of `pipelines/`.
        drawn_by: the row whose synthesizer it uses; None for a system without one.
        training: options of its segmenter's training; where it is `drawn_by` itself, `drawing` of its synthesizer's.
        drawing: see `training`.
        changes: what differs from `system`, as `vary_system` takes it.
        folds: of how many folds each train subject's residual is drawn by a synthesizer that never saw it; 0 is by
            the one that was trained on all of them.
        published: its name in `paper/published.json`, if it stands there.
        full_size: whether it keeps its size on a CPU.
    """

    title: str
    system: str
    drawn_by: str | None = None
    training: Values = field(default_factory=lambda: dict(_PAPER))
    drawing: Values = field(default_factory=dict)
    changes: Mapping[str, Values] = field(default_factory=dict)
    folds: int = 0
    published: str | None = None
    full_size: bool = False

    @property
    def is_volume(self) -> bool:
        """Whether it is one of the 3D rows."""
        return self.system.startswith("unet3d")

    def write_system(self, systems: Path, target: Path, full_size: bool, settings: Values) -> Path:
        """Write its configurations.

        Args:
            systems: the folder `pipelines/`.
            target: the new folder.
            full_size: False for the size for a CPU.
            settings: of the pipeline, over all others but what the row itself changes.
        """
        settings = {name: value for name, value in settings.items() if name not in self.changes.get("settings", {})}
        vary_system(systems / self.system, target, **{name: dict(values) for name, values in self.changes.items()})
        if not full_size and not self.full_size:
            cpu_variant(target, target)
        return vary_system(target, target, settings=settings) if settings else target


def _small_variant(title: str, drawn_by: str | None, **settings: str) -> Row:
    """ReCoSeg small's net with other settings."""
    return Row(title, "recoseg_small", drawn_by, _SMALL, changes={"settings": settings}, full_size=True)


ROWS: dict[str, Row] = {
    "unet2d": Row("UNet2D", "unet2d", published="UNet2D"),
    "unet2d_t1ce": Row("UNet2D + T1ce", "unet2d_t1ce"),
    "unet3d": Row("UNet3D", "unet3d", published="UNet3D"),
    "unet3d_t1ce": Row("UNet3D + T1ce", "unet3d_t1ce"),
    "unet3d_residual": Row("UNet3D + residual", "unet3d_residual", "recoseg_plus_plus"),
    "ddmm_synth": Row("DDMM-Synth (as used by ReCoSeg++)", "ddmm_synth", "recoseg_plus_plus", published="DDMM-Synth"),
    "recoseg": Row("ReCoSeg", "recoseg", "recoseg", _POSTER, _POSTER, published="ReCoSeg"),
    "recoseg_plus_plus": Row(
        "ReCoSeg++", "recoseg_plus_plus", "recoseg_plus_plus", _PAPER, _PAPER, published="ReCoSeg++"
    ),
    "recoseg_small": Row("ReCoSeg small", "recoseg_small", "recoseg_small", _SMALL, _SMALL, full_size=True),
    "small_t1ce": _small_variant("ReCoSeg small's net + T1ce, no residual", None, segmenter_inputs="flair,t1,t2,t1ce"),
    "small_both": _small_variant(
        "ReCoSeg small + T1ce", "recoseg_small", segmenter_inputs="flair,t1,t2,t1ce,residual"
    ),
    "small_wt": _small_variant("ReCoSeg small, WT alone", "recoseg_small", regions="wt"),
    "unet2d_static": Row("static residual |T1ce - T1|", "unet2d_static"),
    "linear_schedule": Row(
        "ReCoSeg++, linear schedule",
        "recoseg_plus_plus",
        "linear_schedule",
        drawing=_PAPER,
        changes={"scheduler": {"beta_schedule": "linear"}},
    ),
    "simple_loss": Row(
        "ReCoSeg++, L_simple alone",
        "recoseg_plus_plus",
        "simple_loss",
        drawing=_PAPER | {"reconstruction_loss": "none"},
    ),
    "no_attention": Row(
        "ReCoSeg++, no attention",
        "recoseg_plus_plus",
        "no_attention",
        drawing=_PAPER,
        changes={"synthesizer": _NO_ATTENTION},
    ),
    "regression": Row(
        "ReCoSeg++, T1ce by regression",
        "recoseg_plus_plus",
        "regression",
        drawing=_PAPER | {"reconstruction_loss": "none"},
        changes={"scheduler": _REGRESSION, "settings": {"num_inference_steps": 1}},
    ),
    "synthesis_tumour": Row(
        "ReCoSeg++, synthesis learnt on slices with tumour",
        "recoseg_plus_plus",
        "synthesis_tumour",
        drawing=_PAPER | {"synthesis_domain": "tumour"},
    ),
    "synthesis_healthy": Row(
        "ReCoSeg++, synthesis learnt on slices without tumour",
        "recoseg_plus_plus",
        "synthesis_healthy",
        drawing=_PAPER | {"synthesis_domain": "healthy"},
    ),
    "out_of_fold": Row(
        "ReCoSeg++, out-of-fold residuals of 3 folds",
        "recoseg_plus_plus",
        "recoseg_plus_plus",
        folds=3,
    ),
    "uncalibrated": Row(
        "ReCoSeg++, residual not clipped",
        "recoseg_plus_plus",
        "recoseg_plus_plus",
        changes={"settings": {"residual_clip": 1.0}},
    ),
    "three_regions": Row(
        "ReCoSeg++, WT, TC and ET",
        "recoseg_plus_plus",
        "recoseg_plus_plus",
        changes={"settings": {"regions": "wt,tc,et"}},
    ),
}


def chosen_rows(names: Sequence[str]) -> dict[str, Row]:
    """The rows of these names, in the table's order; all for none.

    Raises:
        InputError: naming what is no row.
    """
    if unknown := sorted(set(names) - set(ROWS)):
        raise InputError("--systems", f"no row {', '.join(unknown)}", f"some of {', '.join(ROWS)}", "Check the names.")
    return {name: row for name, row in ROWS.items() if not names or name in names}
