"""What a site runs after, or in place of, a fine-tuning: the threshold alone, and the site card."""

import importlib.util
import json
from pathlib import Path

import pytest

from recoseg_hf.errors import InputError
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline
from tests.tiny import tiny_pipeline

TRAINING = Path(__file__).parents[2] / "training"


def script(name: str):
    found = importlib.util.spec_from_file_location(name, TRAINING / f"{name}.py")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "model"
    tiny_pipeline(field_of_view=16, mask_threshold=0.999).save_pretrained(folder)
    return folder


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
