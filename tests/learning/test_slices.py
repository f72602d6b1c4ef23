import json
import os
import shutil

import numpy as np
import pytest
import torch
from datasets import are_progress_bars_disabled, load_from_disk

from recoseg_hf.errors import InputError
from recoseg_hf.files import sha256_file
from recoseg_hf.imaging.case import Case
from recoseg_hf.learning.slices import (
    SliceSettings,
    axial_stack,
    case_block,
    describe_source,
    prepare_case,
    prepare_dataset,
    read_manifest,
    read_split,
)
from recoseg_hf.learning.table_hashes import CHECKED
from tests import factories
from tests.learning.conftest import SETTINGS, SHAPE, SPLIT
from tests.tiny import tiny_pipeline

KNOWN = ("sub-01", "sub-02", "sub-03")


def with_split(root, split) -> str:
    path = root / "other.json"
    path.write_text(split if isinstance(split, str) else json.dumps(split))
    return path


class TestPreparedCase:
    def test_slices_are_axial_lowest_first(self):
        volume = np.arange(24).reshape(2, 3, 4)
        stack = axial_stack(volume)
        assert stack.shape == (4, 2, 3)
        assert torch.equal(stack[1], torch.from_numpy(volume[:, :, 1]).float())

    def test_training_sees_what_the_pipeline_sees(self, brats_like):
        case = Case.from_folder(brats_like / "sub-01")
        stack, _ = prepare_case(case, SETTINGS)
        pipeline = tiny_pipeline(field_of_view=16)
        assert SliceSettings.of_pipeline(pipeline.config) == SETTINGS
        images = {name: axial_stack(getattr(case, name).data) for name in ("flair", "t1", "t2", "t1ce")}
        expected = pipeline.preprocess(images)
        assert torch.equal(stack.conditions, expected.conditions)
        assert torch.equal(stack.t1ce, expected.t1ce)

    def test_orientation_does_not_matter(self, tmp_path):
        matrix = factories.affine("LPS", origin=(13.0, 11.0, 0.0))
        for name, affine in (("ras", None), ("lps", matrix)):
            folder = tmp_path / name / name
            for seed, modality in enumerate((*factories.MODALITIES, "seg")):
                data = factories.labels(SHAPE) if modality == "seg" else factories.intensities(SHAPE, seed)
                factories.save(
                    folder / f"{name}_{modality}.nii.gz", data if affine is None else data[::-1, ::-1], affine
                )
        blocks = [case_block(Case.from_folder(tmp_path / name / name), SETTINGS) for name in ("ras", "lps")]
        for column in ("position", "conditions", "t1ce", "regions"):
            assert np.array_equal(blocks[0][column], blocks[1][column])

    def test_regions_say_how_much_of_each_pixel_is_covered(self, brats_like):
        case = Case.from_folder(brats_like / "sub-01")
        _, regions = prepare_case(case, SETTINGS)
        voxels = torch.stack([torch.from_numpy(case.seg.data > 0), torch.from_numpy(case.seg.data == 4)]).sum(
            (1, 2, 3)
        )
        assert regions.shape == (7, 3, 16, 16)
        assert regions.sum((0, 2, 3))[[0, 2]].tolist() == pytest.approx(voxels.tolist())
        assert 0 <= regions.min() < regions.max() <= 1


