"""`train_synthesizer.py --synthesis_domain`: which slices a run learns from; its record and resumption know."""

import json
import signal

import numpy as np
import pytest

from recoseg_hf.errors import CheckpointError, InputError
from recoseg_hf.learning.slices import prepare_dataset
from recoseg_hf.learning.subjects import subject_hash
from tests import factories
from tests.launching import Kill, launch, script
from tests.learning.conftest import SETTINGS, SHAPE
from tests.tiny import tiny_pipeline

TINY = {
    "max_train_steps": 5, "train_batch_size": 2, "lr_warmup_steps": 1, "validation_steps": 3,
    "checkpointing_steps": 2, "report_to": "none",
}  # fmt: skip


@pytest.fixture(scope="module")
def train():
    return script("train_synthesizer")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    tiny_pipeline(field_of_view=16).save_pretrained(folder)
    return folder


def flags(model, data, output, **changes) -> dict:
    paths = {"pretrained_model_name_or_path": str(model), "train_data_dir": str(data), "output_dir": str(output)}
    return paths | TINY | changes


def arguments(given: dict) -> list[str]:
    return [text for name, value in given.items() for text in (f"--{name}", str(value))]


def test_only_train_slices_are_chosen_and_all_is_the_default(train, model, prepared, tmp_path):
    found = {}
    for domain in ("all", "tumour", "healthy"):
        options = train.SynthesizerOptions(**flags(model, prepared, tmp_path), synthesis_domain=domain)
        data = train.open_data(options, tiny_pipeline(field_of_view=16))
        found[domain] = (set(data.train.rows), len(data.validation), data.fingerprint())
    assert train.SynthesizerOptions().synthesis_domain == "all"
    assert found["tumour"][0] | found["healthy"][0] == found["all"][0]
    assert not found["tumour"][0] & found["healthy"][0]
    assert all(rows for rows, _, _ in found.values())
    assert len({count for _, count, _ in found.values()}) == 1
    assert len({mark for _, _, mark in found.values()}) == 3


def test_an_unknown_domain_is_refused(train):
    with pytest.raises(ValueError, match="synthesis_domain='sick'; expected one of all, tumour, healthy"):
        train.SynthesizerOptions(synthesis_domain="sick")


def test_a_domain_that_leaves_no_slice_is_refused(train, model, tmp_path):
    cases = tmp_path / "cases"
    for subject in ("sub-01", "sub-02"):
        for seed, modality in enumerate(factories.MODALITIES):
            factories.save(cases / subject / f"{subject}_{modality}.nii.gz", factories.intensities(SHAPE, seed))
        everywhere = (factories.intensities(SHAPE) > 0).astype(np.uint8)
        factories.save(cases / subject / f"{subject}_seg.nii.gz", everywhere)
    (cases / "splits.json").write_text(json.dumps({"train": ["sub-01"], "validation": ["sub-02"]}))
    prepare_dataset(cases, tmp_path / "slices", cases / "splits.json", SETTINGS)
    options = train.SynthesizerOptions(
        **flags(model, tmp_path / "slices", tmp_path / "run"), synthesis_domain="healthy"
    )
    message = r"slices: synthesis_domain='healthy' leaves none of \d+ slices; expected slices to learn from. Train on"
    with pytest.raises(InputError, match=message):
        train.open_data(options, tiny_pipeline(field_of_view=16))


def test_a_killed_run_of_two_processes_resumes_exactly_and_its_record_names_the_domain(model, prepared, tmp_path):
    given = {"synthesis_domain": "healthy", "resume_from_checkpoint": "latest"}
    whole, killed = (flags(model, prepared, tmp_path / name, **given) for name in ("whole", "killed"))
    assert launch("train_synthesizer", arguments(whole), 2) == [0, 0]
    assert launch("train_synthesizer", arguments(killed), 2, Kill(1, "randomness", 3))[1] == -signal.SIGKILL
    assert launch("train_synthesizer", arguments(killed), 2) == [0, 0]
    weights = "synthesizer/diffusion_pytorch_model.safetensors"
    assert (tmp_path / "killed" / weights).read_bytes() == (tmp_path / "whole" / weights).read_bytes()
    record = json.loads((tmp_path / "killed" / "training_record.json").read_text())
    assert record["options"]["synthesis_domain"] == "healthy"
    assert record["subjects_seen"] == sorted(map(subject_hash, ("sub-01", "sub-02")))


@pytest.mark.usefixtures("fresh_accelerate")
def test_a_run_does_not_go_on_with_another_domain(train, model, prepared, tmp_path):
    train.main(train.SynthesizerOptions(**flags(model, prepared, tmp_path, max_train_steps=2)))
    other = flags(model, prepared, tmp_path, resume_from_checkpoint="latest", synthesis_domain="tumour")
    with pytest.raises(CheckpointError, match=r"data \w+ \(now \w+\), .*synthesis_domain all \(now tumour\)"):
        train.main(train.SynthesizerOptions(**other))
