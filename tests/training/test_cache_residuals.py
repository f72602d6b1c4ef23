"""The out-of-fold recipe as a user runs it: a synthesizer for each fold, the cache, the segmenter."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from datasets import load_from_disk

from recoseg_hf.errors import InputError
from recoseg_hf.inference import load_pipeline
from recoseg_hf.learning.options import parse_options
from recoseg_hf.learning.residual_cache import DrawSettings, draw_columns
from recoseg_hf.learning.residual_origin import slices_fingerprint, synthesizer_sha256
from recoseg_hf.learning.run_record import RECORD
from recoseg_hf.learning.slices import read_manifest
from recoseg_hf.learning.subjects import folds, subject_hash
from tests.learning.conftest import SPLIT
from tests.tiny import tiny_pipeline
from tests.training.test_scripts import script

SHORT = {"max_train_steps": 1, "train_batch_size": 2, "lr_warmup_steps": 1, "learning_rate": 0.1, "report_to": "none"}


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Path:
    """A folder of configurations, from which weights are drawn."""
    folder = tmp_path_factory.mktemp("start")
    tiny_pipeline(field_of_view=16).save_pretrained(folder)
    for file in folder.rglob("*.safetensors"):
        file.unlink()
    return folder


@pytest.fixture(scope="module")
def models(start, prepared, tmp_path_factory) -> list[Path]:
    """The main synthesizer, then those of two folds, trained for a step each."""
    train, folder = script("train_synthesizer"), tmp_path_factory.mktemp("models")
    left_out = ({}, {"num_folds": 2, "fold": 0}, {"num_folds": 2, "fold": 1})
    for name, fold in zip(("main", "fold0", "fold1"), left_out, strict=True):
        AcceleratorState._reset_state(reset_partial_state=True)
        paths = {"train_data_dir": str(prepared), "output_dir": str(folder / name)}
        train.main(train.SynthesizerOptions(str(start), **paths, **SHORT, **fold))
    AcceleratorState._reset_state(reset_partial_state=True)
    return [folder / name for name in ("main", "fold0", "fold1")]


@pytest.fixture(scope="module")
def cache():
    """The script, as a function of its options."""
    module = script("cache_residuals")

    def run(main, data, output, fold_models=(), **options):
        paths = (str(main), str(data), str(output), list(map(str, fold_models)))
        module.main(module.CacheOptions(*paths, **{"num_samples": 0} | options))
        return output

    return run


@pytest.fixture(scope="module")
def out_of_fold(cache, models, prepared, tmp_path_factory) -> Path:
    return cache(models[0], prepared, tmp_path_factory.mktemp("data") / "residuals", models[1:])


def copy_of(model: Path, folder: Path, **record) -> Path:
    """A model with another training record, or with none."""
    shutil.copytree(model, folder)
    (folder / RECORD).unlink()
    if record:
        (folder / RECORD).write_text(json.dumps(record))
    return folder


class TestOutOfFold:
    def test_every_subject_was_drawn_by_a_synthesizer_that_never_saw_it(self, out_of_fold, models, prepared):
        """The draws are those of the fold that left the subject out, and of no other."""
        pipelines = [load_pipeline(model, dtype=torch.float32) for model in models]
        left_out = folds(SPLIT["train"], 2, seed=0)
        assert sorted(left_out) == [["sub-01"], ["sub-02"]]
        drawn_by = {subject: place + 1 for place, (subject,) in enumerate(left_out)} | {"sub-03": 0}
        for split, subjects in SPLIT.items():
            found = load_from_disk(str(out_of_fold))[split].with_format("numpy")
            rows = load_from_disk(str(prepared))[split]
            for subject in subjects:
                chosen = [row for row, name in enumerate(rows["subject"][:]) if name == subject]
                draws = [draw_columns(pipeline, rows.select(chosen), DrawSettings(2, 0)) for pipeline in pipelines]
                same = [np.array_equal(draw["synthetic_t1ce"], found[chosen]["synthetic_t1ce"]) for draw in draws]
                assert same == [place == drawn_by[subject] for place in range(3)]
                seen = json.loads((models[drawn_by[subject]] / RECORD).read_text())["subjects_seen"]
                assert subject_hash(subject) not in seen

    def test_the_manifest_says_who_was_drawn_by_which_weights(self, out_of_fold, models, prepared):
        manifest = read_manifest(out_of_fold)
        origin = manifest.pop("residuals")
        assert manifest == read_manifest(prepared)
        settings = {"steps": 2, "samples": 0, "seed": 0, "mixed_precision": "no"}
        assert {name: origin[name] for name in settings} == settings
        assert (origin["protocol"], origin["seen"]) == ("out_of_fold", [])
        assert origin["slices_sha256"] == slices_fingerprint(manifest)
        hashes = [synthesizer_sha256(load_pipeline(model, dtype=torch.float32)) for model in models]
        assert [model["weights_sha256"] for model in origin["models"]] == hashes
        assert len(set(hashes)) == 3
        assert [model["fold"] for model in origin["models"]] == [None, 0, 1]
        expected = [["sub-03"], *folds(SPLIT["train"], 2, seed=0)]
        assert [model["subjects"] for model in origin["models"]] == expected

    def test_repeated_it_leaves_all_as_it_is(self, cache, models, prepared, out_of_fold):
        before = {file: file.stat().st_mtime_ns for file in out_of_fold.rglob("*")}
        cache(models[0], prepared, out_of_fold, models[1:])
        assert {file: file.stat().st_mtime_ns for file in out_of_fold.rglob("*")} == before
        with pytest.raises(InputError, match="it holds other residuals; expected a new folder"):
            cache(models[0], prepared, out_of_fold, models[1:], seed=1)

    def test_the_order_of_the_folds_does_not_matter(self, cache, models, prepared, out_of_fold, tmp_path):
        turned = cache(models[0], prepared, tmp_path / "turned", models[:0:-1])
        found, expected = (
            load_from_disk(str(folder))["train"].with_format("numpy") for folder in (turned, out_of_fold)
        )
        assert np.array_equal(found["synthetic_t1ce"][:], expected["synthetic_t1ce"][:])

    def test_a_segmenter_trains_on_it_beside_the_main_synthesizer_alone(self, out_of_fold, models, tmp_path):
        train = script("train_segmenter")
        mix = {"measured_share": 1, "ensemble_share": 0, "none_share": 0}
        options = train.SegmenterOptions(
            str(models[0]), str(out_of_fold), output_dir=str(tmp_path / "run"), **SHORT, **mix
        )
        AcceleratorState._reset_state(reset_partial_state=True)
        train.main(options)
        AcceleratorState._reset_state(reset_partial_state=True)
        other = replace(options, pretrained_model_name_or_path=str(models[1]), output_dir=str(tmp_path / "other"))
        with pytest.raises(InputError, match=r"residuals of another synthesizer .* compare with --allow_other_synth"):
            train.main(other)
        AcceleratorState._reset_state(reset_partial_state=True)
        train.main(replace(other, allow_other_synthesizer=True))
        AcceleratorState._reset_state(reset_partial_state=True)
        assert (tmp_path / "other" / "model_index.json").is_file()


class TestInSample:
    def test_without_fold_models_the_manifest_says_whom_the_synthesizer_saw(self, cache, models, prepared, tmp_path):
        origin = read_manifest(cache(models[0], prepared, tmp_path / "out"))["residuals"]
        assert (origin["protocol"], origin["seen"]) == ("in_sample", ["sub-01", "sub-02"])
        assert origin["models"][0]["subjects"] == ["sub-01", "sub-02", "sub-03"]

    def test_a_model_without_record_is_allowed_and_proves_nothing(self, cache, models, prepared, tmp_path):
        unknown = copy_of(models[0], tmp_path / "unknown")
        origin = read_manifest(cache(unknown, prepared, tmp_path / "out"))["residuals"]
        assert (origin["protocol"], origin["seen"]) == ("in_sample", [])


class TestRefusals:
    @pytest.fixture
    def refused(self, cache, prepared, tmp_path):
        """Checks that nothing is computed, and returns what was said."""

        def check(main, fold_models=(), data=prepared, output=tmp_path / "out", **options) -> str:
            with pytest.raises(InputError) as caught:
                cache(main, data, output, fold_models, **options)
            assert not (tmp_path / ".out.partial").exists()
            return str(caught.value)

        return check

    def test_a_fold_model_without_record(self, refused, models, tmp_path):
        message = refused(models[0], [models[1], copy_of(models[2], tmp_path / "unknown")])
        assert "unknown/training_record.json: no such file; expected the record of everyone" in message

    def test_a_fold_that_is_missing(self, refused, models):
        message = refused(models[0], models[1:2])
        assert message.startswith("--fold_models: 1 of 3 subjects were seen by every synthesizer; expected for each")
        assert "sub-0" not in message

    def test_a_main_model_that_saw_validation_subjects(self, refused, models, tmp_path):
        seen = [subject_hash(name) for name in ("sub-01", "sub-03")]
        message = refused(copy_of(models[0], tmp_path / "greedy", subjects_seen=seen), models[1:])
        assert "greedy: trained on 1 of the 1 validation subjects; expected a synthesizer that saw none" in message

    def test_a_split_moves_the_validation_subjects(self, cache, refused, models, prepared, tmp_path):
        split = tmp_path / "split.json"
        split.write_text(json.dumps({"train": ["sub-02", "sub-03"], "validation": ["sub-01"]}))
        assert "trained on 1 of the 1 validation subjects" in refused(models[0], models[1:], split=str(split))
        seen = [subject_hash(name) for name in ("sub-02", "sub-03")]
        moved = copy_of(models[0], tmp_path / "moved", subjects_seen=seen)
        origin = read_manifest(cache(moved, prepared, tmp_path / "out", split=str(split)))["residuals"]
        assert origin["seen"] == ["sub-02", "sub-03"]

    def test_a_model_for_other_slices(self, refused, models, prepared, tmp_path):
        tiny_pipeline(field_of_view=20).save_pretrained(tmp_path / "other")
        message = refused(models[0], [models[1], copy_record(models[2], tmp_path / "other")])
        assert f"field_of_view 16 ({tmp_path / 'other'} has 20)" in message

    def test_a_model_without_synthesizer(self, refused, tmp_path):
        parts = {"synthesizer": None, "segmenter_inputs": "flair,t1,t2"}
        tiny_pipeline(field_of_view=16, **parts).save_pretrained(tmp_path / "bare")
        assert "bare: no synthesizer; expected a pipeline that has one" in refused(tmp_path / "bare")

    def test_the_data_set_itself_or_a_used_folder_as_output(self, refused, models, prepared, tmp_path):
        assert "it is --train_data_dir; expected another" in refused(models[0], output=prepared / "." / "")
        (tmp_path / "used").mkdir()
        (tmp_path / "used" / "thesis.txt").write_text("years of work")
        assert "used: it is not empty; expected a new folder" in refused(models[0], output=tmp_path / "used")

    def test_a_folder_of_cases(self, refused, models, brats_like):
        assert "expected a folder made by `recoseg prepare`" in refused(models[0], data=brats_like)

    @pytest.mark.parametrize(
        ("option", "message"),
        [
            ({"mixed_precision": "fp16"}, "--mixed_precision: fp16; expected no or bf16"),
            ({"num_samples": 1}, "--num_samples: 1; expected 2 or more, or 0 for no spread"),
        ],
    )
    def test_options_that_cannot_be(self, refused, models, option, message):
        assert message in refused(models[0], **option)


def test_fold_models_are_named_one_after_another(tmp_path):
    flags = ["--pretrained_model_name_or_path", "m", "--fold_models", "a", "b", "c", "--train_data_dir", "d"]
    found = parse_options(script("cache_residuals").CacheOptions, [*flags, "--output_dir", "o"])
    assert (found.fold_models, found.train_data_dir) == (["a", "b", "c"], "d")
    assert parse_options(type(found), [*flags[:2], *flags[6:], "--output_dir", "o"]).fold_models == []


def copy_record(model: Path, folder: Path) -> Path:
    shutil.copy(model / RECORD, folder / RECORD)
    return folder


def test_half_precision_draws_nearly_the_same(cache, models, prepared, tmp_path):
    tables = [
        load_from_disk(str(cache(models[0], prepared, tmp_path / name, mixed_precision=name)))["train"]
        for name in ("no", "bf16")
    ]
    full, half = (table.with_format("numpy")["synthetic_t1ce"][:] for table in tables)
    assert not np.array_equal(full, half)
    assert np.abs(full - half).mean() < 0.02
