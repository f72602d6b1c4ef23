"""What the paper claims, and what we do, as data; and whether it held in a run of the paper's table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recoseg_hf.evaluation.paper.evidence import (
    DID_NOT_HOLD,
    HELD,
    NOT_MEASURED,
    UNDECIDED,
    Better,
    Evidence,
    Marks,
    Measurement,
    NotMuchWorse,
    OwnSetting,
    Reaches,
    Test,
)
from recoseg_hf.evaluation.paper.folder import PaperFolder
from recoseg_hf.evaluation.paper.published import paper_table
from recoseg_hf.evaluation.systems.rows import BASELINE, REGION_BASELINE, ROWS

OUTCOMES = (HELD, DID_NOT_HOLD, UNDECIDED, NOT_MEASURED)
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
    test: Test
    where: str
    by: str = PAPER

    def published(self) -> dict[str, dict[str, float]]:
        """By data set of the paper the same difference in its Table 1, in percent points; empty without one."""
        if not isinstance(self.test, Better) or self.test.section != "volume":
            return {}
        sides = [ROWS[name].published for name in (self.test.row, self.test.base)]
        return _published_differences(*sides) if all(sides) else {}


@dataclass(frozen=True)
class Verdict:
    """What one data set says of a claim under one protocol.

    Attributes:
        claim: judged.
        data: the data set's name.
        protocol: "volume" (whole volumes) or "paper" (slices with tumour only).
        measurements: one for each score of the claim.
    """

    claim: Claim
    data: str
    protocol: str
    measurements: tuple[Measurement, ...]

    @property
    def outcome(self) -> str:
        """One of `OUTCOMES`: held where every score says so, not held where one says the contrary."""
        found = [measurement.outcome for measurement in self.measurements]
        if all(one == NOT_MEASURED for one in found):
            return NOT_MEASURED
        if DID_NOT_HOLD in found:
            return DID_NOT_HOLD
        return HELD if all(one == HELD for one in found) else UNDECIDED

    def as_json(self) -> dict[str, Any]:
        """JSON values, without a subject's name."""
        return {
            "claim": self.claim.text,
            "by": self.claim.by,
            "where": self.claim.where,
            "data": self.data,
            "protocol": self.protocol,
            "outcome": self.outcome,
            "measurements": [
                {
                    "score": one.score,
                    "value": one.value,
                    "interval": list(one.interval) if one.interval else None,
                    "n": one.n,
                    "higher": one.higher,
                    "lower": one.lower,
                    "why": one.why,
                }
                for one in self.measurements
            ],
        }


def _beats(row: str, base: str, where: str) -> Claim:
    return Claim(f"{_short(row)} segments better than {_short(base)}.", Better(row, base), where)


def _ours(text: str, test: Test, where: str) -> Claim:
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

_MATCHED = f"information-matched: {_short(BASELINE)} sees the measured T1ce too, which the paper's baselines do not"
_WITH_RESIDUAL = (
    "recoseg", "recoseg_plus_plus", "recoseg_small", "small_both", "unet3d_residual", "unet2d_static", "three_regions",
)  # fmt: skip
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


def judge_claims(folder: str | Path, claims: Sequence[Claim] = CLAIMS) -> list[Verdict]:
    """Judge claims by what `training/reproduce_paper.py` wrote.

    Differences to UNet2D + T1ce are taken from `results.json`, others computed from the rows' own results, subject by
    subject. A claim is decided only where the 95 % interval of its difference does not hold 0. With few subjects that
    interval is too narrow (see `intervals.bootstrap_interval`), and of twenty claims without substance one is decided
    by chance.

    Args:
        folder: the script's `--output_dir`.
        claims: to judge.

    Returns:
        For each data set and claim a verdict under each protocol that the claim can be judged under.

    Raises:
        InputError: the folder is none of that script.
    """
    return list(_judged(PaperFolder.read(folder), claims))


def judge_folder(folder: PaperFolder, claims: Sequence[Claim] = CLAIMS) -> list[Verdict]:
    """As `judge_claims`, of a folder that has been read."""
    return list(_judged(folder, claims))


def verdict_counts(verdicts: Sequence[Verdict]) -> dict[str, int]:
    """How many verdicts have each outcome, in the order of `OUTCOMES`."""
    return {outcome: sum(verdict.outcome == outcome for verdict in verdicts) for outcome in OUTCOMES}


def _judged(folder: PaperFolder, claims: Sequence[Claim]) -> Iterator[Verdict]:
    evidence = Evidence(folder)
    for data in folder.results:
        for claim in claims:
            for protocol in claim.test.protocols:
                yield Verdict(claim, data, protocol, tuple(evidence.measure(claim.test, data, protocol)))


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
