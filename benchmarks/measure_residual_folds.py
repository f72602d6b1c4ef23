"""Compare residuals drawn by a synthesizer trained on the subjects with out-of-fold ones, and segmenters of each.

    python benchmarks/measure_residual_folds.py --in_sample slices_in_sample --out_of_fold slices_out_of_fold \
        --segmenters runs/in_sample runs/out_of_fold --output benchmarks/results/residual_folds.json

Both caches come from `training/cache_residuals.py` on the same slices with the same main synthesizer, one without and
one with `--fold_models`; each segmenter was trained on its own and both are judged on the same validation slices.
Results hold numbers alone, means over subjects with their intervals: no subject's name leaves the script.
"""

import argparse
import json
import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import torch
from datasets import Dataset, load_from_disk

from recoseg_hf.errors import InputError
from recoseg_hf.evaluation.intervals import bootstrap_interval, paired_difference_interval
from recoseg_hf.files import write_json
from recoseg_hf.inference import load_pipeline
from recoseg_hf.learning.residual_origin import check_residuals, check_slices
from recoseg_hf.learning.segmentation import subject_dice
from recoseg_hf.learning.slice_batches import SliceDataset
from recoseg_hf.learning.slices import read_manifest
from recoseg_hf.pipeline.conventions import REGIONS
from recoseg_hf.process import tune_process

PROTOCOLS = ("in_sample", "out_of_fold")
Values = dict[str, float | None]


def volumes(table: Dataset) -> Iterator[Dataset]:
    """The slices of each subject, in order."""
    subjects = table["subject"][:]
    for _, rows in groupby(range(len(subjects)), key=subjects.__getitem__):
        yield table.select(list(rows)).with_format("torch")


def residual_values(volume: Dataset) -> Values:
    """R = |synthetic - real T1ce| of one subject, T1ce in [0, 1] on the nets' grid, and what can be told from it.

    Returns:
        Mean R in the whole tumour and in the brain outside it; their ratio; `contrast`, their difference over the
        standard deviation of R outside; and PSNR of the synthetic T1ce in the brain, in dB. What has no tumour to be
        told of is None.
    """
    brain = volume["brain"][:].bool()
    tumour = (volume["regions"][:][:, [REGIONS.index("wt")]] > 0.5) & brain
    residual = (volume["synthetic_t1ce"][:].float() - volume["t1ce"][:].float()).abs()
    outside = residual[brain & ~tumour]
    found: Values = {
        "residual_in_tumour": None,
        "residual_outside": outside.mean().item(),
        "ratio": None,
        "contrast": None,
        "psnr": -10 * math.log10(max(residual[brain].square().mean().item(), 1e-12)),
    }
    if tumour.any():
        inside = residual[tumour].mean()
        found["residual_in_tumour"] = inside.item()
        found["ratio"] = (inside / outside.mean()).item()
        found["contrast"] = ((inside - outside.mean()) / outside.std()).item()
    return found


def statistic(values: Sequence[float]) -> dict:
    """A mean over subjects with its interval and n."""
    mean = sum(values) / len(values) if values else None
    return {"value": mean, "interval": bootstrap_interval(values), "n": len(values)}


def paired(in_sample: Sequence[Values], out_of_fold: Sequence[Values]) -> dict:
    """Each quantity under both protocols, and the paired difference, over the subjects in which it is defined."""
    found = {}
    for name in in_sample[0]:
        pairs = [(one[name], two[name]) for one, two in zip(in_sample, out_of_fold, strict=True)]
        defined = [pair for pair in pairs if None not in pair]
        first, second = [pair[0] for pair in defined], [pair[1] for pair in defined]
        difference = statistic([two - one for one, two in defined])
        difference["interval"] = paired_difference_interval(second, first)
        found[name] = {"in_sample": statistic(first), "out_of_fold": statistic(second), "difference": difference}
    return found


def open_caches(folders: Sequence[Path]) -> list:
    """Both data sets with their manifests' residuals, if they can be compared.

    Raises:
        InputError: one is of the other protocol, or they differ in slices, main synthesizer, steps or seed.
    """
    origins = []
    for folder, protocol in zip(folders, PROTOCOLS, strict=True):
        manifest = read_manifest(folder)
        check_slices(folder, manifest)
        origins.append(manifest["residuals"])
        if origins[-1]["protocol"] != protocol:
            found = f"residuals {origins[-1]['protocol']}"
            raise InputError(folder, found, f"residuals {protocol}", "Name the folders in the order of --help.")
    for name in ("slices_sha256", "steps", "seed", "mixed_precision"):
        if origins[0][name] != origins[1][name]:
            raise InputError(folders[1], f"{name} {origins[1][name]}", f"{origins[0][name]}", "Draw both alike.")
    first, second = (origin["models"][0]["weights_sha256"] for origin in origins)
    if first != second:
        raise InputError(folders[1], f"main synthesizer {second[:12]}", first[:12], "Draw both with the same one.")
    return [(load_from_disk(str(folder)), origin) for folder, origin in zip(folders, origins, strict=True)]


def dice(run: Path, cache: Path, batch_size: int) -> list[Values]:
    """Dice of each validation subject and region at a threshold of one half, in the order of the slices."""
    pipeline = load_pipeline(run, dtype=torch.float32)
    config, table = pipeline.config, load_from_disk(str(cache))["validation"]
    dataset = SliceDataset(table, config.context_slices, slice_step=config.slice_step)
    check_residuals(cache, pipeline, dataset.chosen_subjects())
    scores = subject_dice(pipeline, dataset, batch_size)
    return [{f"dice_{name}": values[0] for name, values in regions.items()} for regions in scores.values()]


def measure(options: argparse.Namespace) -> dict:
    """Everything that the options ask for."""
    caches = open_caches([options.in_sample, options.out_of_fold])
    parts = {}
    for part in ("train", "validation"):
        parts[part] = [list(map(residual_values, volumes(tables[part]))) for tables, _ in caches]
    origin = caches[1][1]
    result = {
        "train": paired(*parts["train"]),
        "validation": {name: values["out_of_fold"] for name, values in paired(*parts["validation"]).items()},
        "folds": len(origin["models"]) - 1,
        "settings": {name: origin[name] for name in ("steps", "samples", "seed", "mixed_precision")},
    }
    if options.segmenters:
        scores = [dice(run, options.out_of_fold, options.batch_size) for run in options.segmenters]
        result["segmenters"] = paired(*scores) | {"threshold": 0.5}
    return result


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--in_sample", type=Path, required=True)
    parser.add_argument("--out_of_fold", type=Path, required=True)
    parser.add_argument("--segmenters", type=Path, nargs=2, metavar=("IN_SAMPLE_RUN", "OUT_OF_FOLD_RUN"))
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    tune_process()
    result = measure(options)
    write_json(options.output, result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
