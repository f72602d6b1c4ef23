"""From a stack of raw axial slices to the nets' grid, and back (a leaf: imports torch and numpy alone).

All statistics are taken over the brain of the whole stack, one volume, and never per slice: a slice's appearance must
not depend on how much tumour it holds.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F

_CONDITIONS = ("flair", "t1", "t2")
NORMALIZATIONS = ("zscore", "robust")
ROBUST_WINDOW = (-3.0, 6.0)
QUARTILES_PER_DEVIATION = 1.349  # interquartile range of a Gaussian in standard deviations
MORE_THAN_HALF = 0.5 + 1e-5  # rounding must not decide about a pixel of which brain covers exactly half
_ROOM_OF_THREADS = 2**26  # bytes
_SLICES_AT_A_TIME = 16  # with more they leave a processor's cache, with fewer threads wait for Python
_PIXELS_OF_A_PRODUCT = 16  # with more most shares are zero, with fewer a product is over before it gets going
_BITS_WITHIN_A_BIN = 15  # of 32; the bins' counts fit a processor's cache


_Name = TypeVar("_Name")
_Found = TypeVar("_Found")


def for_each(work: Callable[[_Name], _Found], names: Iterable[_Name]) -> dict[_Name, _Found]:
    """Do some work for each modality, or whatever has names, as many at a time as torch has threads: most uses one.

    Where memory is short it is done one by one: Python waits for ever for a thread that finds none to begin in.

    Raises:
        Exception: what the work for the first of those that failed raised.
    """
    names = list(names)
    try:
        np.empty(_ROOM_OF_THREADS, np.uint8)
    except MemoryError:
        return {name: work(name) for name in names}
    with ThreadPoolExecutor(max(min(torch.get_num_threads(), len(names)), 1)) as pool:
        return dict(zip(names, pool.map(work, names), strict=True))


def percentiles(values: np.ndarray, percentages: Sequence[float]) -> list[float]:
    """Return what `np.percentile` does, in a third of its time: of a million values only those around each are sorted.

    Floats from 0 up are in the order of their bits, taken as whole numbers; the leading ones say in which of 256 bins
    to a factor of two a value lies, and the counts say which bins hold those between which a percentile lies.

    Args:
        values: float32 (M,), M > 0.
        percentages: 0 to 100.

    Returns:
        Interpolated linearly, in double precision: within 1e-7 of `np.percentile`, which takes differences in single.
    """
    bits = values.view(np.int32)
    if bits.min() < 0:  # so is a value, or -0
        return np.percentile(values, percentages).tolist()
    bins = bits >> _BITS_WITHIN_A_BIN
    counts = torch.bincount(torch.from_numpy(bins)).numpy()
    ends = np.cumsum(counts)
    places = np.asarray(percentages, np.float64) / 100 * (values.size - 1)
    below = np.floor(places).astype(np.int64)
    ranks = np.stack([below, np.minimum(below + 1, values.size - 1)])
    holding = np.searchsorted(ends, ranks, "right")
    chosen = np.zeros(counts.size, bool)
    chosen[holding] = True
    kept = np.sort(values[chosen[bins]]).astype(np.float64)
    skipped = np.cumsum(np.where(chosen, 0, counts))  # values of the bins before that were left out
    low, high = kept[ranks - skipped[holding]]
    return (low + (high - low) * (places - below)).tolist()


@dataclass(frozen=True)
class IntensityScale:
    """One modality's intensities in the brain, in source units.

    Attributes:
        low, high: clipping limits.
        center, deviation: what standardising subtracts and divides by.
        dark, bright: what 0 and 1 stand for where an image lies in [0, 1].
    """

    low: float
    high: float
    center: float
    deviation: float
    dark: float
    bright: float

    @classmethod
    def measure(
        cls, stack: torch.Tensor, brain: torch.Tensor, lower: float, upper: float, normalization: str = "zscore"
    ) -> "IntensityScale":
        """Measure `stack` over `brain`, both (N, H, W).

        Args:
            lower, upper: percentiles of the clipping limits, 0 to 100.
            normalization: `zscore` (paper): mean and standard deviation after clipping, [0, 1] between the limits.
                `robust`: median and interquartile range, which a large tumour hardly moves, and [0, 1] from 3
                deviations below the median to 6 above, so that one tissue has one value in every scan.

        Raises:
            ValueError: if the brain is empty or has one intensity only, or the normalization is unknown.
        """
        values = _values_within(stack, brain)
        if values.size == 0:
            raise ValueError("no voxel differs from zero; expected a skull-stripped brain on a zero background.")
        low, first, median, third, high = percentiles(values, [lower, 25, 50, 75, upper])
        if not high > low:
            raise ValueError(f"intensities are constant ({low:g}) between percentiles {lower:g} and {upper:g}.")
        if normalization == "robust":
            deviation = max(third - first, (high - low) / 100) / QUARTILES_PER_DEVIATION
            dark, bright = (median + distance * deviation for distance in ROBUST_WINDOW)
            return cls(low, high, median, deviation, dark, bright)
        if normalization != "zscore":
            raise ValueError(f"normalization={normalization!r}; expected one of {', '.join(NORMALIZATIONS)}.")
        clipped = np.clip(values, low, high)
        mean, deviation = clipped.mean(dtype=np.float64), clipped.std(dtype=np.float64)
        return cls(low, high, float(mean), float(deviation), low, high)

    def clip(self, stack: torch.Tensor, brain: torch.Tensor) -> torch.Tensor:
        """Clip to [low, high]; everything outside the brain becomes `low`, whatever the source wrote there."""
        clipped = stack.numpy().clip(self.low, self.high)
        return torch.from_numpy(np.where(brain.numpy(), clipped, np.float32(self.low)))

    def standardize(self, clipped: torch.Tensor) -> torch.Tensor:
        """Source units to deviations from the centre."""
        return torch.from_numpy((clipped.numpy() - self.center) / self.deviation)

    def to_unit(self, stack: torch.Tensor) -> torch.Tensor:
        """Source units to [0, 1]."""
        return torch.from_numpy(((stack.numpy() - self.dark) / (self.bright - self.dark)).clip(0, 1))

    def from_unit(self, unit: torch.Tensor) -> torch.Tensor:
        """[0, 1] to source units."""
        return unit * (self.bright - self.dark) + self.dark


def _values_within(stack: torch.Tensor, brain: torch.Tensor) -> np.ndarray:
    """Return the values in the brain, (M,), in the order of memory, which is several times faster than another."""
    if stack.stride(-1) != 1:
        stack, brain = stack.transpose(1, 2), brain.transpose(1, 2)
    slices = zip(stack.numpy(), brain.numpy(), strict=True)
    return np.concatenate([values[inside] for values, inside in slices] or [np.empty(0, np.float32)])


@dataclass(frozen=True)
class ModelGrid:
    """A square window on the slices, centred on the brain, and the nets' `image_size` pixels across it.

    Attributes:
        height, width: of the source slices, pixels of 1 mm.
        top, left: the window's first row and column; negative where the window reaches over the slice's edge.
        field_of_view: the window's side in source pixels (mm).
        image_size: the window's side in pixels of the nets.
        rows, columns: which of these pixels there are, see `narrowed`.
    """

    height: int
    width: int
    top: int
    left: int
    field_of_view: int
    image_size: int
    rows: slice = field(default_factory=partial(slice, None))
    columns: slice = field(default_factory=partial(slice, None))

    @classmethod
    def around(cls, brain: torch.Tensor, field_of_view: int, image_size: int) -> "ModelGrid":
        """Centre the window on the brain's bounding box; a brain wider than the window widens it, so none is cut off.

        Args:
            brain: bool (N, H, W) with at least one true voxel.
            field_of_view: side of the window in pixels of 1 mm.
            image_size: side in pixels of the nets.
        """
        seen = brain.numpy().any(axis=0)  # a fortieth of torch's time
        first, last = zip(*(np.flatnonzero(seen.any(axis=axis))[[0, -1]].tolist() for axis in (1, 0)), strict=True)
        side = max(field_of_view, *(b - a + 1 for a, b in zip(first, last, strict=True)))
        top, left = ((a + b + 1 - side) // 2 for a, b in zip(first, last, strict=True))
        return cls(brain.shape[1], brain.shape[2], top, left, side, image_size)

    def narrowed(self, brain: torch.Tensor, multiple: int) -> "ModelGrid":
        """Leave out rows and columns of the nets' pixels that no brain is near.

        Some background stays around the brain: what a convolution puts beyond the edge is zero, which is no
        background's but some tissue's intensity.

        Args:
            brain: as for `around`.
            multiple: of which the sides stay a multiple, and so wide the background; `image_size` is one.
        """
        seen, sides = brain.numpy().any(axis=0), []
        for axis, start in ((1, self.top), (0, self.left)):
            first, last = (np.flatnonzero(seen.any(axis=axis))[[0, -1]] - start).tolist()
            begin = first * self.image_size // self.field_of_view
            end = -(-(last + 1) * self.image_size // self.field_of_view)
            side = min((-(-(end - begin) // multiple) + 1) * multiple, self.image_size)
            begin = min(max((begin + end - side) // 2, 0), self.image_size - side)
            sides.append(slice(begin, begin + side))
        return replace(self, rows=sides[0], columns=sides[1])

    def to_model(self, stack: torch.Tensor, background: float = 0.0) -> torch.Tensor:
        """(N, H, W) on the source grid to (N, 1, S, S) on the nets' grid, or what is left of it, without aliasing."""
        rows, columns, (above, left) = self._shares()
        inside = np.asarray(stack[:, rows, columns].numpy(), np.float32)  # a third of torch's time
        if self.image_size == self.field_of_view:
            aside = left, self.field_of_view - left - inside.shape[2]
            margins = *aside, above, self.field_of_view - above - inside.shape[1]
            padded = F.pad(torch.from_numpy(inside), margins, value=background)
            return padded[:, None, self.rows, self.columns]
        lines = partial(_lines, self.field_of_view, self.image_size)
        down = lines(self._span(self.rows), (above, above + inside.shape[1]))
        across = lines(self._span(self.columns), (left, left + inside.shape[2]))
        resized = _resized(inside - np.float32(background) if background else inside, down, across)
        if background:
            resized += np.float32(background)
        return torch.from_numpy(resized)[:, None]

    def to_source(self, stack: torch.Tensor, columns_first: bool = False) -> torch.Tensor:
        """(N, 1, S, S) on the nets' grid, or what is left of it, to (N, H, W) on the source grid; zero outside.

        Args:
            stack: on the nets' grid.
            columns_first: lay each slice out in memory as its transpose, which changes no value's place in the result.
        """
        rows, columns, (above, left) = self._shares()
        count, across = rows.stop - rows.start, columns.stop - columns.start
        window = stack.float()[:, 0]
        if self.image_size == self.field_of_view:
            square = torch.zeros(len(stack), self.image_size, self.image_size)
            square[:, self.rows, self.columns] = window
            inside = square[:, above : above + count, left : left + across]
        else:
            lines = partial(_lines, self.image_size, self.field_of_view)
            down = lines((above, above + count), self._span(self.rows))
            aside = lines((left, left + across), self._span(self.columns))
            inside = torch.from_numpy(
                _resized(window.numpy().swapaxes(1, 2), aside, down).swapaxes(1, 2)
                if columns_first
                else _resized(window.numpy(), down, aside)
            )
        if (count, across) == (self.height, self.width):
            return inside
        whole = torch.zeros(len(stack), self.height, self.width)
        whole[:, rows, columns] = inside
        return whole

    def _span(self, kept: slice) -> tuple[int, int]:
        """Return the first of the rows or columns that there are, and the one after the last."""
        return kept.indices(self.image_size)[:2]

    def _shares(self) -> tuple[slice, slice, tuple[int, int]]:
        """Return the source's rows and columns that the window holds, and where in the window they start."""
        firsts = [max(self.top, 0), max(self.left, 0)]
        ends = [min(self.top + self.field_of_view, self.height), min(self.left + self.field_of_view, self.width)]
        rows, columns = (slice(first, end) for first, end in zip(firsts, ends, strict=True))
        return rows, columns, (firsts[0] - self.top, firsts[1] - self.left)


