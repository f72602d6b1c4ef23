"""The picture: everybody's seconds on a logarithmic scale, and our stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.performance.result import STAGES, ours_for
from benchmarks.performance.wording import number
from recoseg_hf.evaluation.canvas import STYLES, new_figure, save, wrapped

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BLUE, _ORANGE, _GREEN, _PINK, _SKY = (style["color"] for style in STYLES)
_COLOURS = {"ours": _BLUE, "stock": _ORANGE, "tuned": "#F0B48A", "floor": "0.55"}
_LABELS = {
    "ours": "recoseg_hf",
    "stock": "others, as their users run them",
    "tuned": "others, with our settings",
    "floor": "floor",
}
_STAGE_COLOURS = dict(zip(STAGES, ("#56B4E9", "#009E73", "#0072B2", "#CC79A7", "#E69F00", "0.6"), strict=True))
_HEADINGS = {
    "mask": "a subject, files to mask; others: the net alone",
    "synthesize": "synthetic T1ce of all slices",
    "input": "reading and preprocessing",
}


def draw(result: Mapping[str, Any], path: Path) -> None:
    """Draw and write it."""
    figure = new_figure(13.5, 8.6, "constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.75, 1))
    _draw_contestants(left, result)
    _draw_stages(right, result)
    caption = (
        "Medians of interleaved turns on one machine, one case, "
        f"{result['machine']['threads']} threads. Hatched: extrapolated from a part that was measured. Weights of "
        "others are untrained; 3D nets give three regions on the whole grid at 1 mm, ours on slices of its own grid."
    )
    figure.supxlabel(wrapped(caption, 13.5), fontsize=8.5, ha="left", x=0.02)
    save(figure, path)


def _groups(result: Mapping[str, Any]) -> list[tuple[str, list[dict[str, Any]]]]:
    """Bars under their headings: ours first, then others from the quickest to the slowest, each in both settings."""
    floor = result["floor"]
    inflate, nets = floor["inflate_seconds"], floor["stages"]
    least = {
        "mask": floor["mask_seconds"], "synthesize": nets.get("synthesize"), "input": inflate and inflate["median"]
    }  # fmt: skip
    groups = []
    for against, heading in _HEADINGS.items():
        own = [("floor: all stages" if against == "mask" else "floor", "floor", least[against])]
        own.append(("recoseg_hf", "ours", ours_for(result, against)))
        bars = [_bar(*one) for one in own if one[2]]
        others = [row for row in result["rows"] if row["against"] == against]
        for title in sorted({row["title"] for row in others}, key=lambda title: _slowest(others, title)):
            pair = sorted((row for row in others if row["title"] == title), key=lambda row: row["setting"])
            for one in pair:
                seconds, ratio = one["seconds"]["median"], one.get("ratio")
                bars.append(_bar(title, one["setting"], seconds, bool(one["basis"]), ratio, one is pair[0]))
        if bars:
            groups.append((heading, bars))
    return groups


def _slowest(rows: Sequence[Mapping[str, Any]], title: str) -> float:
    return max(row["seconds"]["median"] for row in rows if row["title"] == title)


def _bar(
    title: str, setting: str, seconds: float, part: bool = False, ratio: float | None = None, named: bool = True
) -> dict[str, Any]:
    return {
        "title": title, "setting": setting, "seconds": seconds, "part": part, "ratio": ratio, "named": named
    }  # fmt: skip


def _draw_contestants(axis: Axes, result: Mapping[str, Any]) -> None:
    place, ticks, names = 0.0, [], []
    every = [bar["seconds"] for _, bars in _groups(result) for bar in bars]
    for heading, bars in _groups(result):
        axis.text(
            0.0,
            place + 0.15,
            heading,
            transform=axis.get_yaxis_transform(),
            fontweight="bold",
            fontsize=9,
            va="bottom",
        )
        place -= 0.55
        for bar in bars:
            axis.barh(
                place, bar["seconds"], height=0.82, color=_COLOURS[bar["setting"]],
                hatch="///" if bar["part"] else None, edgecolor="white", linewidth=0,
            )  # fmt: skip
            ratio = f"   {number(bar['ratio'])}x ours" if bar["ratio"] else ""
            axis.text(bar["seconds"] * 1.08, place, f"{number(bar['seconds'])} s{ratio}", va="center", fontsize=7.5)
            if bar["named"]:
                ticks.append(place - (0.42 if bar["setting"] == "stock" else 0))
                names.append(_short(bar["title"]))
            place -= 0.84 if bar["setting"] == "stock" else 1.05
        place -= 0.9
    axis.set(xscale="log", xlabel="seconds (logarithmic)", ylim=(place + 0.6, 1.0))
    axis.set_xlim(min(every) / 2, max(every) * 30)
    axis.xaxis.set_major_formatter(lambda seconds, _: f"{seconds:,g}")
    axis.set_yticks(ticks, names, fontsize=8)
    _plain(axis)
    _legend(axis, _COLOURS, _LABELS)


def _short(title: str) -> str:
    return title.replace("MONAI DiffusionInferer, ", "MONAI diffusion, ").replace(
        ", sliding window", ",\nsliding window"
    )


def _draw_stages(axis: Axes, result: Mapping[str, Any]) -> None:
    titles = {"ours_mask": "files to\nmask", "ours_all": "files to\nall outputs"}
    stacks = {
        titles[name]: {stage: found["median"] for stage, found in result["ours"][name]["stages"].items()}
        for name in titles if name in result["ours"]
    }  # fmt: skip
    least = {stage: result["floor"]["stages"][stage] for stage in STAGES if stage in result["floor"]["stages"]}
    stacks |= {"floor of the\nmask": least} if least else {}
    whole = max((sum(stages.values()) for stages in stacks.values()), default=0.0)
    for place, stages in enumerate(stacks.values()):
        _stack(axis, place, stages, whole)
    axis.set_xticks(range(len(stacks)), [*stacks], fontsize=9)
    axis.set(ylabel="seconds", xlim=(-0.6, 2.6))
    axis.set_title("recoseg_hf by stage", fontsize=9, fontweight="bold", loc="left")
    _plain(axis, "y")
    _legend(axis, _STAGE_COLOURS, {stage: stage for stage in STAGES}, reverse=True)


def _stack(axis: Axes, place: int, stages: Mapping[str, float], highest: float) -> None:
    below = 0.0
    for stage, seconds in stages.items():
        axis.bar(
            place, seconds, bottom=below, width=0.62, color=_STAGE_COLOURS[stage], edgecolor="white", linewidth=0.6
        )
        if seconds > 0.025 * highest:
            axis.text(place, below + seconds / 2, number(seconds), ha="center", va="center", fontsize=8, color="white")
        below += seconds
    axis.text(place, below, f"{number(below)} s", ha="center", va="bottom", fontsize=9, fontweight="bold")


def _plain(axis: Axes, grid: str = "x") -> None:
    axis.grid(axis=grid, color="0.9")
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)


def _legend(axis: Axes, colours: Mapping[str, str], labels: Mapping[str, str], reverse: bool = False) -> None:
    from matplotlib.patches import Patch

    handles: Sequence[Any] = [Patch(color=colours[name], label=label) for name, label in labels.items()]
    axis.legend(handles=handles[::-1] if reverse else handles, fontsize=8, frameon=False, loc="upper right")
