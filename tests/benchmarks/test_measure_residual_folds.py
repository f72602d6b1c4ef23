"""The comparison of residual protocols: a residual that is known, then tiny caches and segmenters."""

import json
import math
from argparse import Namespace

import numpy as np
import pytest
import torch
from datasets import Dataset, load_from_disk

from benchmarks.measure_residual_folds import measure, paired, residual_values
from recoseg_hf.errors import InputError
from recoseg_hf.learning.residual_cache import DrawSettings, write_cache
from recoseg_hf.learning.residual_origin import describe_residuals, synthesizer_sha256
from recoseg_hf.learning.residual_plan import KnownSynthesizer
from recoseg_hf.learning.slices import read_manifest
from recoseg_hf.learning.subjects import subject_hash
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline
from tests.learning.conftest import SPLIT
from tests.tiny import tiny_net, tiny_pipeline

SETTINGS = {"steps": 2, "samples": 0, "seed": 0}


def volume(brain, tumour, residual) -> Dataset:
    """One slice of 1 x N pixels with T1ce 0.5 and these residuals."""
    planes = {
        "brain": np.array(brain, np.uint8),
        "regions": np.stack([np.array(tumour, np.float32)] * 3),
        "t1ce": np.full(len(brain), 0.5, np.float32),
        "synthetic_t1ce": 0.5 - np.array(residual, np.float32),
    }
    rows = {name: [values.reshape(-1, 1, len(brain)).tolist()] for name, values in planes.items()}
    return Dataset.from_dict(rows).with_format("torch")


class TestValues:
    def test_they_are_those_of_the_definition(self):
        found = residual_values(volume([1, 1, 1, 1, 0], [1, 1, 0, 0, 0], [0.4, 0.2, 0.1, -0.2, 0.9]))
        assert found["residual_in_tumour"] == pytest.approx(0.3)
        assert found["residual_outside"] == pytest.approx(0.15)
        assert found["ratio"] == pytest.approx(2)
        assert found["contrast"] == pytest.approx(0.15 / np.std([0.1, 0.2], ddof=1))
        assert found["psnr"] == pytest.approx(-10 * math.log10((0.16 + 0.04 + 0.01 + 0.04) / 4))

    def test_without_tumour_nothing_is_said_of_it(self):
        found = residual_values(volume([1, 1], [0, 0], [0.1, 0.3]))
        assert (found["residual_in_tumour"], found["ratio"], found["contrast"]) == (None, None, None)
        assert found["residual_outside"] == pytest.approx(0.2)

    def test_subjects_are_paired_and_undefined_ones_left_out(self):
        first, second = [{"x": 1.0}, {"x": None}, {"x": 3.0}], [{"x": 2.0}, {"x": None}, {"x": 5.0}]
        found = paired(first, second)["x"]
        assert found["in_sample"]["value"] == 2
        assert found["out_of_fold"]["value"] == 3.5
        assert found["difference"] == {"value": 1.5, "interval": (1.0, 2.0), "n": 2}

    def test_nobody_defined_is_no_number(self):
        found = paired([{"x": None}], [{"x": None}])["x"]
        assert found["difference"] == {"value": None, "interval": None, "n": 0}


@pytest.fixture(scope="module")
def main_pipeline():
    return tiny_pipeline(field_of_view=16)