class TestPreparedDataSet:
    def test_columns_types_and_shapes(self, prepared):
        table = load_from_disk(str(prepared))["train"]
        found = {name: (getattr(kind, "shape", None), kind.dtype) for name, kind in table.features.items()}
        assert found == {
            "subject": (None, "string"),
            "position": (None, "int32"),
            "conditions": ((3, 16, 16), "float16"),
            "t1": ((1, 16, 16), "float16"),
            "t1ce": ((1, 16, 16), "float16"),
            "brain": ((1, 16, 16), "uint8"),
            "regions": ((3, 16, 16), "float16"),
        }

    def test_rows_are_the_filled_slices_of_each_subject_in_order(self, prepared, brats_like):
        table = load_from_disk(str(prepared))["train"].with_format("torch")
        blocks = [case_block(Case.from_folder(brats_like / subject), SETTINGS) for subject in SPLIT["train"]]
        assert table["subject"][:] == [name for block in blocks for name in block["subject"].tolist()]
        assert table["position"][:].tolist() == [place for block in blocks for place in block["position"].tolist()]
        for column in ("conditions", "t1", "t1ce", "brain", "regions"):
            expected = np.concatenate([block[column] for block in blocks]).astype(np.float32)
            assert np.array_equal(table[column][:].float().numpy(), expected)

    def test_a_single_row_is_its_slice(self, prepared):
        table = load_from_disk(str(prepared))["validation"].with_format("torch")
        whole = table["conditions"][:]
        assert torch.equal(table[3]["conditions"], whole[3])

    def test_a_subject_never_stands_in_two_splits(self, prepared):
        tables = load_from_disk(str(prepared))
        subjects = {name: set(table["subject"]) for name, table in tables.items()}
        assert subjects == {"train": {"sub-01", "sub-02"}, "validation": {"sub-03"}}

    def test_nothing_else_is_left_behind(self, prepared):
        made = {path.name for path in prepared.iterdir()} - {CHECKED}  # of a test that has read it
        assert sorted(made) == [
            "dataset_dict.json",
            "recoseg_hashes.json",
            "recoseg_manifest.json",
            "train",
            "validation",
        ]
        assert [path.name for path in prepared.parent.iterdir()] == ["slices"]
        assert len(list(prepared.rglob("*.arrow"))) == 2

    def test_the_manifest_says_what_it_was_made_of_and_by(self, prepared, brats_like):
        manifest = read_manifest(prepared)
        assert manifest["settings"] == SETTINGS.__dict__
        assert manifest["subjects"] == SPLIT
        assert len(manifest["sha256"]) == 15
        name = "sub-02/sub-02_t1ce.nii.gz"
        assert manifest["sha256"][name] == sha256_file(brats_like / name)

    def test_the_data_set_holds_no_absolute_path(self, prepared, brats_like):
        for file in prepared.rglob("*"):
            if file.is_file():
                content = file.read_bytes()
                assert str(brats_like.parent).encode() not in content
                assert str(prepared.parent).encode() not in content

    def test_without_a_split_every_subject_is_trained_on(self, brats_like, tmp_path):
        tables = prepare_dataset(brats_like, tmp_path / "slices", None, SETTINGS)
        assert list(tables) == ["train"]
        assert len(set(tables["train"]["subject"])) == 3

    def test_progress_is_reported_and_nothing_is_printed(self, brats_like, tmp_path, capfd):
        calls = []
        prepare_dataset(brats_like, tmp_path / "slices", None, SETTINGS, progress=lambda *call: calls.append(call))
        assert calls == [("sub-01", 1, 3), ("sub-02", 2, 3), ("sub-03", 3, 3)]
        assert capfd.readouterr() == ("", "")
        assert not are_progress_bars_disabled()

    def test_an_earlier_data_set_is_replaced(self, brats_like, tmp_path):
        prepare_dataset(brats_like, tmp_path / "slices", None, SETTINGS)
        tables = prepare_dataset(brats_like, tmp_path / "slices", brats_like / "splits.json", SETTINGS)
        assert sorted(tables) == ["train", "validation"]
        assert read_manifest(tmp_path / "slices")["subjects"] == SPLIT

    def test_other_files_are_not_overwritten(self, brats_like, tmp_path):
        (tmp_path / "thesis.txt").write_text("years of work")
        with pytest.raises(InputError, match="it holds other files; expected a new or empty folder"):
            prepare_dataset(brats_like, tmp_path, None, SETTINGS)
        assert (tmp_path / "thesis.txt").read_text() == "years of work"

    def test_after_an_error_the_earlier_data_set_is_as_it_was(self, brats_like, tmp_path):
        root = tmp_path / "cases"
        shutil.copytree(brats_like, root)
        prepare_dataset(root, tmp_path / "slices", None, SETTINGS)
        before = sha256_file(tmp_path / "slices" / "recoseg_manifest.json")
        (root / "sub-03" / "sub-03_seg.nii.gz").unlink()
        with pytest.raises(InputError, match=r"sub-03: no seg; expected T1ce and segmentation\. Training needs both"):
            prepare_dataset(root, tmp_path / "slices", None, SETTINGS)
        assert sha256_file(tmp_path / "slices" / "recoseg_manifest.json") == before
        assert sorted(os.listdir(tmp_path)) == ["cases", "slices"]


