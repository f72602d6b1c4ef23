"""Residuals are the pipeline's own, each subject's from the synthesizer that was chosen for it; stopped runs go on."""

import json
import os
import shutil

import numpy as np
import pytest
import torch
from datasets import load_from_disk

from recoseg_hf.errors import CheckpointError
from recoseg_hf.files import sha256_file
from recoseg_hf.imaging.case import Case
from recoseg_hf.learning.residual_cache import DrawSettings, draw_columns, write_cache
from recoseg_hf.learning.slices import axial_stack
from tests.tiny import tiny_pipeline

SETTINGS = DrawSettings(steps=2, samples=2, seed=0, batch_size=4)
ADDED = {"synthetic_t1ce", "spread", "residual_max", "spread_max"}


class StoppedError(Exception):
    """Stops a run."""


@pytest.fixture(scope="module")
def pipeline():
    return tiny_pipeline(field_of_view=16)


@pytest.fixture(scope="module")
def tables(prepared):
    return load_from_disk(str(prepared))


@pytest.fixture(scope="module")
def table(tables):
    return tables["train"]


def cached(folder, tables, pipeline_of, settings=SETTINGS, **options):
    write_cache(tables, folder, pipeline_of, settings, {"settings": {}}, **options)
    return load_from_disk(str(folder)).with_format("torch")


@pytest.fixture(scope="module")
def once(pipeline, tables, tmp_path_factory):
    return cached(tmp_path_factory.mktemp("cache") / "once", tables, lambda subject: pipeline)


def rows_of(table, subject) -> list[int]:
    return [row for row, name in enumerate(table["subject"][:]) if name == subject]


class TestColumns:
    def test_four_columns_are_added_and_the_others_stay(self, once, tables):
        assert sorted(once) == ["train", "validation"]
        for name, table in tables.items():
            assert set(once[name].column_names) == set(table.column_names) | ADDED
            stored, before = (found.with_format("numpy") for found in (once[name], table))
            assert all(np.array_equal(stored[column][:], before[column][:]) for column in table.column_names)
            assert {column: once[name].features[column] for column in table.features} == table.features
            assert once[name].features["synthetic_t1ce"] == table.features["t1ce"]

    def test_the_cached_draw_is_the_pipelines_own(self, once, pipeline, brats_like):
        """Same noise for the same place: what the segmenter is trained on is what it will see."""
        case = Case.from_folder(brats_like / "sub-02")
        stack = pipeline.preprocess(
            {name: axial_stack(volume.data) for name, volume in case.volumes().items() if name != "seg"}
        )
        with torch.no_grad():
            draws = pipeline._synthesize(stack, steps=2, samples=1, seed=0, batch_size=16, callback=None)
        expected = draws[0][stack.filled_slices()]
        found = once["train"]["synthetic_t1ce"][rows_of(once["train"], "sub-02")]
        assert torch.allclose(found, expected, atol=5e-3)  # conditions were rounded to float16

    def test_maxima_are_over_each_subjects_volume(self, once):
        train = once["train"]
        residual = (train["synthetic_t1ce"][:] - train["t1ce"][:]).abs() * train["brain"][:]
        for subject in ("sub-01", "sub-02"):
            rows = rows_of(train, subject)
            for maxima, values in (("residual_max", residual), ("spread_max", train["spread"][:])):
                found = train[maxima][rows]
                assert found.unique().numel() == 1
                assert found[0].item() == pytest.approx(values[rows].max().item(), abs=1e-3)
        assert train["residual_max"][:].unique().numel() == 2

    def test_the_spread_is_in_the_brain_alone(self, once):
        spread, brain = once["train"]["spread"][:], once["train"]["brain"][:].bool()
        assert spread[~brain].abs().max() == 0
        assert spread[brain].min() >= 0
        assert spread.max() > 0


class TestDraws:
    def volume(self, table, subject="sub-02"):
        return table.select(rows_of(table, subject))

    def test_batch_size_changes_nothing(self, pipeline, table):
        small, large = (
            draw_columns(pipeline, self.volume(table), DrawSettings(2, 2, 0, batch_size)) for batch_size in (4, 64)
        )
        assert np.allclose(small["synthetic_t1ce"], large["synthetic_t1ce"], atol=1e-3)

    def test_another_seed_draws_others(self, pipeline, table):
        one, other = (draw_columns(pipeline, self.volume(table), DrawSettings(2, 0, seed)) for seed in (0, 1))
        assert not np.array_equal(one["synthetic_t1ce"], other["synthetic_t1ce"])

    def test_without_samples_there_is_no_spread(self, pipeline, table):
        found = draw_columns(pipeline, self.volume(table), DrawSettings(2, samples=0))
        assert not found["spread"].any()
        assert not found["spread_max"].any()

    def test_the_spread_is_of_at_least_four_steps(self, pipeline, table):
        two, four = (draw_columns(pipeline, self.volume(table), DrawSettings(steps, 2)) for steps in (2, 4))
        assert np.array_equal(two["spread"], four["spread"])
        assert not np.array_equal(two["synthetic_t1ce"], four["synthetic_t1ce"])

    def test_values_that_are_not_finite_are_refused(self, table):
        broken = tiny_pipeline(field_of_view=16)
        with torch.no_grad():
            broken.synthesizer.conv_out.bias.fill_(float("nan"))
        with pytest.raises(CheckpointError, match=r"draws values that are not finite; expected T1ce in \[0, 1\]\. Tr"):
            draw_columns(broken, self.volume(table), SETTINGS)


