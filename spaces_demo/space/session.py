"""What is kept of a visitor's run, and what can be asked of it."""

from __future__ import annotations

import math
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from recoseg_hf import Case, InputError, write_prediction
from recoseg_hf.inference import Prediction, with_threshold
from recoseg_hf.inference.browsing import SliceBrowser
from space.device import load_model, predict, refine, usual_and_most_steps
from space.settings import MAX_STEPS

_MASKS = threading.BoundedSemaphore(1)
"""Lets one mask be made at a time, whoever moves a slider: each takes as much memory as the scan."""

_ORDER = (".html", ".png", ".gz", ".json")
"""What most people want first."""


@dataclass
class View:
    """What a visitor looks at; the next round of a refined result is shown as they left the one before.

    Attributes:
        position: of the slice, counted from 0 at the bottom of the brain; None as long as it was not moved.
        threshold: of the mask; None as long as it was not moved.
        newest: gives the ticket of the result that was shown last, as long as somebody holds it.
    """

    position: int | None = None
    threshold: float | None = None
    newest: Callable[[], Any] = lambda: None


@dataclass(frozen=True, eq=False)
class Result:
    """A predicted case.

    Attributes:
        case: as it was read.
        prediction: at the threshold last asked for.
        browser: its slices.
        view: of its visitor; of all rounds and thresholds the same.
        folder: of the files last written; it goes when the result does.
        writing: held while they are.
    """

    case: Case
    prediction: Prediction
    browser: SliceBrowser
    view: View = field(default_factory=View)
    folder: tempfile.TemporaryDirectory = field(
        default_factory=lambda: tempfile.TemporaryDirectory(prefix="recoseg-result-")
    )
    writing: threading.Lock = field(default_factory=threading.Lock)

    @property
    def threshold(self) -> float:
        """Of the mask."""
        return self.prediction.report["settings"]["mask_threshold"]

    def at(self, threshold: float) -> Result:
        """Return the result with the mask at another threshold."""
        with _MASKS:
            prediction = with_threshold(load_model(), self.prediction, self.case, threshold)
            return replace(self, prediction=prediction, browser=self.browser.with_mask(prediction))

    def write(self) -> list[Path]:
        """Write all that `recoseg predict` writes: the volumes, the picture, the report and its page.

        Gradio copies the files, and deletes its copies in time; those of the time before last go now. The last may be
        in the midst of being copied, for another request of the same session.
        """
        with self.writing:
            folders = sorted(Path(self.folder.name).iterdir(), key=lambda folder: int(folder.name))
            for earlier in folders[:-1]:
                shutil.rmtree(earlier, ignore_errors=True)
            folder = Path(self.folder.name) / str(int(folders[-1].name) + 1 if folders else 0)
            folder.mkdir()
            files = write_prediction(self.prediction, self.case, folder)
        return sorted(files.values(), key=lambda file: _ORDER.index(file.suffix))


def run(
    opened: AbstractContextManager[Case],
    steps: int,
    seed: int,
    without_t1ce: str,
    progress: Callable[..., None],
) -> Result:
    """Read a case and take it through the model.

    Args:
        opened: a case to read.
        steps: denoising steps.
        seed: of all noise.
        without_t1ce: residual source where the case has no T1ce, `none` or `ensemble`.
        progress: told what is being done, and how much of it is.

    Raises:
        InputError: the case cannot be read or predicted, or a setting does not do; names the field.
    """
    progress(0, desc="Reading the scans")
    with opened as case:
        most = usual_and_most_steps()[1]
        source = without_t1ce if case.t1ce is None else None
        check_settings(steps, seed, source, most)
        progress(0.05, desc="Preparing the slices")
        prediction = predict(case, int(steps), int(seed), source, Denoising(progress))
    progress(0.95, desc="Drawing the slices")
    return Result(case, prediction, SliceBrowser.of(prediction, case))


def run_in_rounds(
    opened: AbstractContextManager[Case], seed: int, without_t1ce: str, progress: Callable[..., None]
) -> Iterator[Result]:
    """Read a case and take it through the model in rounds, until its mask is stable or the time is over.

    Args:
        opened, seed, without_t1ce, progress: as for `run`.

    Yields:
        The result of each round, at the threshold that the visitor chose meanwhile.

    Raises:
        InputError: as for `run`.
    """
    progress(0, desc="Reading the scans")
    view = View()
    with opened as case:
        source = without_t1ce if case.t1ce is None else None
        check_settings(MAX_STEPS, seed, source, MAX_STEPS)
        progress(0.05, desc="Preparing the slices")
        for found in refine(case, int(seed), source, Denoising(progress)):
            result = Result(case, found.prediction, SliceBrowser.of(found.prediction, case), view)
            yield result if view.threshold is None else result.at(view.threshold)


def check_settings(steps: int, seed: int | None, source: str | None, most: int = MAX_STEPS) -> None:
    """Check what the fields' own limits let through.

    Raises:
        InputError: names the field.
    """
    from recoseg_hf.pipeline.pipeline_recoseg import ENSEMBLE_MIN_STEPS

    if seed is None:
        raise InputError("Seed", "nothing was given", "a whole number", "Fill it in, for example with 0.")
    for name, value in (("Denoising steps", steps), ("Seed", seed)):
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise InputError(name, f"it is {value!r:.40}", "a whole number", "Choose another one.")
    if not 1 <= steps <= most:
        raise InputError("Denoising steps", f"it is {steps:g}", f"1 to {most}", "Choose another number.")
    if source == "ensemble" and steps < ENSEMBLE_MIN_STEPS:
        expected = f"{ENSEMBLE_MIN_STEPS} or more for an ensemble"
        raise InputError("Denoising steps", f"it is {steps:g}", expected, "Raise it, or leave the residual out.")


@dataclass(frozen=True)
class Denoising:
    """Tells how far denoising has come; a class, because it may have to go to another process."""

    progress: Callable[..., None]

    def __call__(self, done: int, total: int) -> None:
        words = "Drawing the expected T1ce" if done < total else "Looking for tumour"
        self.progress(0.1 + 0.5 * done / total, desc=words)
