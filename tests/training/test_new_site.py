"""What a site runs: a fine-tuning straight from its folder of cases, the threshold alone, and the site card."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from datasets import load_from_disk

from recoseg_hf.errors import InputError
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline
from tests.launching import ROOT, script
from tests.tiny import tiny_pipeline


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "model"
    tiny_pipeline(field_of_view=16, mask_threshold=0.999).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def site(model, brats_like, tmp_path_factory) -> Path:
    """Output of one command: a model fine-tuned on a folder of cases, and its card."""
    output = tmp_path_factory.mktemp("runs") / "site"
    subprocess.run(
        [
            sys.executable, "training/train_segmenter.py", "--pretrained_model_name_or_path", str(model),
            "--train_data_dir", str(brats_like), "--output_dir", str(output), "--freeze", "all_but_last",
            "--max_train_steps", "2", "--train_batch_size", "4", "--report_to", "none", "--site_card_part",
            "validation",
        ],
        cwd=ROOT, check=True, env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    return output


def test_a_folder_of_cases_gets_its_residuals_before_it_is_trained_on(site):
    train = load_from_disk(str(site / "slices_residuals"))["train"]
    assert {"synthetic_t1ce", "residual_max", "spread"} <= set(train.column_names)
    assert len(train) == len(load_from_disk(str(site / "slices"))["train"])


def test_a_fine_tuning_ends_with_a_card_that_says_what_was_done(site):
    values = json.loads((site / "site_card.json").read_text())
    tuning = values["fine_tuning"]
    assert tuning["parts"]["segmenter"]["changed"] == ["conv_norm_out", "conv_out"]
    assert tuning["parts"]["synthesizer"]["changed"] == []
    assert (tuning["run"]["train_subjects"], tuning["run"]["steps"], tuning["run"]["freeze"]) == (2, 2, "all_but_last")
    assert any(one.startswith("These subjects also served to choose") for one in values["warnings"])
    assert "Trained on 2 subjects for 2 steps of 4 slices" in (site / "site_card.md").read_text()


@pytest.mark.parametrize(
    ("start", "part", "message"),
    [
        ("model", "test", r"splits\.json: no part 'test'; expected one of train, validation"),
        ("model", "train", "the run trains on these; expected others"),
        ("pipelines/recoseg_small", "validation", "no weights to compare with; expected a trained model"),
    ],
)
def test_a_card_that_cannot_be_made_is_refused_before_the_training(start, part, message, model, brats_like, tmp_path):
    train = script("train_segmenter")
    start = model if start == "model" else ROOT / start
    names = {"pretrained_model_name_or_path": str(start), "train_data_dir": str(brats_like)}
    with pytest.raises(InputError, match=message):
        train.main(train.SegmenterOptions(**names, output_dir=str(tmp_path / "out"), site_card_part=part))
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def recalibrated(model, brats_like, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("models") / "recalibrated"
    script("recalibrate_threshold").main(
        ["--model", str(model), "--data", str(brats_like), "--thresholds", "0.01", "0.9", "--output_dir", str(output)]
    )
    return output


def test_the_threshold_is_chosen_on_the_train_subjects(recalibrated):
    found = json.loads((recalibrated / "threshold.json").read_text())
    assert (found["n"], found["before"], found["after"]) == (2, 0.999, 0.01)
    assert found["mean_dice"]["0.999"] == 0 < found["mean_dice"]["0.01"]
    assert ReCoSegPipeline.from_pretrained(recalibrated).config.mask_threshold == 0.01


def test_a_folder_in_use_is_refused_before_anything_is_computed(model, brats_like):
    arguments = ["--model", str(model), "--data", str(brats_like), "--output_dir", str(model)]
    with pytest.raises(InputError, match="it holds files; expected a new or empty folder"):
        script("recalibrate_threshold").main(arguments)


def test_a_threshold_out_of_range_is_refused(model, brats_like, tmp_path, capsys):
    arguments = ["--model", str(model), "--data", str(brats_like), "--output_dir", str(tmp_path / "new")]
    with pytest.raises(SystemExit):
        script("recalibrate_threshold").main([*arguments, "--thresholds", "1.5"])
    assert "--thresholds [1.5]: expected numbers between 0 and 1" in capsys.readouterr().err


def test_the_card_tells_what_the_threshold_was_worth(model, recalibrated, brats_like, tmp_path, capsys):
    script("site_card").main(
        [
            "--before",
            str(model),
            "--after",
            str(recalibrated),
            "--data",
            str(brats_like),
            "--output_dir",
            str(tmp_path),
        ]
    )
    assert f"Site card: {tmp_path / 'site_card.md'}" in capsys.readouterr().out
    card = (tmp_path / "site_card.md").read_text()
    assert "| mask threshold | 0.999 | 0.01 |" in card
    assert "- segmenter: the same weights.\n" in card
    values = json.loads((tmp_path / "site_card.json").read_text())
    assert values["measured"]["regions"]["wt"]["difference"]["value"] > 0
    assert values["fine_tuning"]["run"] is None