@pytest.fixture(scope="module")
def caches(prepared, main_pipeline, tmp_path_factory):
    """In-sample and out-of-fold residuals of the same slices: (folder, folder)."""
    folder, manifest, tables = (
        tmp_path_factory.mktemp("caches"),
        read_manifest(prepared),
        load_from_disk(str(prepared)),
    )
    seen = [frozenset(map(subject_hash, subjects)) for subjects in (SPLIT["train"], ["sub-02"], ["sub-01"])]
    models = [KnownSynthesizer(str(place), names, True) for place, names in enumerate(seen)]
    pipelines = [main_pipeline, *(tiny_pipeline(seed, field_of_view=16) for seed in (5, 6))]
    hashes = [synthesizer_sha256(pipeline) for pipeline in pipelines]
    plans = {"in_sample": dict.fromkeys(("sub-01", "sub-02", "sub-03"), 0)}
    plans["out_of_fold"] = {"sub-01": 1, "sub-02": 2, "sub-03": 0}
    for name, plan in plans.items():
        origin = describe_residuals(manifest, models, hashes, plan) | SETTINGS | {"mixed_precision": "no"}
        settings, entry = DrawSettings(**SETTINGS), manifest | {"residuals": origin}
        write_cache(tables, folder / name, lambda subject, plan=plan: pipelines[plan[subject]], settings, entry)
    return folder / "in_sample", folder / "out_of_fold"


def options(caches, segmenters=None) -> Namespace:
    return Namespace(in_sample=caches[0], out_of_fold=caches[1], segmenters=segmenters, batch_size=4)


class TestMeasurement:
    def test_train_residuals_differ_and_those_of_validation_are_the_main_models(self, caches):
        found = measure(options(caches))
        tables = [load_from_disk(str(folder)).with_format("torch") for folder in caches]
        for name, table in zip(("in_sample", "out_of_fold"), tables, strict=True):
            train = table["train"][:]
            residual = (train["synthetic_t1ce"] - train["t1ce"]).abs()
            inside = (train["regions"][:, :1] > 0.5) & (train["brain"] > 0)
            by_subject = [
                residual[rows][inside[rows]].mean().item()
                for rows in (
                    torch.tensor([name == subject for name in train["subject"]]) for subject in SPLIT["train"]
                )
            ]
            assert found["train"]["residual_in_tumour"][name]["value"] == pytest.approx(np.mean(by_subject), rel=1e-4)
            assert found["train"]["residual_in_tumour"][name]["n"] == 2
        difference = found["train"]["residual_in_tumour"]["difference"]["value"]
        values = [found["train"]["residual_in_tumour"][name]["value"] for name in ("in_sample", "out_of_fold")]
        assert difference == pytest.approx(values[1] - values[0])
        assert difference != 0
        assert found["validation"]["psnr"]["n"] == 1
        assert found["folds"] == 2

    def test_segmenters_are_judged_on_the_same_slices(self, caches, main_pipeline, tmp_path):
        runs = [tmp_path / "one", tmp_path / "two"]
        for seed, run in enumerate(runs):
            parts = {"scheduler": main_pipeline.scheduler, "segmenter": tiny_net(4, 1, seed, num_class_embeds=3)}
            sizes = {"image_size": 16, "field_of_view": 16}
            ReCoSegPipeline(synthesizer=main_pipeline.synthesizer, **parts, **sizes).save_pretrained(run)
        found = measure(options(caches, runs))["segmenters"]["dice_wt"]
        assert (found["in_sample"]["n"], found["out_of_fold"]["n"]) == (1, 1)
        assert found["difference"]["value"] == found["out_of_fold"]["value"] - found["in_sample"]["value"]
        same = measure(options(caches, runs[:1] * 2))["segmenters"]["dice_wt"]
        assert same["difference"]["value"] == 0
        assert same["in_sample"] == found["in_sample"]

    def test_no_subject_is_named(self, caches):
        assert "sub-" not in json.dumps(measure(options(caches)))

    def test_caches_in_the_wrong_order_are_refused(self, caches):
        with pytest.raises(InputError, match="residuals out_of_fold; expected residuals in_sample"):
            measure(options(caches[::-1]))

    def test_draws_of_another_kind_are_refused(self, caches, tmp_path):
        other = tmp_path / "other"
        other.mkdir()
        manifest = read_manifest(caches[1])
        manifest["residuals"]["steps"] = 4
        (other / "recoseg_manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(InputError, match=r"steps 4; expected 2\. Draw both alike"):
            measure(options((caches[0], other)))