def _resizing(source: int, target: int) -> torch.Tensor:
    """Return how each of `target` pixels is made of `source` pixels, float32 (target, source), without aliasing."""
    unit = torch.eye(source)[None, None]
    return F.interpolate(unit, size=(target, source), mode="bilinear", antialias=True, align_corners=False)[0, 0]


_Lines = tuple[tuple[slice, slice, np.ndarray], ...]
"""How the pixels along a line are made of others: some neighbours of those that are made, those that they are made of,
and the share (n, m) of each of these in each of those."""


@lru_cache(maxsize=64)
def _lines(source: int, target: int, made: tuple[int, int], there: tuple[int, int]) -> _Lines:
    """Return how `target` pixels are made of `source`, from `made[0]` to before `made[1]` of what lies in `there`."""
    weights = _resizing(source, target)[slice(*made), slice(*there)].numpy()
    parts = []
    for first in range(0, len(weights), _PIXELS_OF_A_PRODUCT):
        into = slice(first, min(first + _PIXELS_OF_A_PRODUCT, len(weights)))
        used = weights[into].any(axis=0).nonzero()[0]
        seen = slice(int(used[0]), int(used[-1]) + 1) if used.size else slice(0, 0)
        parts.append((into, seen, np.ascontiguousarray(weights[into, seen])))
    return tuple(parts)


