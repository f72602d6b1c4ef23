"""The record of a run: complete, true, and free of paths."""

import copy
import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import DPMSolverMultistepScheduler

import recoseg_hf
from recoseg_hf.imaging.case import Case
from recoseg_hf.inference import load_pipeline, predict_case
from recoseg_hf.inference.report import configuration_sha256, describe_model, find_warnings, weights_sha256
from tests.factories import save_case
from tests.inference.cases import make_case
from tests.tiny import tiny_pipeline as tiny

CHANNELS = ("flair", "t1", "t2", "residual")


@pytest.fixture(scope="module")
def report(tiny_model, tmp_path_factory):
    folder = save_case(tmp_path_factory.mktemp("cases"), "sub-07", (20, 22, 9))
    pipeline = load_pipeline(tiny_model, device="cpu", dtype=torch.float32)
    return predict_case(pipeline, Case.from_folder(folder), seed=3).report


def test_says_what_was_run(report):
    assert report["subject"] == "sub-07"
    assert report["inputs"].keys() == {"flair", "t1", "t2", "t1ce"}  # the segmentation was read, and is no input
    assert len({*report["inputs"].values()}) == 4
    assert report["model"]["name"] == "tiny"
    assert report["settings"] == {
        "seed": 3,
        "num_inference_steps": 2,
        "num_samples": 1,
        "mask_threshold": 0.5,
        "residual_source": "measured",
        "device": "cpu",
        "dtype": "float32",
        "scheduler": "DDIMScheduler",
        "prediction_type": "v_prediction",
    }
    assert report["versions"]["recoseg_hf"] == recoseg_hf.__version__
    assert report["versions"]["torch"] == torch.__version__
    assert report["grid"] == {
        "shape": [20, 22, 9],
        "voxel_spacing_mm": [1.0, 1.0, 1.0],
        "orientation": "RAS",
        "resampled": False,
    }
    assert report["warnings"] == []


def test_times_every_stage(report):
    assert list(report["seconds"]) == ["preprocess", "synthesize", "segment", "restore"]
    assert min(report["seconds"].values()) >= 0
    assert report["seconds"]["synthesize"] > 0


def test_is_json_without_paths(report, tiny_model):
    text = json.dumps(report, allow_nan=False)
    assert "/" not in text
    assert str(tiny_model.parent) not in text


def test_weights_hash_follows_the_weights(tiny_pipeline, tiny_model):
    assert weights_sha256(load_pipeline(tiny_model, device="cpu", dtype=torch.float32)) == weights_sha256(
        tiny_pipeline
    )
    other = copy.deepcopy(tiny_pipeline)
    with torch.no_grad():
        next(other.segmenter.parameters()).flatten()[0] += 1e-6
    assert weights_sha256(other) != weights_sha256(tiny_pipeline)


def test_configuration_hash_follows_every_setting(tiny_pipeline, tiny_model):
    loaded = load_pipeline(tiny_model, device="cpu", dtype=torch.float32)
    before = configuration_sha256(tiny_pipeline)
    assert configuration_sha256(loaded) == before  # wherever it lies
    loaded.register_to_config(residual_clip=0.4)
    clipped = configuration_sha256(loaded)
    loaded.scheduler = DPMSolverMultistepScheduler.from_config(loaded.scheduler.config)
    assert len({before, clipped, configuration_sha256(loaded)}) == 3


def test_configuration_hash_is_that_of_before_where_added_settings_are_off():
    off = configuration_sha256(tiny())
    assert configuration_sha256(tiny(slice_step=1, crop_to_brain=False)) == off
    assert len({off, configuration_sha256(tiny(slice_step=2)), configuration_sha256(tiny(crop_to_brain=True))}) == 3
    older = SimpleNamespace(**tiny().components, config=dict(tiny().config))
    del older.config["slice_step"], older.config["crop_to_brain"]
    assert configuration_sha256(older) == off


@pytest.mark.parametrize(
    ("source", "name", "revision"),
    [
        (None, "unsaved", None),
        ("org/name", "org/name", None),
        (f"/home/doe/hub/models--org--the-name/snapshots/{'a1' * 20}", "org/the-name", "a1" * 20),
    ],
)
def test_model_is_named_without_its_place(tiny_pipeline, source, name, revision):
    pipeline = copy.copy(tiny_pipeline)
    pipeline.register_to_config(_name_or_path=source)
    described = describe_model(pipeline)
    assert (described["name"], described["revision"]) == (name, revision)


