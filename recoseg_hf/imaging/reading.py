"""The volumes of one case: each read once, turned to one grid, and held against one another."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from recoseg_hf.errors import InputError, Problems
from recoseg_hf.imaging import grids
from recoseg_hf.imaging.volume import GRID_TOLERANCE_MM, Volume, read_labels, read_volume, same_grid
from recoseg_hf.pipeline.conventions import MODALITIES

_READERS = 2  # unpacking leaves Python's lock; with more, as many volumes again would be held while they are turned


def distinct_files(sources: Mapping[str, Path]) -> tuple[dict[str, Path], Problems]:
    """Return each file once, under the first name it was given for, and what is wrong with the others."""
    first: dict[str, str] = {}
    problems = Problems()
    for name, file in sources.items():
        other = first.setdefault(os.path.realpath(file), name)
        if other != name:
            found = f"it was given for {other} and for {name}"
            problems.append(InputError(file, found, "one file each", "Check the arguments."))
    return {name: sources[name] for name in first.values()}, problems


def read_volumes(
    sources: Mapping[str, str | Path], problems: Problems, contents: Mapping[str, bytes] | None = None
) -> dict[str, Volume]:
    """Read whatever of a case can be read; a file that cannot stops no other.

    Args:
        sources: by `flair`, `t1`, `t2`, `t1ce` and `seg`, as many as there are: files, or what they are called.
        problems: takes up what is wrong with a file, or with the volumes together.
        contents: the bytes of those that are no files.

    Returns:
        The volumes in that order. Where nothing is wrong they share the first one's grid.
    """
    volumes = {}
    with ThreadPoolExecutor(_READERS) as pool:
        reading = {
            name: pool.submit(read_labels if name == "seg" else read_volume, sources[name], (contents or {}).get(name))
            for name in (*MODALITIES, "seg")
            if name in sources
        }
        try:
            for name, read in reading.items():
                with problems.collected():
                    volumes[name] = read.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # what has not begun is not waited for
            raise
    turned = {name: _on_grid_of(next(iter(volumes.values())), volume) for name, volume in volumes.items()}
    problems += other_grids(turned, sources)
    problems += _same_voxels(turned, sources)
    return turned


def other_grids(volumes: Mapping[str, Volume], sources: Mapping[str, str | Path]) -> list[InputError]:
    """Name each volume that lies apart from the grid that most share; in doubt, from that of the first."""
    shared = {
        name: sum(same_grid(other, volume.shape, volume.affine) for other in volumes.values())
        for name, volume in volumes.items()
    }
    if not volumes or max(shared.values()) == len(volumes):
        return []
    most = max(shared, key=shared.__getitem__)
    reference, file = volumes[most], sources.get(most, most)
    return [
        _grids_differ(sources.get(name, name), volume, file, reference)
        for name, volume in volumes.items()
        if not same_grid(volume, reference.shape, reference.affine)
    ]


def _on_grid_of(reference: Volume, volume: Volume) -> Volume:
    """Flip and permute `volume` to the axes of `reference` if its voxels lie at the same places; else leave it."""
    shape, affine = grids.ras_grid(reference.shape, reference.affine)
    data, own_affine = grids.to_ras(volume.data, volume.affine)
    if data.shape != shape or grids.grid_distance(shape, affine, own_affine) > GRID_TOLERANCE_MM:
        return volume
    return Volume(np.asfortranarray(grids.from_ras(data, reference.affine)), reference.affine)


def _grids_differ(file: str | Path, volume: Volume, reference_file: str | Path, reference: Volume) -> InputError:
    remedy = "Co-register the modalities and resample them to one grid."
    if volume.shape != reference.shape:
        found = f"its shape is {volume.shape}"
        return InputError(file, found, f"{reference.shape} as in {_short(reference_file)}", remedy)
    distance = grids.grid_distance(volume.shape, volume.affine, reference.affine)
    found = f"its voxels lie up to {distance:.3g} mm from those of {_short(reference_file)}"
    return InputError(file, found, f"the same affine within {GRID_TOLERANCE_MM:g} mm", remedy)


def _short(source: str | Path) -> str:
    return source.name if isinstance(source, Path) else source


def _same_voxels(volumes: Mapping[str, Volume], sources: Mapping[str, str | Path]) -> list[InputError]:
    scans = {name: volume for name, volume in volumes.items() if name != "seg"}
    return [
        InputError(
            sources[other],
            f"its voxels are those of {name} ({_short(sources[name])})",
            "another scan",
            "One file was copied under two names: fetch the right one.",
        )
        for (name, one), (other, two) in itertools.combinations(scans.items(), 2)
        if _same(one.data, two.data)
    ]


def _same(one: np.ndarray, two: np.ndarray) -> bool:
    """Compare two volumes, which differ in their middle slice already where they are not one scan."""
    middle = one.shape[-1] // 2
    return one.shape == two.shape and np.array_equal(one[..., middle], two[..., middle]) and np.array_equal(one, two)