def _resized(stack: np.ndarray, down: _Lines, across: _Lines) -> np.ndarray:
    """Resize (N, h, w) to (N, H, W), C order: first the columns, then the rows.

    Values are finite. Products of the usual size are computed in the caller's thread alone, those of slices of 500
    pixels a side and more by the threads of numpy's BLAS.
    """
    narrow = _combined(stack.swapaxes(1, 2), across)
    return _combined(narrow.swapaxes(1, 2), down)


def _combined(lines: np.ndarray, parts: _Lines) -> np.ndarray:
    """Make (N, H, w), C order, of (N, h, w), by small products: a third of the time of sums of whole lines."""
    made = np.empty((len(lines), parts[-1][0].stop, lines.shape[2]), np.float32)
    for into, seen, shares in parts:
        np.matmul(shares, lines[:, seen], out=made[:, into])
    return made


@dataclass(frozen=True)
class PreparedStack:
    """One volume as the nets see it.

    Attributes:
        conditions: float32 (M, 3, S, S), FLAIR, T1 and T2, zero mean and unit variance in the brain.
        t1: float32 (M, 1, S, S) in [0, 1], for the static residual; None where it was not asked for.
        t1ce: float32 (M, 1, S, S) in [0, 1], or None.
        brain: bool (M, 1, S, S).
        source_brain: bool (N, H, W).
        grid: the window between the two grids.
        t1ce_scale: units of the T1ce; those of T1 where there is no T1ce.
        slice_step: the M slices are each n-th of the N.
    """

    conditions: torch.Tensor
    t1: torch.Tensor | None
    t1ce: torch.Tensor | None
    brain: torch.Tensor
    source_brain: torch.Tensor
    grid: ModelGrid
    t1ce_scale: IntensityScale
    slice_step: int = 1

    def filled_slices(self) -> torch.Tensor:
        """Positions of the slices that hold brain on the nets' grid, int64, lowest first; only these are computed."""
        return torch.from_numpy(np.flatnonzero(self.brain.flatten(1).numpy().any(axis=1)))


