"""What a second look at the mirror image brings, in some slices (`flip_above`), in all, in none (`flip_average` off).

    python -m benchmarks.measure_mirror --data BRATS --output benchmarks/results/mirror.json

BRATS holds one folder per subject and `splits.json`; the validation subjects are measured, and nobody is named.
"""

import argparse
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.compare_samplers import open_unseen
from benchmarks.fill_training import table
from benchmarks.measure_model import conditions
from recoseg_hf.evaluation import compare_case
from recoseg_hf.evaluation.region_masks import region_mask
from recoseg_hf.files import write_json
from recoseg_hf.imaging.case import Case
from recoseg_hf.inference import Prediction, predict_case
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline
from recoseg_hf.process import tune_process

_LIMITS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, None)  # None: no second look anywhere
_LOWEST = 0.05  # of the thresholds that somebody might ask for


def predicted(pipeline: ReCoSegPipeline, case: Case, limit: float | None) -> tuple[Prediction, int]:
    """A prediction, and how many slices the segmenter looked at for it, mirrored ones counted again."""
    pipeline.register_to_config(flip_average=limit is not None, flip_above=limit or 0.0)
    counted: list[int] = []
    hook = pipeline.segmenter.register_forward_pre_hook(lambda net, given: counted.append(len(given[0])))
    prediction = predict_case(pipeline, case)
    hook.remove()
    return prediction, sum(counted)


def compare(found: Prediction, whole: Prediction, case: Case) -> dict[str, Any]:
    """How far a prediction is from the one with all slices looked at twice, and the Dice of each of its regions."""
    pairs = [(found.region_probabilities[name].data, all_.data) for name, all_ in whole.region_probabilities.items()]
    low, low_of_all = (prediction.probability.data > _LOWEST for prediction in (found, whole))
    dices = {
        name: compare_case(region_mask(found, name), case.seg, name)["dice"] for name in found.region_probabilities
    }
    return {
        "voxels_of_mask": int(np.count_nonzero(found.mask.data != whole.mask.data)),
        "voxels_of_labels": int(np.count_nonzero(found.labels.data != whole.labels.data)),
        "voxels_above_lowest": int(np.count_nonzero(low != low_of_all)),
        "largest_change": max(float(np.abs(one - other).max()) for one, other in pairs),
        "dice": dices,
    }


def measure(pipeline: ReCoSegPipeline, folders: Sequence[Path]) -> list[dict[str, Any]]:
    """A row for each limit: sums of voxels over subjects, the largest change, means of the rest."""
    former = {name: pipeline.config[name] for name in ("flip_average", "flip_above")}
    found: dict[float | None, list[dict[str, Any]]] = {limit: [] for limit in _LIMITS}
    for folder in folders:
        case = Case.from_folder(folder)
        all_twice = predicted(pipeline, case, 0.0)
        for limit, rows in found.items():
            prediction, looks = all_twice if limit == 0 else predicted(pipeline, case, limit)
            rows.append(compare(prediction, all_twice[0], case) | {"share": 2 * looks / all_twice[1] - 1})
    pipeline.register_to_config(**former)
    return [{"flip_above": limit, "n": len(rows), **_summed(rows)} for limit, rows in found.items()]


def _summed(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    sums = {name: sum(row[name] for row in rows) for name in rows[0] if name.startswith("voxels")}
    dices = {name: statistics.mean(row["dice"][name] for row in rows) for name in rows[0]["dice"]}
    share = statistics.mean(row["share"] for row in rows)
    return {**sums, "largest_change": max(row["largest_change"] for row in rows), "share": share, "dice": dices}


def mirror_table(result: Mapping[str, Any]) -> str:
    """The result as Markdown."""
    rows = [
        [
            "no second look" if row["flip_above"] is None else f"{row['flip_above']:g}",
            f"{100 * row['share']:.0f} %", str(row["voxels_of_mask"]),
            str(row["voxels_of_labels"]), str(row["voxels_above_lowest"]), f"{row['largest_change']:.3f}",
            " / ".join(f"{value:.4f}" for value in row["dice"].values()),
        ]
        for row in result["rows"]
    ]  # fmt: skip
    heads = [
        "flip_above", "slices looked at twice", "voxels of the masks that differ", "of the labels",
        f"at a threshold of {_LOWEST:g} without seeds", "largest change of a probability",
        f"Dice, {', '.join(name.upper() for name in result['rows'][0]['dice'])}",
    ]  # fmt: skip
    return (
        f"n = {result['rows'][0]['n']} validation subjects, {result['measurement']['dtype']}:\n\n{table(heads, rows)}"
    )


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="labelled BraTS-style folder")
    parser.add_argument("--part", default="validation", help="list of its splits.json")
    parser.add_argument("--model", default=None, help="folder or Hub id; by default the embedded model")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help="by default, what the processor does best")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    tune_process()
    pipeline, subjects = open_unseen(options)
    pipeline.set_progress_bar_config(disable=True)
    about = conditions(pipeline)
    result = {"rows": measure(pipeline, list(subjects.folders())), "measurement": {"what": "mirror", **about}}
    write_json(options.output, result)
    print(mirror_table(result))


if __name__ == "__main__":
    main()