class TestWhoDraws:
    def test_each_subject_is_drawn_by_its_own_synthesizer(self, tables, tmp_path):
        pipelines = {
            name: tiny_pipeline(seed=seed, field_of_view=16) for seed, name in enumerate(("sub-01", "sub-02"))
        }
        pipelines["sub-03"] = tiny_pipeline(seed=7, field_of_view=16)
        found = cached(tmp_path / "out", tables, pipelines.__getitem__)
        for split, subject in (("train", "sub-01"), ("train", "sub-02"), ("validation", "sub-03")):
            rows = rows_of(tables[split], subject)
            own = draw_columns(pipelines[subject], tables[split].select(rows), SETTINGS)
            for column, values in own.items():
                assert np.array_equal(found[split].with_format("numpy")[rows][column], values.astype(np.float32))

    def test_a_cache_that_is_drawn_again_has_new_residuals_alone(self, once, tables, tmp_path):
        other = tiny_pipeline(seed=4, field_of_view=16)
        again = cached(tmp_path / "again", once.with_format(None), lambda subject: other)
        assert again["train"].column_names == once["train"].column_names
        direct = cached(tmp_path / "direct", tables, lambda subject: other)
        assert torch.equal(again["train"]["spread"][:], direct["train"]["spread"][:])
        assert not torch.equal(again["train"]["spread"][:], once["train"]["spread"][:])


class TestFolder:
    def stopped_at(self, pipeline, last):
        def pipeline_of(subject):
            if subject == last:
                raise StoppedError
            return pipeline

        return pipeline_of

    def test_it_is_a_data_set_with_a_manifest_and_nothing_else(self, pipeline, tables, tmp_path):
        (tmp_path / "out").mkdir()
        cached(tmp_path / "out", tables, lambda subject: pipeline)
        assert os.listdir(tmp_path) == ["out"]
        names = ["dataset_dict.json", "recoseg_hashes.json", "recoseg_manifest.json", "train", "validation"]
        assert sorted(os.listdir(tmp_path / "out")) == names
        assert json.loads((tmp_path / "out" / "recoseg_manifest.json").read_text()) == {"settings": {}}
        contents = [file.read_bytes() for file in (tmp_path / "out").rglob("*") if file.is_file()]
        assert not any(str(tmp_path).encode() in content for content in contents)

    def test_a_stopped_run_leaves_no_data_set_and_goes_on_where_it_was(self, pipeline, tables, once, tmp_path):
        with pytest.raises(StoppedError):
            cached(tmp_path / "out", tables, self.stopped_at(pipeline, "sub-02"))
        assert os.listdir(tmp_path) == [".out.partial"]
        asked = []
        found = cached(tmp_path / "out", tables, lambda subject: asked.append(subject) or pipeline)
        assert asked == ["sub-02", "sub-03"]
        assert os.listdir(tmp_path) == ["out"]
        for name in tables:
            assert all(torch.equal(found[name][column][:], once[name][column][:]) for column in ADDED)

    def test_draws_of_another_plan_are_not_taken_over(self, pipeline, tables, tmp_path):
        with pytest.raises(StoppedError):
            cached(tmp_path / "out", tables, self.stopped_at(pipeline, "sub-03"))
        asked = []
        write_cache(
            tables,
            tmp_path / "out",
            lambda subject: asked.append(subject) or pipeline,
            SETTINGS,
            {"settings": {"a": 1}},
        )
        assert asked == ["sub-01", "sub-02", "sub-03"]

    def test_a_run_stopped_while_joining_joins_again(self, pipeline, tables, once, tmp_path):
        with pytest.raises(StoppedError):
            cached(tmp_path / "out", tables, self.stopped_at(pipeline, "sub-03"))
        torn = tmp_path / ".out.partial" / "data" / "train"
        shutil.rmtree(torn)
        torn.mkdir()
        (torn / "data-00000-of-00001.arrow").write_bytes(b"torn")
        found = cached(tmp_path / "out", tables, lambda subject: pipeline)
        assert torch.equal(found["train"]["spread"][:], once["train"]["spread"][:])

    def test_the_prepared_data_set_is_left_as_it_is(self, pipeline, prepared, tables, tmp_path):
        before = {file: sha256_file(file) for file in prepared.rglob("*") if file.is_file()}
        cached(tmp_path / "out", tables, lambda subject: pipeline)
        assert {file: sha256_file(file) for file in prepared.rglob("*") if file.is_file()} == before

    def test_progress_counts_slices(self, pipeline, tables, tmp_path):
        seen = []
        cached(tmp_path / "out", tables, lambda subject: pipeline, progress=seen.append)
        assert len(seen) == 3
        assert sum(seen) == sum(map(len, tables.values()))