def prepare_stack(
    images: Mapping[str, np.ndarray | torch.Tensor],
    image_size: int,
    field_of_view: int,
    lower_percentile: float,
    upper_percentile: float,
    normalization: str = "zscore",
    t1ce_slices: torch.Tensor | None = None,
    with_t1: bool = True,
    slice_step: int = 1,
    window_multiple: int | None = None,
) -> PreparedStack:
    """Clip, normalise and resample one volume (paper, section "Pre-processing": percentiles 1 and 99, z-score).

    Args:
        images: `flair`, `t1`, `t2` and optionally `t1ce`, each float32 (N, H, W), raw intensities, 1 mm pixels,
            zero outside the brain; they are left as they are.
        image_size: side of the nets' grid in pixels.
        field_of_view: side of the window in mm.
        lower_percentile, upper_percentile: clipping limits, 0 to 100, over the brain.
        normalization: see `IntensityScale.measure`.
        t1ce_slices: bool (N,), where T1ce was measured, from which its statistics are taken; None is everywhere.
        with_t1: False leaves `PreparedStack.t1` out, for a model that does not look at it.
        slice_step: keep each n-th slice, or all where these hold no brain; statistics are those of what is kept.
        window_multiple: keep the rows and columns that brain is near, see `ModelGrid.narrowed`; None keeps all.

    Raises:
        ValueError: naming the modality, if one is constant or empty.
    """
    arrays = {name: np.asarray(image) for name, image in images.items()}
    brain = torch.from_numpy(_not_zero([arrays[name] for name in _CONDITIONS]))
    outline = torch.from_numpy(brain.numpy().any(axis=0, keepdims=True))  # of all slices: a fortieth of torch's time
    if not brain[::slice_step].any():
        slice_step = 1  # a brain thinner than a step
    inside = brain[::slice_step]
    measured = {"t1ce": inside & t1ce_slices[::slice_step, None, None]} if t1ce_slices is not None else {}
    limits = lower_percentile, upper_percentile, normalization
    grid = None if not outline.any() else ModelGrid.around(outline, field_of_view, image_size)
    if grid is not None and window_multiple is not None:
        grid = grid.narrowed(outline, window_multiple)

    def prepare(name: str) -> tuple[IntensityScale, dict[str, torch.Tensor]]:
        # A copy, since torch refuses flipped arrays; in the array's own order, which takes half the time.
        stack = torch.from_numpy(np.array(arrays[name][::slice_step], np.float32, order="K"))
        try:
            scale = IntensityScale.measure(stack, measured.get(name, inside), *limits)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None

        def condition(some: slice) -> torch.Tensor:
            return scale.standardize(grid.to_model(scale.clip(stack[some], inside[some]), background=scale.low))

        def unit(some: slice) -> torch.Tensor:
            # Zero is the background here, so that the window's edge and the brain's outside look alike.
            values = scale.to_unit(stack[some])
            values.numpy()[~inside[some].numpy()] = 0
            return grid.to_model(values)

        planes = {}
        if name != "t1ce":
            planes["condition"] = _by_few(condition, len(stack))
        if name == "t1ce" or (name == "t1" and with_t1):
            planes["unit"] = _by_few(unit, len(stack))
        return scale, planes

    def found_of(name: str) -> Any:
        return grid.to_model(inside) > MORE_THAN_HALF if name == "brain" else prepare(name)

    found = for_each(found_of, (*arrays, "brain"))  # where there is no brain, and so no grid, FLAIR is refused first
    return PreparedStack(
        conditions=torch.cat([found[name][1]["condition"] for name in _CONDITIONS], dim=1),
        t1=found["t1"][1].get("unit"),
        t1ce=found["t1ce"][1]["unit"] if "t1ce" in found else None,
        brain=found["brain"],
        source_brain=brain,
        grid=grid,
        t1ce_scale=found["t1ce" if "t1ce" in found else "t1"][0],
        slice_step=slice_step,
    )


