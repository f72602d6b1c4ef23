import json
import os
import pickle
import shutil
import signal

import pytest
import torch
from datasets import load_from_disk

from recoseg_hf.errors import InputError
from recoseg_hf.learning.slice_batches import SliceDataset, open_slices, training_loader
from recoseg_hf.learning.slices import SliceSettings, read_manifest
from tests.learning.conftest import SETTINGS


@pytest.fixture(scope="module")
def table(prepared):
    return load_from_disk(str(prepared))["train"]


@pytest.fixture(scope="module")
def per_subject(table):
    """Rows of each of the two subjects, which come one after the other."""
    return len(table) // 2


class TestSliceDataset:
    def test_an_item_is_the_slice_itself_without_context(self, table):
        dataset, rows = SliceDataset(table), table.with_format("torch")
        item = dataset[2]
        assert {name: tuple(value.shape) for name, value in item.items()} == {
            "conditions": (1, 3, 16, 16),
            "t1": (1, 1, 16, 16),
            "t1ce": (1, 1, 16, 16),
            "brain": (1, 1, 16, 16),
            "regions": (3, 16, 16),
        }
        assert all(value.dtype == torch.float32 for value in item.values())
        assert torch.equal(item["conditions"][0], rows[2]["conditions"].float())
        assert torch.equal(item["regions"], rows[2]["regions"].float())

    def test_healthy_slices_are_thinned_and_those_with_tumour_are_all_kept(self, table):
        tumour = [index for index, row in enumerate(table.with_format("torch")) if row["regions"].any()]
        dataset = SliceDataset(table)
        dataset.keep_healthy(1.0, seed=0)
        assert list(dataset.rows) == list(range(len(table)))
        dataset.keep_healthy(0.0, seed=0)
        assert list(dataset.rows) == tumour
        assert 0 < len(tumour) < len(table)

    def test_a_domain_is_the_slices_with_tumour_or_those_without(self, table):
        tumour = [index for index, row in enumerate(table.with_format("torch")) if row["regions"].any()]
        healthy = [index for index in range(len(table)) if index not in tumour]
        for domain, expected in (("all", range(len(table))), ("tumour", tumour), ("healthy", healthy)):
            dataset = SliceDataset(table)
            dataset.keep_domain(domain)
            assert list(dataset.rows) == list(expected)
        dataset = SliceDataset(table)
        dataset.rows = healthy
        with pytest.raises(ValueError, match=f"synthesis_domain='tumour' leaves none of {len(healthy)} slices"):
            dataset.keep_domain("tumour")
        with pytest.raises(ValueError, match="synthesis_domain='sick'; expected one of all, tumour, healthy"):
            dataset.keep_domain("sick")

    def test_context_goes_from_the_lowest_to_the_highest_around_the_slice(self, table):
        dataset, rows = SliceDataset(table, context_slices=1), table.with_format("torch")["t1ce"][:].float()
        item = dataset[2]
        assert torch.equal(item["t1ce"], rows[1:4])
        assert torch.equal(item["regions"], table.with_format("torch")[2]["regions"].float())

    def test_context_never_reaches_into_another_subject(self, table, per_subject):
        dataset, rows = SliceDataset(table, context_slices=2), table.with_format("torch")["t1ce"][:].float()
        first, last = per_subject, per_subject - 1
        assert torch.equal(dataset[last]["t1ce"], rows[[last - 2, last - 1, last, last, last]])
        assert torch.equal(dataset[first]["t1ce"], rows[[first, first, first, first + 1, first + 2]])

    def test_context_is_that_of_the_pipeline(self, table, per_subject):
        from recoseg_hf.pipeline.preprocessing import with_context

        stack = table.with_format("torch")["conditions"][:per_subject].float()
        dataset = SliceDataset(table, context_slices=1)
        expected = with_context(stack, torch.arange(per_subject), 1)
        for index in range(per_subject):
            assert torch.equal(dataset[index]["conditions"].flatten(0, 1), expected[index])

    def test_a_batch_is_its_items_stacked(self, table):
        dataset = SliceDataset(table, context_slices=1, every=2)
        found, items = dataset.batch([3, 0, 3]), [dataset[3], dataset[0], dataset[3]]
        assert found.keys() == items[0].keys()
        for name, values in found.items():
            assert torch.equal(values, torch.stack([item[name] for item in items]))

    def test_a_worker_that_is_sent_the_data_set_reads_the_same(self, table):
        dataset = SliceDataset(table, context_slices=1, every=2)
        again = pickle.loads(pickle.dumps(dataset))
        found, expected = again.batch([0, 2]), dataset.batch([0, 2])
        assert all(torch.equal(found[name], expected[name]) for name in expected)

    def test_every_nth_slice(self, table):
        dataset = SliceDataset(table, every=3)
        assert len(dataset) == -(-len(table) // 3)
        assert torch.equal(dataset[1]["t1ce"], SliceDataset(table)[3]["t1ce"])
        assert dataset.subject(len(dataset) - 1) == "sub-02"


class TestTrainingLoader:
    def test_a_worker_outlives_the_signals_that_its_run_obeys(self, table):
        loader = training_loader(SliceDataset(table), 2, seed=0, start=0, stop=8, rank=0, world_size=1, workers=1)
        batches = iter(loader)
        next(batches)
        for number in (signal.SIGTERM, signal.SIGINT):
            os.kill(batches._workers[0].pid, number)
        assert len(list(batches)) == 7

    def test_batches_come_in_the_samplers_order(self, table):
        dataset = SliceDataset(table, context_slices=1)
        settings = {"batch_size": 4, "seed": 3, "rank": 0, "world_size": 1, "workers": 0}
        whole = list(training_loader(dataset, start=0, stop=5, **settings))
        later = list(training_loader(dataset, start=3, stop=5, **settings))
        assert whole[0]["conditions"].shape == (4, 3, 3, 16, 16)
        assert all(torch.equal(whole[3 + i]["t1ce"], later[i]["t1ce"]) for i in range(2))
        assert not torch.equal(whole[0]["t1ce"], whole[1]["t1ce"])

    def test_worker_processes_change_nothing(self, table):
        dataset = SliceDataset(table, context_slices=1)
        settings = {"batch_size": 3, "seed": 1, "start": 0, "stop": 3, "rank": 0, "world_size": 1}
        here, there = (list(training_loader(dataset, workers=workers, **settings)) for workers in (0, 2))
        assert len(here) == len(there) == 3
        assert all(torch.equal(one["conditions"], two["conditions"]) for one, two in zip(here, there, strict=True))


class TestOpenSlices:
    def test_a_prepared_folder_is_opened(self, prepared, tmp_path):
        tables = open_slices(prepared, tmp_path, SETTINGS)
        assert sorted(tables) == ["train", "validation"]
        assert not any(tmp_path.iterdir())

    def test_a_folder_of_cases_is_prepared_once(self, brats_like, tmp_path):
        tables = open_slices(brats_like, tmp_path, SETTINGS)
        assert set(tables["validation"]["subject"]) == {"sub-03"}
        written = (tmp_path / "slices" / "recoseg_manifest.json").stat().st_mtime_ns
        open_slices(brats_like, tmp_path, SETTINGS)
        assert (tmp_path / "slices" / "recoseg_manifest.json").stat().st_mtime_ns == written

    def test_other_settings_are_refused_with_both_values(self, prepared, tmp_path):
        wanted = SliceSettings(image_size=32, field_of_view=16, normalization="robust")
        message = (
            r"slices prepared with image_size 16 \(the pipeline has 32\), normalization zscore \(the pipeline has "
            r"robust\); expected the pipeline's settings\. Prepare them anew"
        )
        with pytest.raises(InputError, match=message):
            open_slices(prepared, tmp_path, wanted)

    def test_a_setting_that_an_older_version_did_not_know_differs(self, prepared, tmp_path):
        older = tmp_path / "older"
        shutil.copytree(prepared, older)
        manifest = read_manifest(older)
        del manifest["settings"]["normalization"]
        (older / "recoseg_manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(InputError, match=r"normalization None \(the pipeline has zscore\)"):
            open_slices(older, tmp_path, SETTINGS)

    def test_both_splits_are_needed(self, brats_like, tmp_path):
        cases = tmp_path / "cases"
        shutil.copytree(brats_like, cases)
        (cases / "splits.json").unlink()
        with pytest.raises(InputError, match=r"no split validation; expected train and validation\. Prepare it"):
            open_slices(cases, tmp_path, SETTINGS)

    def test_residuals_that_were_not_cached_are_missed(self, prepared, tmp_path):
        message = r"no spread, spread_max in train; expected slices with cached residuals\. Run training/cache_res"
        with pytest.raises(InputError, match=message):
            open_slices(prepared, tmp_path, SETTINGS, ["t1ce", "spread", "spread_max"])

    def test_a_table_that_does_not_fit_its_manifest_is_refused(self, prepared, tmp_path):
        other = tmp_path / "other"
        shutil.copytree(prepared, other)
        manifest = read_manifest(other)
        manifest["subjects"]["train"] = ["sub-01", "sub-07", "sub-08"]
        (other / "recoseg_manifest.json").write_text(json.dumps(manifest))
        message = r"train: 1 subjects that recoseg_manifest\.json does not name, and 2 too few; expected the data set"
        with pytest.raises(InputError, match=message):
            open_slices(other, tmp_path, SETTINGS)

    def test_columns_of_residuals_come_with_their_origin(self, prepared, tmp_path):
        other = tmp_path / "other"
        shutil.copytree(prepared, other)
        with pytest.raises(
            InputError, match="residuals of unknown origin; expected the record of what they were drawn"
        ):
            open_slices(other, tmp_path, SETTINGS, ["t1ce"])


class TestSlicesOfCases:
    """A folder of cases is prepared once, and what was prepared must still be what the folder holds."""

    @pytest.fixture
    def cases(self, brats_like, tmp_path):
        folder = tmp_path / "cases"
        shutil.copytree(brats_like, folder)
        open_slices(folder, tmp_path / "run", SETTINGS)
        return folder

    @pytest.fixture
    def refused(self, cases, tmp_path):
        def check(counts):
            message = rf"slices: made of other cases than .*cases holds now \({counts}\); expected the slices of these"
            with pytest.raises(InputError, match=message):
                open_slices(cases, tmp_path / "run", SETTINGS)

        return check

    def test_a_case_that_changed(self, cases, refused):
        shutil.copy(cases / "sub-01" / "sub-01_t1.nii.gz", cases / "sub-02" / "sub-02_t1.nii.gz")
        refused("1 changed")

    def test_another_case_in_the_split(self, cases, refused):
        shutil.copytree(cases / "sub-01", cases / "sub-04")
        for file in (cases / "sub-04").iterdir():
            file.rename(file.with_name(file.name.replace("sub-01", "sub-04")))
        (cases / "splits.json").write_text(json.dumps({"train": ["sub-01", "sub-04"], "validation": ["sub-03"]}))
        refused("5 gone, 5 new")

    def test_another_split_of_the_same_cases(self, cases, refused):
        (cases / "splits.json").write_text(json.dumps({"train": ["sub-01", "sub-03"], "validation": ["sub-02"]}))
        refused("another split")

    def test_other_settings_are_named_first(self, cases, tmp_path):
        with pytest.raises(InputError, match=r"slices prepared with image_size 16 \(the pipeline has 32\)"):
            open_slices(cases, tmp_path / "run", SliceSettings(image_size=32, field_of_view=16))

    def test_cases_that_are_in_no_split_do_not_matter(self, cases, tmp_path):
        shutil.copytree(cases / "sub-01", cases / "sub-09")
        assert sorted(open_slices(cases, tmp_path / "run", SETTINGS)) == ["train", "validation"]
