"""Cases out of folders and out of rows of a data set, by split; what a row may and may not point to."""

import csv
import json

import numpy as np
import pytest

from recoseg_hf.errors import InputError
from recoseg_hf.imaging.sources import open_source
from tests import factories
from tests.imaging.test_bids import save_bids

NAMES = (*factories.MODALITIES, "seg")
SPLITS = {"train": ["a1", "b2"], "validation": ["c3"]}


@pytest.fixture(autouse=True)
def nothing_is_kept(monkeypatch, tmp_path):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


def save_table(root, splits=None, names=NAMES, subject_column="subject_id", **cells):
    """Write cases with a metadata.csv for each split; `cells` replace cells of every row."""
    for split, subjects in (splits or SPLITS).items():
        rows = []
        for subject in subjects:
            factories.save_case(root / split, subject)
            row = {f"{name}_file_name": f"{subject}/{subject}_{name}.nii.gz" for name in names}
            rows.append(({subject_column: subject} if subject_column else {}) | row | cells)
        with open(root / split / "metadata.csv", "w", newline="") as stream:
            table = csv.DictWriter(stream, rows[0])
            table.writeheader()
            table.writerows(rows)
    return root


def save_parquet(root, rows, features=None):
    from datasets import Dataset, Features, Nifti, Value

    features = features or Features(subject=Value("string"), **{name: Nifti() for name in NAMES})
    root.mkdir(parents=True, exist_ok=True)
    Dataset.from_list(rows, features=features).to_parquet(root / "train.parquet")
    return root


def embedded(subject="a1", names=NAMES, **columns):
    """A row with the files' bytes in it."""
    row = {"subject": subject}
    for seed, name in enumerate(names):
        data = factories.labels() if name == "seg" else factories.intensities(seed=seed)
        row[name] = {"bytes": bytes(factories.raw_bytes(data)), "path": f"{subject}_{name}.nii"}
    return row | columns


def entries(source, split=None):
    return {name: list(part.entries) for name, part in open_source(source).parts(split).items()}


def names(found):
    return {split: [entry.subject for entry in part] for split, part in found.items()}


class TestTable:
    def test_splits_subjects_and_voxels_are_those_of_the_table(self, tmp_path):
        found = entries(save_table(tmp_path / "data"))
        assert names(found) == SPLITS
        case = found["train"][1].read()
        assert case.subject == "b2"
        for seed, name in enumerate(factories.MODALITIES):
            np.testing.assert_array_equal(getattr(case, name).data, factories.intensities(seed=seed))
        np.testing.assert_array_equal(case.seg.data, factories.labels())
        assert set(found["train"][1].hashes()) == {f"b2/{name}" for name in NAMES}

    def test_an_empty_segmentation_is_none(self, tmp_path):
        root = save_table(tmp_path / "data")
        file = root / "train" / "metadata.csv"
        file.write_text(file.read_text().replace("b2/b2_seg.nii.gz", ""))
        found = entries(root)["train"]
        assert [entry.read().seg is None for entry in found] == [False, True]
        file.write_text(file.read_text().replace("b2/b2_t1.nii.gz", ""))
        with pytest.raises(InputError, match=r"train\[1\]: t1 is empty; expected a file for each scan"):
            entries(root)

    def test_a_split_by_name_goes_over_all_its_splits(self, tmp_path):
        split = tmp_path / "split.json"
        split.write_text(json.dumps({"train": ["c3"], "test": ["b2", "a1"]}))
        assert names(entries(save_table(tmp_path / "data"), split)) == {"train": ["c3"], "test": ["a1", "b2"]}
        split.write_text(json.dumps({"train": ["c3", "d4"]}))
        with pytest.raises(InputError, match=r"split.json: d4 not in .*data; expected a row for each"):
            open_source(tmp_path / "data").parts(split)  # before a row is read

    def test_who_is_absent_is_told_also_where_files_name_the_subjects(self, tmp_path):
        split = tmp_path / "split.json"
        split.write_text(json.dumps({"train": ["c3", "d4"]}))
        with pytest.raises(InputError, match=r"split.json: d4 not in .*data; expected a row for each"):
            entries(save_table(tmp_path / "data", subject_column=""), split)

    def test_without_a_column_the_file_names_the_subject(self, tmp_path):
        assert names(entries(save_table(tmp_path / "data", subject_column=""))) == SPLITS

    def test_a_bad_file_is_named(self, tmp_path):
        root = save_table(tmp_path / "data")
        (root / "train" / "a1" / "a1_t2.nii.gz").write_bytes(b"not an image")
        with pytest.raises(InputError, match=r"a1_t2.nii.gz: it does not begin with a NIfTI header"):
            entries(root)["train"][0].read()

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (
                {"names": ("flair", "t1", "seg")},
                r"no column of NIfTI files for t2; its columns are subject_id, flair, ",
            ),
            ({"names": (*NAMES, "t2w")}, r"columns t2 and t2w are both t2; expected one"),
            ({"subject_id": "same"}, r"train\[1\] \(same\): its subject is also that of .*train\[0\] \(same\)"),
            ({"t1_file_name": ""}, r"no column of NIfTI files for t1; its columns are .*t1_file_name"),
        ],
    )
    def test_an_unusable_table_is_refused(self, tmp_path, change, message):
        with pytest.raises(InputError, match=message):
            entries(save_table(tmp_path / "data", **change))

    def test_what_datasets_cannot_load_is_an_input_error(self, tmp_path):
        root = save_table(tmp_path / "data", flair_file_name="../../../etc/passwd")
        with pytest.raises(InputError, match=r"data, train: it cannot be read \(.*; expected a whole data set"):
            entries(root)
        (tmp_path / "broken").mkdir()
        (tmp_path / "broken" / "train.parquet").write_bytes(b"PAR1")
        with pytest.raises(InputError, match=r"broken: it cannot be loaded \(.*`datasets.load_dataset`"):
            entries(tmp_path / "broken")


