"""The command that varies a model's settings, on a tiny model and simulated cases."""

import json

import pytest

from recoseg_hf.errors import InputError
from recoseg_hf.learning.subjects import subject_hash
from tests.launching import script
from tests.tiny import tiny_pipeline


@pytest.fixture(scope="module")
def ablate():
    return script("ablate_inference")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    tiny_pipeline(field_of_view=16, regions="wt,et").save_pretrained(folder)
    return folder


def test_every_sweep_is_written_and_shown_with_n_and_no_name(ablate, model, brats_like, tmp_path, capsys):
    arguments = [str(model), "--data", str(brats_like), "--steps", "1", "--output", str(tmp_path / "found.json")]
    ablate.main([*arguments, "--part", "train"])
    text = (tmp_path / "found.json").read_text()
    result = json.loads(text)
    assert (result["n"], set(result["sweeps"])) == (2, set(ablate.SWEEPS))
    assert result["measurement"]["part"] == "train"
    assert len(result["measurement"]["model"]["weights_sha256"]) == 64
    shown = capsys.readouterr().out
    assert shown.startswith(
        "n = 2 subjects; means, differences to the model's own setting [95 % intervals by subject]"
    )
    assert "mask_threshold (own: 0.3)" in shown
    assert all(f"\n{name} (own: " in shown for name in ablate.SWEEPS)
    assert "sub-0" not in text + shown


def test_sweeps_may_be_chosen(ablate, model, brats_like, tmp_path):
    arguments = [str(model), "--data", str(brats_like), "--output", str(tmp_path / "found.json")]
    ablate.main([*arguments, "--sweeps", "mask_threshold"])
    assert list(json.loads((tmp_path / "found.json").read_text())["sweeps"]) == ["mask_threshold"]


def test_those_trained_on_are_refused(ablate, model, brats_like, tmp_path):
    record = model / "training_record.json"
    record.write_text(json.dumps({"subjects_seen": [subject_hash("sub-03")]}))
    try:
        with pytest.raises(InputError, match="it was trained on 1 of the 1 subjects of 'validation'"):
            ablate.main([str(model), "--data", str(brats_like), "--output", str(tmp_path / "found.json")])
    finally:
        record.unlink()


def test_what_cannot_be_tried_is_an_error_of_use(ablate, capsys):
    with pytest.raises(SystemExit):
        ablate.parse_arguments(["model", "--data", "data", "--output", "out.json", "--steps", "0"])
    assert "--steps [0]: expected numbers of 1 or more" in capsys.readouterr().err
