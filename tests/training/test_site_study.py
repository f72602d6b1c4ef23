"""The study of a new site on tiny nets and simulated cases."""

import json
import sys
from pathlib import Path

import pytest
import yaml
from PIL import Image

from recoseg_hf.errors import CheckpointError, InputError
from recoseg_hf.learning.apart import UnfinishedRunError, command_line
from recoseg_hf.learning.slices import prepare_dataset
from recoseg_hf.learning.subjects import subject_hash
from tests import factories
from tests.launching import ROOT, launch, script
from tests.learning.conftest import SETTINGS, SHAPE
from tests.tiny import tiny_pipeline

CONFIG = {"train_batch_size": 2, "max_train_steps": 2, "lr_warmup_steps": 1, "report_to": "none"}
SITES = {
    "train": ["old-1", "new-1", "new-2", "new-3"],
    "validation": ["old-2"],
    "sites": {"OLD": ["old-1", "old-2"], "NEW": ["new-1", "new-2", "new-3"]},
}
SUBJECTS = [*SITES["train"], *SITES["validation"]]


@pytest.fixture(scope="module")
def study():
    """The script as a module; it looks for its sibling beside it, as a script does."""
    sys.path.insert(0, str(ROOT / "training"))
    yield script("site_study")
    sys.path.remove(str(ROOT / "training"))


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Slices of five subjects of two sites, beside `sites.json`, a system without residual and `tiny.yaml`."""
    root = tmp_path_factory.mktemp("sites")
    for number, subject in enumerate(SUBJECTS):
        for seed, modality in enumerate(factories.MODALITIES):
            scan = factories.intensities(SHAPE, seed + 10 * number)
            factories.save(root / "cases" / subject / f"{subject}_{modality}.nii.gz", scan)
        factories.save(root / "cases" / subject / f"{subject}_seg.nii.gz", factories.labels(SHAPE))
    (root / "sites.json").write_text(json.dumps(SITES))
    parts = {name: SITES[name] for name in ("train", "validation")}
    (root / "split.json").write_text(json.dumps(parts))
    prepare_dataset(root / "cases", root / "slices", root / "split.json", SETTINGS)
    system = tiny_pipeline(synthesizer=None, segmenter_inputs="flair,t1,t2", field_of_view=16)
    system.save_pretrained(root / "start")
    (root / "tiny.yaml").write_text(yaml.safe_dump(CONFIG))
    return root


def fork(options) -> None:
    """Train in a process that need not import everything anew."""
    (code,) = launch("train_segmenter", command_line(options))
    if code:
        raise UnfinishedRunError(options.output_dir, code)


def nobody(options) -> None:
    raise AssertionError(f"{options.output_dir} is trained anew")


def arguments(data: Path, output: Path, *more: str) -> list[str]:
    return [
        str(data / "tiny.yaml"), "--pretrained_model_name_or_path", str(data / "start"), "--train_data_dir",
        str(data / "slices"), "--output_dir", str(output), "--sites", str(data / "sites.json"), "--source", "OLD",
        "--target", "NEW", "--sizes", "1", "--rotations", "2", "--frozen", "encoder", "--finetune_steps", "1", *more,
    ]  # fmt: skip


@pytest.fixture(scope="module")
def finished(study, data, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("study")
    study.main(arguments(data, output), fork)
    return output


@pytest.fixture(scope="module")
def result(finished) -> dict:
    return json.loads((finished / "site_study.json").read_text())


class TestResult:
    def test_points_test_the_others_of_the_target_and_the_source(self, result):
        variants = [(point["variant"], point.get("rotation")) for point in result["points"]]
        assert variants == [("before", None), ("threshold", 0), ("threshold", 1), ("encoder", 0), ("encoder", 1)]
        assert result["subjects"] == {"source_train": 1, "source_test": 1, "target": 3}
        for point in result["points"][1:]:
            assert len(point["group"]) == 1
            assert {*point["group"], *point["target"]["wt"]} == {"0", "1", "2"}
            assert list(point["source"]["wt"]) == ["0"]
        assert result["points"][3]["steps"] == 1
        assert result["measured"]["residual"] is None
        assert result["points"][3]["mask_threshold"] == result["points"][0]["mask_threshold"]

    def test_summary_counts_subjects_and_rotations(self, result):
        rows = {(row["variant"], row["site"]): row for row in result["summary"]}
        assert set(rows) == {(variant, site) for variant in ("threshold", "encoder") for site in ("target", "source")}
        assert (rows["encoder", "target"]["rotations"], rows["encoder", "target"]["difference"]["n"]) == (2, 3)
        assert rows["encoder", "source"]["difference"]["n"] == 1

    def test_it_names_nobody_and_no_path(self, finished, result, data):
        for file in ("site_study.json", "site_study.md"):
            text = (finished / file).read_text()
            assert not [subject for subject in SUBJECTS if subject in text]
            assert str(data) not in text

    def test_table_and_picture_are_drawn(self, finished):
        assert "| fine-tuned, encoder frozen | 1 |" in (finished / "site_study.md").read_text()
        with Image.open(finished / "site_study.png") as picture:
            assert picture.format == "PNG"


class TestRuns:
    def test_a_fine_tuning_starts_from_the_source_and_sees_its_group_alone(self, finished, result):
        for point in result["points"][3:]:
            folder = finished / "runs" / f"encoder_1_{point['rotation']}"
            chosen = json.loads((folder / "split.json").read_text())
            assert chosen["train"] == [["new-1", "new-2", "new-3"][int(point["group"][0])]]
            record = json.loads((folder / "training_record.json").read_text())
            assert record["subjects_seen"] == sorted(map(subject_hash, ["old-1", *chosen["train"]]))
            assert record["options"]["freeze"] == "encoder"

    def test_a_measured_run_keeps_no_weights_and_the_model_before_does(self, finished):
        weights = {file.relative_to(finished / "runs").parts[0] for file in finished.rglob("*.safetensors")}
        assert weights == {"pretraining"}

    def test_the_same_command_again_trains_nothing(self, study, data, finished, result):
        study.main(arguments(data, finished), nobody)
        assert json.loads((finished / "site_study.json").read_text()) == result

    def test_other_options_are_refused(self, study, data, finished):
        with pytest.raises(CheckpointError, match="made with max_train_steps 1 \\(now 3\\)"):
            study.main(arguments(data, finished, "--finetune_steps", "3"), nobody)
        with pytest.raises(InputError, match=r"before\.json: measured with another model or other settings"):
            study.main(arguments(data, finished, "--measure_every", "2"), nobody)


class TestRefusals:
    def test_a_model_that_saw_the_new_site_is_none(self, study, data, tmp_path):
        model = tmp_path / "model"
        tiny_pipeline(synthesizer=None, segmenter_inputs="flair,t1,t2", field_of_view=16).save_pretrained(model)
        (model / "training_record.json").write_text(json.dumps({"subjects_seen": [subject_hash("new-2")]}))
        with pytest.raises(InputError, match="model: it was trained on 1 of the 4 subjects that are tested"):
            study.main(arguments(data, tmp_path / "out", "--pretrained", str(model)), nobody)

    def test_subjects_without_slices(self, study, data, tmp_path):
        more = {**SITES, "train": [*SITES["train"], "old-9"], "sites": {**SITES["sites"], "OLD": ["old-9", "old-2"]}}
        (tmp_path / "sites.json").write_text(json.dumps(more))
        with pytest.raises(InputError, match="slices: no slices of 1 subjects; expected both sites"):
            study.main(arguments(data, tmp_path / "out", "--sites", str(tmp_path / "sites.json")), nobody)


def test_a_dry_run_says_what_would_be_done_and_does_nothing(study, data, tmp_path, capsys):
    study.main(arguments(data, tmp_path / "out", "--dry_run", "--frozen", "none", "encoder"), nobody)
    said = capsys.readouterr().out
    assert "OLD: 1 to train on, 1 tested; NEW: 3 in rotation. 4 fine-tunings, 6 steps in all: about 0 min" in said
    assert not (tmp_path / "out").exists()