class TestParquet:
    def test_bytes_in_the_rows_are_read_with_every_check(self, tmp_path):
        damaged = embedded("b2")
        damaged["t1"]["bytes"] = damaged["t1"]["bytes"][:-5]
        one, two = entries(save_parquet(tmp_path / "data", [embedded(), damaged]))["train"]
        np.testing.assert_array_equal(one.read().t2.data, factories.intensities(seed=2))
        with pytest.raises(InputError, match=r"train\[1\] \(b2\), column t1: it ends after"):
            two.read()

    def test_bare_bytes_will_do(self, tmp_path):
        from datasets import Features, Value

        row = {name: cell if name == "subject" else cell["bytes"] for name, cell in embedded().items()}
        features = Features(subject=Value("string"), **dict.fromkeys(NAMES, Value("binary")))
        case = entries(save_parquet(tmp_path / "data", [row], features))["train"][0].read()
        np.testing.assert_array_equal(case.t1ce.data, factories.intensities(seed=3))

    def test_grids_and_voxels_are_compared_by_column(self, tmp_path):
        other = embedded(
            "b2", t2={"bytes": bytes(factories.raw_bytes(factories.intensities((4, 4, 4)))), "path": None}
        )
        same = embedded("c3")
        same["t1ce"] = same["t1"]
        two, three = entries(save_parquet(tmp_path / "data", [other, same]))["train"]
        with pytest.raises(InputError, match=r"column t2: its shape is \(4, 4, 4\); .* as in .*\(b2\), column flair"):
            two.read()
        with pytest.raises(InputError, match=r"column t1ce: its voxels are those of t1 \(.*column t1\)"):
            three.read()

    def test_a_row_opens_no_file_outside_of_the_data_set(self, tmp_path):
        secret = factories.save_case(tmp_path / "private", "x") / "x_flair.nii.gz"
        for path in (str(secret), "https://example.org/flair.nii", f"gzip://flair.nii::{secret}"):
            root = save_parquet(tmp_path / "data", [embedded(flair={"bytes": None, "path": path})])
            entry = entries(root)["train"][0]
            for open_it in (entry.read, entry.hashes):
                with pytest.raises(InputError, match=r"column flair points to .*, outside of the data set"):
                    open_it()


class TestFolders:
    def test_of_brats_and_bids(self, tmp_path):
        factories.save_case(tmp_path / "brats", "a1")
        save_bids(tmp_path / "bids", "sub-01", "ses-1")
        (tmp_path / "brats" / "metadata.jsonl").write_text("[1, 2]")
        (tmp_path / "brats" / "metadata.csv").write_text("subject,age\na1,60\n")  # names no file: a table of its own
        assert names(entries(tmp_path / "brats")) == {"train": ["a1"]}
        assert names(entries(tmp_path / "bids")) == {"train": ["sub-01_ses-1"]}

    def test_a_bids_split_names_sessions(self, tmp_path):
        for session in ("ses-1", "ses-2"):
            save_bids(tmp_path, "sub-01", session)
        (tmp_path / "split.json").write_text(json.dumps({"train": ["sub-01_ses-2"]}))
        assert names(entries(tmp_path, tmp_path / "split.json")) == {"train": ["sub-01_ses-2"]}

    def test_links_to_bids_scans_are_called_by_their_subject(self, tmp_path):
        (tmp_path / "chosen").mkdir()
        for number, subject in enumerate(("sub-01", "sub-02")):
            (tmp_path / "chosen" / f"link{number}").symlink_to(save_bids(tmp_path / "bids", subject))
        assert names(entries(tmp_path / "chosen")) == {"train": ["sub-01", "sub-02"]}

    def test_two_patients_are_never_one_subject(self, tmp_path):
        for folder in ("patient 1", "patient (1"):
            factories.save_case(tmp_path, folder)
        with pytest.raises(InputError, match=r"its subject is called patient-1, as that of .*; expected one folder"):
            entries(tmp_path)

    def test_nothing_of_that_name(self, tmp_path):
        with pytest.raises(InputError, match=r"no such folder; .*or a data set on the Hub as organisation/name"):
            open_source(tmp_path / "nowhere")
        (tmp_path / "file").touch()
        with pytest.raises(InputError, match="it is a file; expected a folder of cases"):
            open_source(tmp_path / "file")
        with pytest.raises(InputError, match=r"org/name: no folder of that name .* cannot be loaded \(.*the network"):
            open_source("org/name")