def test_warnings_say_what_a_reader_must_know():
    settings = {"residual_source": "none", "scheduler": "DDIMScheduler"}
    case = make_case((1.0, 1.0, 3.0), t1ce=None)
    empty = replace(case.flair, data=np.zeros(case.flair.shape, np.uint8))
    spacing, t1ce, tumour = find_warnings(case, empty, settings, CHANNELS)
    assert spacing.startswith("The voxels are 1 x 1 x 3 mm: resampled to 1 mm")
    assert t1ce.endswith("the residual source is 'none', and the synthetic T1ce is in the units of T1.")
    without = settings | {"scheduler": None}
    assert find_warnings(case, empty, without, CHANNELS)[1].endswith("the residual source is 'none'.")
    assert tumour == "No tumour was found: the mask is empty."
    full = replace(empty, data=np.ones(case.flair.shape, np.uint8))
    assert find_warnings(make_case((1.05, 1.0, 1.0)), full, settings | {"residual_source": "measured"}, CHANNELS) == []


@pytest.mark.parametrize("names", [("t1",), ("t1ce",), ("flair", "t2", "t1ce")])
def test_a_head_with_its_skull_is_told(names):
    case = make_case((1.0, 1.0, 1.0))
    head = replace(case, **{name: replace(case.t1, data=getattr(case, name).data + 1) for name in names})
    mask = replace(case.flair, data=np.ones(case.flair.shape, np.uint8))
    (warning,) = find_warnings(head, mask, {"residual_source": "measured", "scheduler": "DDIMScheduler"}, CHANNELS)
    assert warning.startswith(f"The skull seems to be in {' and '.join(names)}: ")


def test_scans_that_only_together_fill_the_volume_show_no_skull():
    case, scans = make_case((1.0, 1.0, 1.0)), {}
    for place, name in enumerate(("flair", "t1", "t2")):
        data = np.zeros(case.flair.shape, np.float32)
        data[place::3] = 1
        scans[name] = replace(case.flair, data=data)
    mask = replace(case.flair, data=np.ones(case.flair.shape, np.uint8))
    settings = {"residual_source": "measured", "scheduler": "DDIMScheduler"}
    assert replace(case, **scans).brain.all()
    assert find_warnings(replace(case, **scans), mask, settings, CHANNELS) == []


@pytest.mark.parametrize(
    ("source", "channels", "hidden"),
    [
        ("measured", ("flair", "residual"), False),
        ("none", ("flair", "residual"), True),
        ("ensemble", ("flair", "t1ce", "residual"), True),  # it goes with the residual
        ("none", ("flair", "t1ce"), False),
        ("none", ("flair", "t1", "t2"), True),
        ("none", ("flair", "synthetic_t1ce"), True),
        ("measured", ("flair", "static_residual"), False),
    ],
)
def test_a_measured_t1ce_that_the_segmenter_never_sees_is_told_of(source, channels, hidden):
    case = make_case()
    mask = replace(case.flair, data=np.ones(case.flair.shape, np.uint8))
    found = find_warnings(case, mask, {"residual_source": source, "scheduler": "DDIMScheduler"}, channels)
    told = f"The T1ce that was given is not what was segmented from: the residual source is {source!r}."
    assert found == ([told] if hidden else [])


def test_an_oblique_scan_is_told_of():
    case = make_case()
    cosine, sine = np.cos(0.1), np.sin(0.1)
    affine = case.flair.affine.copy()
    affine[:2, :2] = [[cosine, -sine], [sine, cosine]]
    oblique = Case("sub-01", **{name: replace(volume, affine=affine) for name, volume in case.volumes().items()})
    mask = replace(oblique.flair, data=np.ones(oblique.flair.shape, np.uint8))
    (warning,) = find_warnings(oblique, mask, {"residual_source": "measured", "scheduler": "DDIMScheduler"}, CHANNELS)
    assert warning.startswith("The scan lies oblique to the world axes")
