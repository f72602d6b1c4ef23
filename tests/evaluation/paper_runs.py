"""A folder as `training/reproduce_paper.py` writes it, of simulated masks, without a training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from recoseg_hf.evaluation import (
    aggregate,
    compare_case,
    compare_case_as_paper,
    compare_cues,
    compare_synthesis,
    paired_differences,
)
from recoseg_hf.files import write_json
from recoseg_hf.imaging.volume import Volume

SUBJECTS = ("sub-one", "sub-two", "sub-three", "sub-four", "sub-five", "sub-six")
"""The fewest that can decide a claim."""
SHAPE = (24, 24, 5)
OPTIONS = {
    "budget": 30, "full_size": False, "healthy_slice_share": 0.4, "inference_steps": 2, "mixed_precision": "no",
    "patches": 4, "seed": 0, "train_batch_size": 4,
}  # fmt: skip
ERRORS = {"unet2d": 0.2, "unet2d_t1ce": 0.1, "ddmm_synth": 0.1, "recoseg_plus_plus": 0.02}
"""By row the share of wrong voxels."""
MODEL = {"weights_sha256": "a" * 64, "configuration_sha256": "b" * 64}
_RESAMPLES = 200
_UNNAMED = ("subjects", "missing", "unlabelled", "unmatched")


def with_regions(values: Mapping, dice: float) -> dict:
    """A row's result with TC and ET of one Dice for every subject."""
    part = {"dice": dice, "iou": dice / (2 - dice), "precision": dice, "recall": dice}
    records = [one | part | {"region": "et"} for one in values["subjects"]]
    return dict(values) | {"regions": {name: aggregate(records, resamples=_RESAMPLES) for name in ("tc", "et")}}


def write_run(
    folder: Path, errors: Mapping[str, float] = ERRORS, sets=("Simulated",), subjects: Sequence[str] = SUBJECTS
) -> Path:
    """Write the rows' own results, the stages and `results.json`."""
    results = {data: {row: result(row, error, subjects) for row, error in errors.items()} for data in sets}
    return write_results(folder, results)


def write_results(folder: Path, results: Mapping[str, Mapping[str, dict]]) -> Path:
    """Write results by data set and row as the script leaves them."""
    for data, rows in results.items():
        for name, values in rows.items():
            write_json(folder / data / "results" / f"{name}.json", values)
            record = {"script": "train_segmenter.py", "seconds": 75.5, "flags": flags(folder / data)}
            write_json(folder / data / "stages" / f"model_{name}.json", record)
    differences = {data: compared(rows) for data, rows in results.items()}
    unnamed = {data: {name: without_names(one) for name, one in rows.items()} for data, rows in results.items()}
    write_json(folder / "results.json", {"options": OPTIONS, "results": unnamed, "differences": differences})
    return folder


def compared(rows: Mapping[str, dict]) -> dict[str, dict]:
    """Each row beside the baseline, and those with regions beside theirs."""
    base, inner = rows.get("unet2d_t1ce"), rows.get("small_t1ce", {}).get("regions")
    found: dict[str, dict] = {
        name: {
            "volume": paired_differences(one, base, resamples=_RESAMPLES),
            "paper": paired_differences(one["paper"], base["paper"], resamples=_RESAMPLES),
        }
        for name, one in rows.items()
        if base and name != "unet2d_t1ce"
    }
    for name, one in rows.items():
        if inner and one.get("regions") and name != "small_t1ce":
            parts = {
                part: paired_differences(one["regions"][part], inner[part], resamples=_RESAMPLES) for part in inner
            }
            found[name] = found.get(name, {}) | {"regions": parts}
    return found


def without_names(values: Mapping) -> dict:
    """A result as `results.json` holds it."""
    kept = {name: value for name, value in values.items() if name not in _UNNAMED}
    if kept.get("paper"):
        kept["paper"] = without_names(kept["paper"])
    if kept.get("regions"):
        kept["regions"] = {name: without_names(part) for name, part in kept["regions"].items()}
    return kept


def flags(folder: Path) -> dict[str, str]:
    return {"output_dir": str(folder / "models"), "max_train_steps": "30", "train_batch_size": "4"}