class TestUnlabelled:
    def test_its_regions_are_unknown_and_the_manifest_says_so(self, brats_like, tmp_path):
        root = tmp_path / "cases"
        shutil.copytree(brats_like, root)
        (root / "sub-02" / "sub-02_seg.nii.gz").unlink()
        tables = prepare_dataset(root, tmp_path / "slices", root / "splits.json", SETTINGS, allow_unlabelled=True)
        train = tables["train"].with_format("numpy")
        unknown = np.isnan(train["regions"][:]).reshape(len(train), -1)
        assert (unknown.all(1) == unknown.any(1)).all()
        assert {subject for subject, row in zip(train["subject"][:], unknown, strict=True) if row[0]} == {"sub-02"}
        assert read_manifest(tmp_path / "slices")["unlabelled"] == ["sub-02"]

    def test_t1ce_is_needed_all_the_same(self, brats_like, tmp_path):
        root = tmp_path / "cases"
        shutil.copytree(brats_like, root)
        (root / "sub-02" / "sub-02_t1ce.nii.gz").unlink()
        with pytest.raises(
            InputError, match=r"sub-02: no t1ce; expected T1ce. Training needs it: .* leave the subject out"
        ):
            prepare_dataset(root, tmp_path / "slices", None, SETTINGS, allow_unlabelled=True)

    def test_rows_are_those_of_the_folders(self, brats_like, tmp_path):
        """A table beside the very same files, its splits its own."""
        root = tmp_path / "cases"
        shutil.copytree(brats_like, root)
        expected = prepare_dataset(root, tmp_path / "folders", root / "splits.json", SETTINGS)
        modalities = (*factories.MODALITIES, "seg")
        for split, subjects in SPLIT.items():
            (root / split).mkdir()
            for subject in subjects:
                (root / subject).rename(root / split / subject)
            lines = [",".join([s, *(f"{s}/{s}_{name}.nii.gz" for name in modalities)]) for s in subjects]
            header = ",".join(["subject", *(f"{name}_file_name" for name in modalities)])
            (root / split / "metadata.csv").write_text("\n".join([header, *lines]))
        found = prepare_dataset(root, tmp_path / "rows", None, SETTINGS)
        assert list(found) == list(expected)
        assert all(found[split].to_dict() == expected[split].to_dict() for split in SPLIT)
        assert read_manifest(tmp_path / "rows")["subjects"] == SPLIT
        assert describe_source(root, None, SETTINGS) == read_manifest(tmp_path / "rows")


class TestBids:
    def test_rows_are_those_of_the_same_scans_under_brats_names(self, prepared, brats_like, tmp_path):
        suffixes = {"flair": "FLAIR", "t1": "T1w", "t2": "T2w", "t1ce": "ce-gadolinium_T1w"}
        for subject in KNOWN:
            files = {f"{subject}/anat/{subject}_{suffix}.nii.gz": name for name, suffix in suffixes.items()}
            files[f"derivatives/tumour/{subject}/anat/{subject}_desc-tumour_dseg.nii.gz"] = "seg"
            for target, name in files.items():
                (tmp_path / target).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(brats_like / subject / f"{subject}_{name}.nii.gz", tmp_path / target)
        found = prepare_dataset(tmp_path, tmp_path / "slices", brats_like / "splits.json", SETTINGS)
        expected = load_from_disk(str(prepared))
        assert all(found[split].to_dict() == expected[split].to_dict() for split in SPLIT)
        assert (
            "derivatives/tumour/sub-01/anat/sub-01_desc-tumour_dseg.nii.gz"
            in (read_manifest(tmp_path / "slices")["sha256"])
        )


class TestSplit:
    def test_subjects_become_folders_and_other_entries_are_left_alone(self, brats_like):
        found = read_split(brats_like / "splits.json", brats_like)
        assert found == {name: [brats_like / subject for subject in subjects] for name, subjects in SPLIT.items()}

    @pytest.mark.parametrize(
        ("split", "message"),
        [
            ({"train": ["sub-01"], "validation": ["sub-01"]}, "sub-01 more than once; expected each subject once"),
            ({"train": ["sub-01", "sub-01"]}, "sub-01 more than once"),
            ({"train": ["sub-09"], "validation": []}, "sub-09 not under .*; expected a folder for each"),
            ("{", "it is no JSON .*; expected subjects by split"),
            ("[]", r"it is \[\] and not an object"),
            ({"split": {"train": ["sub-01"]}}, "no list of names by split; expected"),
            ({"train": [1, 2]}, "no list of names by split"),
            ({"train": []}, "no list of names by split"),
        ],
    )
    def test_unusable_splits_are_refused(self, split, message, brats_like, tmp_path):
        with pytest.raises(InputError, match=message):
            read_split(with_split(tmp_path, split), brats_like)

    def test_a_missing_file_is_named(self, brats_like):
        with pytest.raises(InputError, match=r"nowhere\.json: No such file"):
            read_split("nowhere.json", brats_like)

    def test_two_folders_of_one_name_are_refused(self, tmp_path):
        for group in ("HGG", "LGG"):
            factories.save_case(tmp_path / group, "sub-01", SHAPE)
        with pytest.raises(InputError, match="has the same name; expected one folder for each subject"):
            read_split(with_split(tmp_path, {"train": ["sub-01"]}), tmp_path)


def test_a_folder_without_manifest_is_no_prepared_data_set(tmp_path):
    with pytest.raises(InputError, match=r"recoseg_manifest\.json: no such file; .*`recoseg prepare`"):
        read_manifest(tmp_path)
