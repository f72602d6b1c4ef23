"""How a fault is entered, and what faults are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import nibabel as nib
import numpy as np

from tests import factories

SHAPE = factories.SHAPE
LAST = SHAPE[0] - 1


@dataclass(frozen=True)
class Damage:
    """One fault.

    Attributes:
        number: of the row in the matrix.
        name: of it.
        do: changes the files of a case in a folder.
        right: what a reader should do: `refuse` the case, `read` it as if nothing were wrong, or read it and `warn`.
    """

    number: int
    name: str
    do: Callable[[Path], None]
    right: Literal["refuse", "read", "warn"]


DAMAGES: dict[str, Damage] = {}


def damage(number: int, right: Literal["refuse", "read", "warn"]):
    """Enter a function into `DAMAGES` under its name."""

    def enter(do: Callable[[Path], None]) -> Callable[[Path], None]:
        DAMAGES[do.__name__] = Damage(number, do.__name__, do, right)
        return do

    return enter


def path(folder: Path, name: str = "t1", suffix: str = ".nii.gz") -> Path:
    """A file of a case as `factories.save_case` names it."""
    return folder / f"{folder.name}_{name}{suffix}"


def scan(seed: int = 1) -> np.ndarray:
    """The voxels of the scan of that number; 1 is T1."""
    return factories.intensities(seed=seed)


def each_scan(folder: Path, change: Callable[[np.ndarray], np.ndarray], matrix: np.ndarray | None = None) -> None:
    """Save every file of a case anew."""
    for seed, name in enumerate(factories.MODALITIES):
        factories.save(path(folder, name), change(scan(seed)), matrix)
    factories.save(path(folder, "seg"), change(factories.labels()), matrix)


def raw(folder: Path, content: bytes) -> None:
    """Put bytes in the place of T1."""
    path(folder).write_bytes(content)


def header(folder: Path, **fields) -> None:
    """Overwrite fields of T1's header."""
    data = factories.raw_bytes(scan())
    head = nib.Nifti1Header(bytes(data[:348]), check=False)
    for name, value in fields.items():
        head[name] = value
    data[:348] = head.binaryblock
    factories.write_bytes(path(folder), data)