def result(row: str, error: float, subjects: Sequence[str] = SUBJECTS) -> dict:
    """What `evaluate_masks` returns of a row whose masks have an error."""
    records = [record(subject, k, error, residual=row.startswith("recoseg")) for k, subject in enumerate(subjects)]
    as_paper = [one.pop("paper") for one in records]
    paper = aggregate(as_paper, resamples=_RESAMPLES, protocol="paper")
    whole = aggregate(records, resamples=_RESAMPLES) | {"paper": paper}
    return whole | {"missing": [], "unlabelled": [], "unmatched": []}


def record(subject: str, k: int, error: float, residual: bool) -> dict:
    """One subject: a box of tumour, enhancing in its middle, and a mask with some wrong voxels."""
    rng = np.random.default_rng(k)
    labels = np.zeros(SHAPE, dtype=np.uint8)
    labels[4 : 14 + k, 5:16, 1:4] = 2
    labels[7:11, 8:12, 2] = 4
    truth = Volume(labels, np.eye(4))
    wrong = rng.random(SHAPE) < error
    mask = Volume(((labels > 0) ^ wrong).astype(np.uint8), np.eye(4))
    cues = {"flair": rng.random(SHAPE) + (labels > 0), "static_residual": rng.random(SHAPE)}
    synthesis = None
    if residual:
        cues["residual"] = rng.random(SHAPE) + 0.4 * (labels == 4)
        real = Volume(rng.uniform(100, 200, SHAPE).astype(np.float32), np.eye(4))
        synthesis = compare_synthesis(real, Volume(real.data + 5, np.eye(4)), labels=truth)
    return {
        "subject": subject,
        **compare_case(mask, truth),
        "surface": {"hd95_mm": 50 * error, "hd95_penalized_mm": 50 * error, "nsd": 1 - error, "tolerance_mm": 1.0},
        "lesions": {"dice": 1 - error, "n_reference": 1, "n_found": 1, "n_invented": 0, "n_small": 0},
        "cues": compare_cues(cues, labels, np.ones(SHAPE, dtype=bool)),
        "synthesis": synthesis,
        "paper": {"subject": subject} | compare_case_as_paper(mask, truth),
    }


def write_sweeps(folder: Path, row: str, values: Mapping, **predicted: str) -> None:
    """Write sweeps of a row and the report of one of its predictions; `predicted` differs from what was swept."""
    model = {name: predicted.get(name, MODEL[name]) for name in MODEL}
    report = {"model": model, "settings": {"dtype": predicted.get("dtype", "float32")}}
    write_json(folder / "predictions" / row / SUBJECTS[0] / f"{SUBJECTS[0]}_report.json", report)
    write_json(folder / "sweeps" / f"{row}.json", values)


def sweeps(own: float = 0.3, gain: float = 0.01, n: int = 6) -> dict:
    """What `training/ablate_inference.py` writes of a model that is better at its own threshold by a gain."""
    point = {"value": -gain, "interval": [-gain - 0.005, -gain + 0.005], "n": n, "better": 0, "worse": n}
    point |= {"by_subject": [-gain] * n}
    mean = {"value": 0.9, "interval": [0.8, 0.95], "n": n, "n_undefined": 0}
    tried = {"scores": {"dice_wt": mean, "precision": mean, "recall": mean}, "difference": {"dice_wt": point}}
    rough = mean | {"value": 1.75}
    flickering = {
        "scores": {"dice_wt": mean, "flicker_through_plane": rough},
        "difference": {"dice_wt": point, "flicker_through_plane": point | {"value": -0.25}},
    }
    return {
        "n": n,
        "measurement": {"model": MODEL, "dtype": "float32"},
        "default": {"settings": {"mask_threshold": own, "residual_source": "measured"}, "scores": {"dice_wt": mean}},
        "sweeps": {
            "mask_threshold": {"0.3": tried, "0.4": tried, "0.5": tried},
            "residual_source": {"none": tried, "measured": tried},
            "noise": {"shared": flickering},
            "residual_clip": {"0.1": {"scores": {"average_precision_wt": mean}, "difference": {}}},
        },
    }
