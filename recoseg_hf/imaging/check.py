"""Cases looked through before anything is run on them: every error that reading gives, and what is doubtful."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from recoseg_hf.errors import InputError, Problems
from recoseg_hf.files import safe_subject_id
from recoseg_hf.imaging.doubts import Doubt, find_doubts
from recoseg_hf.imaging.layout import likely_cases, look_for_files, modality_of, subject_of, subject_of_folder
from recoseg_hf.imaging.paths import image_files, image_stem, is_image_name
from recoseg_hf.imaging.reading import distinct_files, read_volumes
from recoseg_hf.pipeline.conventions import CONDITIONS

CaseFiles = str | Path | Mapping[str, str | Path]
"""A case's folder, a single file, or a case's files by `flair`, `t1`, `t2`, `t1ce` and `seg`."""

_MAY_BE_LABELS = re.compile("seg|mask|label", re.IGNORECASE)


@dataclass(frozen=True)
class CaseCheck:
    """What was found in one case; small, so that thousands can be kept.

    Attributes:
        subject: its name.
        place: its folder or file.
        problems: what stands in the way, each naming its file: those that `Case.from_folder` raises.
        doubts: what stands in nobody's way.
    """

    subject: str
    place: Path
    problems: tuple[InputError, ...] = ()
    doubts: tuple[Doubt, ...] = ()

    @property
    def warnings(self) -> tuple[str, ...]:
        """The doubts as sentences."""
        return tuple(str(doubt) for doubt in self.doubts)

    @property
    def verdict(self) -> Literal["error", "warning", "ok"]:
        """The worst of what was found."""
        return "error" if self.problems else "warning" if self.doubts else "ok"


def check_case(case: CaseFiles, segmentation: bool = True) -> CaseCheck:
    """Read a case as `recoseg predict` does, and tell all that is wrong or doubtful. No model is needed.

    Args:
        case: a folder as for `Case.from_folder`, files as for `Case.from_files`, or a single file.
        segmentation: False leaves a segmentation in the folder unread.

    Returns:
        What was found. Bad input is never raised.
    """
    problems, files, volumes = Problems(), {}, {}
    place = Path(next(iter(case.values()))).parent if isinstance(case, Mapping) else Path(case)
    with problems.collected(), _readable(place):
        files, found = _files_of(case, place, segmentation)
        problems += found
        volumes = read_volumes(files, problems)
    is_folder = os.path.isdir(place) and not isinstance(case, Mapping)  # unlike Path.is_dir, it never raises
    subject = subject_of_folder(place) if is_folder or not files else subject_of(next(iter(files.values())))
    with problems.collected():
        safe_subject_id(subject)
    doubts = find_doubts(volumes, files)
    if is_folder and volumes and segmentation and "seg" not in files:
        doubts += _unnamed_segmentations(place)
    return CaseCheck(subject, place, tuple(map(_bare, problems)), tuple(doubts))


def check_cases(places: Sequence[str | Path], segmentation: bool = True, jobs: int = 1) -> Iterator[CaseCheck]:
    """Check many cases, each as `check_case` does.

    Args:
        places: folders of cases, as from `find_places`, or single files.
        segmentation: as for `check_case`.
        jobs: how many processes read at a time; each holds one case in memory. A script of yours that asks for
            several needs `if __name__ == "__main__"`, as with all of `multiprocessing`.

    Yields:
        What was found in each, in the order of `places`; two that would give one subject's name are a problem.

    Raises:
        InputError: the system ended one of the processes.
    """
    seen: dict[str, Path] = {}
    for checked in _each(partial(check_case, segmentation=segmentation), places, min(jobs, len(places))):
        # Some file systems take two cases of letters for one.
        other = seen.setdefault(checked.subject.casefold(), checked.place)
        if other == checked.place or not (other.is_dir() and checked.place.is_dir()):
            yield checked
            continue
        found = f"its subject's name is also that of {other}"
        namesake = InputError(checked.place, found, "folders of different names", "Rename one, or keep them apart.")
        yield replace(checked, problems=(*checked.problems, namesake))


def find_places(path: str | Path) -> list[Path]:
    """Find what there is to check: each case under a folder, or else the folder or file itself.

    A folder with at least two of the four scans is taken for a case, as by `recoseg predict --cohort`.
    """
    path = Path(path)
    with contextlib.suppress(OSError):  # told of when it is read
        return [*likely_cases(path)] or [path]
    return [path]


def _each(check: partial[CaseCheck], places: Sequence[str | Path], jobs: int) -> Iterator[CaseCheck]:
    if jobs < 2:
        yield from map(check, places)
        return
    pool = ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn"))
    try:
        yield from pool.map(check, places)
    except BrokenProcessPool as error:
        found = "the system ended a process that was reading, perhaps for want of memory"
        raise InputError("check", found, "memory for a case in each process", "Use fewer processes.") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _files_of(case: CaseFiles, place: Path, segmentation: bool) -> tuple[dict[str, Path], Problems]:
    """Return a case's files by modality, and what is wrong with these as far as names tell."""
    if isinstance(case, Mapping):
        files, problems = distinct_files({name: Path(file) for name, file in case.items()})
        if missing := [name for name in CONDITIONS if name not in case]:
            found = f"no file was given for {' and '.join(missing)}"
            problems.append(InputError(place, found, "FLAIR, T1 and T2", "Give the files that are missing."))
        return files, problems
    if place.is_file() or (is_image_name(place.name) and not place.is_dir()):
        return {modality_of(image_stem(place)) or "flair": place}, Problems()
    return look_for_files(place, segmentation)


def _unnamed_segmentations(folder: Path) -> list[Doubt]:
    """Tell of files that may be the segmentation that was not found, as BraTS20_Training_355 has one."""
    return [
        Doubt(
            file,
            "it may be the segmentation, but its name does not say so",
            "a name that ends in _seg",
            "Rename it if it is; it was left out.",
        )
        for file in image_files(folder)
        if not modality_of(image_stem(file)) and _MAY_BE_LABELS.search(file.name) and "_desc-" not in file.name
    ]


@contextlib.contextmanager
def _readable(place: Path) -> Iterator[None]:
    """Make an `InputError` of what the system says."""
    try:
        yield
    except OSError as error:
        found = f"it cannot be read ({error.strerror or error})"
        raise InputError(error.filename or place, found, "files that can be read", "Check the permissions.") from error


def _bare(problem: InputError) -> InputError:
    """Free an error of where it was raised, which would keep that case's volumes in memory."""
    problem.__cause__ = problem.__context__ = None
    return problem.with_traceback(None)
