"""What the paper claims, and what we do, as data; `verdicts` says whether it held in a run of the paper's table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from recoseg_hf.evaluation.paper.criteria import (
    AtLeastAsGood,
    Better,
    Criterion,
    Marks,
    NotMuchWorse,
    OwnSetting,
    Reaches,
)
from recoseg_hf.evaluation.paper.published import paper_table
from recoseg_hf.evaluation.systems.rows import BASELINE, REGION_BASELINE, ROWS

PAPER, OURS = "the paper", "this project"


@dataclass(frozen=True)
class Claim:
    """A sentence and what it is judged by.

    Attributes:
        text: the claim in plain words.
        test: what has to come out above 0.
        where: in the paper, or for what reason we ask.
        by: whose claim, `PAPER` or `OURS`.
    """

    text: str
    test: Criterion
    where: str
    by: str = PAPER

    def published(self) -> dict[str, dict[str, float]]:
        """By data set of the paper the same difference in its Table 1, in percent points; empty without one."""
        if not isinstance(self.test, Better) or self.test.section != "volume":
            return {}
        sides = [ROWS[name].published for name in (self.test.row, self.test.base)]
        return _published_differences(*sides) if all(sides) else {}


def _beats(row: str, base: str, where: str) -> Claim:
    return Claim(f"{_short(row)} segments better than {_short(base)}.", Better(row, base), where)


def _ours(text: str, test: Criterion, where: str) -> Claim:
    return Claim(text, test, where, OURS)


def _short(row: str) -> str:
    return ROWS[row].title.removesuffix(" (as used by ReCoSeg++)")


_TABLE = "Table 1 and section 4.3"
_SYNTHESIS = ("ssim", "psnr")

PAPER_CLAIMS: tuple[Claim, ...] = (
    _beats("recoseg_plus_plus", "unet2d", _TABLE),
    _beats("recoseg_plus_plus", "unet3d", f"{_TABLE}; section 5: the light 2D net with residuals, over 3D"),
    _beats("recoseg_plus_plus", "ddmm_synth", f"{_TABLE}: the residual, over the synthetic T1ce itself"),
    _beats("recoseg_plus_plus", "recoseg", f"{_TABLE}; the table itself has it lower in Dice on BraTS2020"),
    _beats("recoseg", "ddmm_synth", "Table 1, poster"),
    _beats("recoseg", "unet3d", "section 4.3"),
    _beats("ddmm_synth", "unet3d", "section 4.3"),
    Claim(
        "A T1ce synthesised by diffusion helps over none: DDMM-Synth segments better than UNet2D.",
        Better("ddmm_synth", "unet2d"),
        _TABLE,
    ),
    Claim("3D context helps: UNet3D segments better than UNet2D.", Better("unet3d", "unet2d"), "section 4.3"),
    Claim(
        "A dynamic residual segments better than a static one (about +1.2 Dice points).",
        Better("recoseg_plus_plus", "unet2d_static", ("dice",)),
        "section 5",
    ),
    Claim(
        "The residual is high in the tumour: it picks out whole tumour better than guessing.",
        Marks("recoseg_plus_plus", "wt", "guessing"),
        "sections 3.1 and 4.4",
    ),
    Claim(
        "A dynamic residual locates the enhancing tumour better than a static one.",
        Marks("recoseg_plus_plus", "et", "static_residual"),
        "section 5",
    ),
    Claim(
        "Calibrating the residual helps: clipped, it segments better than not clipped.",
        Better("recoseg_plus_plus", "uncalibrated", ("dice",)),
        "section 3.2",
    ),
    Claim(
        "The BCE + Dice loss beside the DDPM's own gives a better T1ce than that loss alone.",
        Better("recoseg_plus_plus", "simple_loss", _SYNTHESIS, "synthesis"),
        "sections 3.1 and 4.4",
    ),
    Claim(
        "Self-attention helps the synthesis: with it the T1ce is better than without.",
        Better("recoseg_plus_plus", "no_attention", _SYNTHESIS, "synthesis"),
        "section 3.1",
    ),
    Claim(
        "The optimised noise schedule (cosine, as we read it) gives a better T1ce than the linear one.",
        Better("recoseg_plus_plus", "linear_schedule", _SYNTHESIS, "synthesis"),
        "sections 3.1 and 4.4",
    ),
    Claim(
        "A threshold of 0.3 segments better than 0.4 and 0.5 (about +0.8 Dice points).",
        OwnSetting("recoseg_plus_plus", "mask_threshold", "0.3", ("0.4", "0.5")),
        "sections 4.2 and 5",
    ),
    *(
        Claim(
            f"It stays accurate without a measured T1ce at inference, {how} (we ask: it loses at most 0.02 Dice).",
            NotMuchWorse("recoseg_plus_plus", "residual_source", "measured", (source,)),
            "sections 4.3 and 6",
        )
        for source, how in (("none", "with no residual"), ("ensemble", "the residual being the spread of samples"))
    ),
)

_PARTS = {
    "no_attention": "Self-attention in the synthesizer, over none.",
    "simple_loss": "The BCE + Dice loss in the synthesizer's training, over L_simple alone.",
    "linear_schedule": "The cosine noise schedule, over the linear one.",
    "synthesis_tumour": "A synthesizer that learnt on all slices, over one of slices with tumour alone.",
    "synthesis_healthy": "A synthesizer that learnt on all slices, over one of slices without tumour alone.",
}
_MATCHED = f"information-matched: {_short(BASELINE)} sees the measured T1ce too, which the paper's baselines do not"
_WITH_RESIDUAL = (
    "recoseg", "recoseg_plus_plus", "recoseg_small", "small_both", "unet3d_residual", "unet2d_static", "three_regions",
)  # fmt: skip
_IN_MASKS = "what changes the synthetic T1ce, asked of the masks"
_GOAL = "the goal set for the embedded default"

OUR_CLAIMS: tuple[Claim, ...] = (
    *(
        _ours(f"Ahead of {_short(BASELINE)}: {_short(row)}.", Better(row, BASELINE), _MATCHED)
        for row in _WITH_RESIDUAL
    ),
    *(
        _ours(
            f"Ahead of {_short(REGION_BASELINE)} on the enhancing tumour: {_short(row)}.",
            Better(row, REGION_BASELINE, ("dice",), region="et"),
            f"where contrast enhances, the residual has most to give; {_short(BASELINE)} has the whole tumour alone",
        )
        for row in ("recoseg_small", "small_both", "three_regions")
    ),
    *(
        _ours(
            f"ReCoSeg small is ahead on {name}, over {_short(base)}.",
            Better("recoseg_small", base, ("dice",), region=region),
            "where contrast enhances, the residual has most to give",
        )
        for base, region, name in (
            ("small_t1ce", "tc", "the tumour core"),
            ("small_both", "tc", "the tumour core"),
            ("small_both", "et", "the enhancing tumour"),
        )
    ),
    *(
        _ours(f"In ReCoSeg++'s masks too, it helps: {part}", Better("recoseg_plus_plus", row, ("dice",)), _IN_MASKS)
        for row, part in _PARTS.items()
    ),
    _ours(
        "The residual helps beyond the T1ce that it is made of: ReCoSeg small, over its own net with T1ce.",
        Better("recoseg_small", "small_t1ce"),
        "one net, the residual in place of T1ce; it is left out of one slice in six, the T1ce never",
    ),
    _ours(
        "The residual adds to the T1ce: the same net with both, over T1ce alone.",
        Better("small_both", "small_t1ce"),
        "one net, the residual apart; both are left out of one slice in six, the T1ce alone never",
    ),
    _ours(
        "In 3D too: the residual segments better than the T1ce that it is made of.",
        Better("unet3d_residual", "unet3d_t1ce"),
        "information-matched",
    ),
    _ours(
        "The light 2D net segments better than the 3D net that sees the same residual.",
        Better("recoseg_plus_plus", "unet3d_residual"),
        "section 5 compares a 2D net with residual to a 3D net without",
    ),
    _ours(
        "Diffusion is worth it: its residual segments better than that of a one-step regression.",
        Better("recoseg_plus_plus", "regression"),
        "the same net and budget, one step; the regression has no L_recon",
    ),
    _ours(
        "Learning TC and ET beside it makes the whole tumour no worse, but better.",
        Better("three_regions", "recoseg_plus_plus", ("dice",)),
        "three heads against the paper's one",
    ),
    _ours(
        "Three regions are at least as good on the whole tumour as it alone (we ask: they lose at most 0.02 Dice).",
        AtLeastAsGood("recoseg_small", "small_wt"),
        "the same net and training; where it holds, all three are the embedded default's",
    ),
    _ours(
        "Where the synthesizer learns matters: from healthy slices alone, over from slices with tumour.",
        Better("synthesis_healthy", "synthesis_tumour", ("dice",)),
        "a residual marks what the synthesizer does not know",
    ),
    _ours(
        "Residuals drawn out of fold train a better segmenter than those of subjects that the synthesizer has seen.",
        Better("out_of_fold", "recoseg_plus_plus"),
        "the paper does not say how residuals for training are made",
    ),
    _ours(
        "A measured T1ce helps over none: UNet2D + T1ce segments better than UNet2D.",
        Better(BASELINE, "unet2d"),
        "what the residual rows owe to the T1ce in them",
    ),
    _ours("The same in 3D.", Better("unet3d_t1ce", "unet3d"), "what the residual row owes to the T1ce in it"),
    _ours(
        "ReCoSeg small reaches a whole-tumour Dice of 0.90 per volume.",
        Reaches("recoseg_small", 0.9),
        _GOAL,
    ),
    _ours(
        "The residual picks out whole tumour better than FLAIR intensity alone.",
        Marks("recoseg_plus_plus", "wt", "flair"),
        "a cue that needs no model",
    ),
    _ours(
        "ReCoSeg small's residual picks out the enhancing tumour better than |T1ce - T1|.",
        Marks("recoseg_small", "et", "static_residual"),
        "a cue that needs no model",
    ),
    _ours(
        "ReCoSeg small's residual picks out the enhancing tumour better than FLAIR intensity alone.",
        Marks("recoseg_small", "et", "flair"),
        "a cue that needs no model",
    ),
    _ours(
        "The residual picks out the tumour core better than |T1ce - T1|.",
        Marks("recoseg_plus_plus", "tc", "static_residual"),
        "a cue that needs no model",
    ),
)

CLAIMS = PAPER_CLAIMS + OUR_CLAIMS


def _published_differences(row: str, base: str) -> dict[str, dict[str, float]]:
    table: Mapping = paper_table()
    found = {(one["data"], one["system"]): one for one in table["rows"]}
    return {
        data: {
            score: round(float(found[data, row][score]) - float(found[data, base][score]), 2)
            for score in ("dice", "iou")
        }
        for data in dict.fromkeys(one["data"] for one in table["rows"])
    }