def _not_zero(volumes: Sequence[np.ndarray]) -> np.ndarray:
    """Say where any of some volumes (N, H, W) is not zero; forwards in memory, since backwards takes twice as long."""
    found = np.empty_like(volumes[0], bool)
    turned = tuple(slice(None, None, -1 if step < 0 else 1) for step in volumes[0].strides)

    def look(first: int) -> None:
        some = slice(first, first + _SLICES_AT_A_TIME)
        inside = volumes[0][some][turned] != 0
        for volume in volumes[1:]:
            inside |= volume[some][turned] != 0
        found[some] = inside[turned]  # and so turned back

    for_each(look, range(0, len(found), _SLICES_AT_A_TIME))
    return found


def _by_few(work: Callable[[slice], torch.Tensor], count: int) -> torch.Tensor:
    """Do some work on a few of `count` slices after the other."""
    return torch.cat([work(slice(first, first + _SLICES_AT_A_TIME)) for first in range(0, count, _SLICES_AT_A_TIME)])


def with_context(
    stack: torch.Tensor, positions: torch.Tensor, context_slices: int, slice_step: int = 1
) -> torch.Tensor:
    """Put each slice's neighbours beside it as channels; past an end of the volume the last one is repeated.

    Args:
        stack: (N, C, S, S), the slices of a volume that hold brain, in order; so the empty slices around a brain
            change nothing, and inference sees what training saw.
        positions: int64 (B,), which slices to return.
        context_slices: neighbours on each side; 0 returns the slices as they are.
        slice_step: how many slices apart neighbours are.

    Returns:
        (B, C * (2 * context_slices + 1), S, S), from the lowest neighbour to the highest; channels last in memory.
    """
    steps = torch.arange(-context_slices, context_slices + 1, device=positions.device)
    below, above = positions // slice_step, (len(stack) - 1 - positions) // slice_step
    within = torch.minimum(torch.maximum(steps, -below[:, None]), above[:, None])
    pixels, near = stack.permute(0, 2, 3, 1), (positions[:, None] + slice_step * within).unbind(1)
    return torch.cat([pixels.index_select(0, one) for one in near], dim=3).permute(0, 3, 1, 2)
