"""The ladder of labels on tiny nets, and slices without labels on two processes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from PIL import Image
from safetensors.torch import load_file

from recoseg_hf.errors import CheckpointError, InputError
from recoseg_hf.files import sha256_file
from recoseg_hf.learning.apart import UnfinishedRunError, command_line
from recoseg_hf.learning.label_rungs import Rung
from recoseg_hf.learning.segmentation import subject_dice
from recoseg_hf.learning.slice_batches import SliceDataset
from recoseg_hf.learning.training_data import open_training_data
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline
from tests.launching import ROOT, launch, script
from tests.learning.conftest import SETTINGS, SPLIT
from tests.tiny import tiny_pipeline

CONFIG = {"train_batch_size": 2, "max_train_steps": 2, "lr_warmup_steps": 1, "report_to": "none"}
WHOLE_AND_PARTS = [(1, "none"), (1, "mean_teacher"), (2, "none")]


@pytest.fixture(scope="module")
def ladder():
    """The script as a module; it looks for its sibling beside it, as a script does."""
    sys.path.insert(0, str(ROOT / "training"))
    yield script("label_ladder")
    sys.path.remove(str(ROOT / "training"))


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Path:
    """A system without residual, and `tiny.yaml`."""
    folder = tmp_path_factory.mktemp("start")
    system = tiny_pipeline(synthesizer=None, segmenter_inputs="flair,t1,t2", field_of_view=16, mask_threshold=0.3)
    system.save_pretrained(folder)
    (folder / "tiny.yaml").write_text(yaml.safe_dump(CONFIG))
    return folder


def fork(options) -> None:
    """Train in a process that need not import everything anew."""
    (code,) = launch("train_segmenter", command_line(options))
    if code:
        raise UnfinishedRunError(options.output_dir, code)


@pytest.fixture(scope="module")
def climb(ladder, start, prepared):
    """Climb two rungs into a folder."""

    def climb(output: Path, *more: str, train=fork) -> dict:
        arguments = [
            str(start / "tiny.yaml"), "--pretrained_model_name_or_path", str(start), "--train_data_dir", str(prepared),
            "--output_dir", str(output), "--rungs", "1,100%", "--unlabelled", "none", "mean_teacher",
            "--unlabelled_batch_size", "3", "--consistency_rampup_steps", "0", "--confidence", "0.5", *more,
        ]  # fmt: skip
        ladder.main(arguments, train)
        return json.loads((output / "label_ladder.json").read_text())

    return climb


@pytest.fixture(scope="module")
def climbed(climb, tmp_path_factory) -> tuple[Path, dict]:
    output = tmp_path_factory.mktemp("ladder")
    return output, climb(output)


def files(folder: Path) -> dict[Path, int]:
    return {file: file.stat().st_mtime_ns for file in (folder / "runs").rglob("*") if file.is_file()}


def nobody(options) -> None:
    raise AssertionError(f"trained {options.output_dir} again")


class TestResult:
    def test_every_rung_took_the_same_steps(self, climbed):
        _, result = climbed
        assert [(point["labelled_subjects"], point["unlabelled"]) for point in result["points"]] == WHOLE_AND_PARTS
        assert {point["steps"] for point in result["points"]} == {result["steps"]} == {2}

    def test_dice_is_that_of_each_runs_net_on_every_validation_slice(self, climbed, prepared):
        output, result = climbed
        options = script("train_segmenter").SegmenterOptions(train_data_dir=str(prepared), output_dir=str(output))
        validation = open_training_data(options, SETTINGS).validation
        assert isinstance(validation, SliceDataset)
        for point in result["points"]:
            run = output / "runs" / f"{point['labelled_subjects']}_{point['unlabelled']}_0"
            dice = subject_dice(ReCoSegPipeline.from_pretrained(run), validation, 8, thresholds=(0.3, 0.5))
            assert sorted(point["dice"]) == ["0.3", "0.5"]
            found = [point["dice"][threshold][0] for threshold in ("0.3", "0.5")]
            assert found == pytest.approx(dice["sub-03"]["wt"], abs=0.02)

    def test_the_curve_sums_the_points_up(self, climbed):
        _, result = climbed
        assert (result["train_subjects"], result["validation_subjects"]) == (2, 1)
        for point in result["points"]:
            (row,) = [
                row
                for row in result["curve"]
                if (row["labelled_subjects"], row["unlabelled"]) == (point["labelled_subjects"], point["unlabelled"])
                and row["threshold"] == 0.3
            ]
            assert row["mean"] == pytest.approx(point["dice"]["0.3"][0], abs=1e-4)
            assert (row["n"], row["interval"]) == (1, None)

    def test_what_the_others_add_is_said(self, climbed):
        _, result = climbed
        alone, teacher = (point["dice"]["0.3"][0] for point in result["points"][:2])
        (row,) = [row for row in result["differences"] if row["threshold"] == 0.3]
        assert row["mean"] == pytest.approx(teacher - alone, abs=1e-4)

    def test_runs_without_and_with_the_others_differ(self, climbed):
        output, _ = climbed
        nets = [
            output / "runs" / f"1_{unlabelled}_0" / "best_ema.safetensors" for unlabelled in ("none", "mean_teacher")
        ]
        assert sha256_file(nets[0]) != sha256_file(nets[1])

    def test_who_was_learnt_from_is_recorded(self, climbed):
        output, _ = climbed
        seen = {}
        for labelled, unlabelled in WHOLE_AND_PARTS:
            record = json.loads((output / "runs" / f"{labelled}_{unlabelled}_0" / "training_record.json").read_text())
            seen[labelled, unlabelled] = len(record["subjects_seen"])
        assert seen == {(1, "none"): 1, (1, "mean_teacher"): 2, (2, "none"): 2}

    def test_it_names_no_subject_and_no_path(self, climbed, prepared):
        output, _ = climbed
        text = (output / "label_ladder.json").read_text()
        assert not any(name in text for names in SPLIT.values() for name in names)
        assert str(prepared) not in text
        assert str(output) not in text

    def test_the_caption_says_what_a_reader_must_know(self, climbed):
        _, result = climbed
        for part in ("n = 1 validation subjects", "2 optimiser steps", "not tuned: 0.5, and 0.3", "pixels of 1 mm"):
            assert part in result["caption"]

    def test_a_picture_is_drawn(self, climbed):
        output, _ = climbed
        with Image.open(output / "label_ladder.png") as picture:
            assert picture.format == "PNG"
            assert min(picture.size) > 500


class TestGoingOn:
    def test_a_second_time_nothing_is_trained_or_measured(self, climb, climbed):
        output, result = climbed
        before = files(output)
        assert climb(output, train=nobody) == result
        assert files(output) == before

    def test_a_further_rung_leaves_the_others_alone(self, climb, climbed):
        output, result = climbed
        asked = []

        def note(options):
            asked.append((options.label_subjects, options.label_seed, options.unlabelled))
            raise UnfinishedRunError(options.output_dir, 143)

        with pytest.raises(UnfinishedRunError, match="1_none_7: training ended with code 143"):
            climb(output, "--label_seeds", "0", "7", train=note)
        assert asked == [(1, 7, "none")]
        assert json.loads((output / "label_ladder.json").read_text()) == result

    def test_other_settings_are_refused_by_name(self, climb, climbed):
        output, _ = climbed
        with pytest.raises(CheckpointError, match=r"1_none_0: made with learning_rate 0\.0003 \(now 0\.1\)"):
            climb(output, "--learning_rate", "0.1", train=nobody)


class TestDrawOnly:
    def test_the_script_draws_a_json_that_is_there(self, climbed, tmp_path):
        output, _ = climbed
        (tmp_path / "label_ladder.json").write_bytes((output / "label_ladder.json").read_bytes())
        command = [sys.executable, str(ROOT / "training" / "label_ladder.py"), "--draw_only", "--output_dir", tmp_path]
        subprocess.run(command, check=True, cwd=tmp_path)
        assert (tmp_path / "label_ladder.png").stat().st_size > 10_000

    def test_without_a_json_it_says_so(self, ladder, tmp_path):
        with pytest.raises(InputError, match=r"label_ladder\.json: no such file; expected a ladder's result"):
            ladder.main(["--draw_only", "--output_dir", str(tmp_path)])


class TestOptions:
    def test_validation_chooses_nothing(self, ladder):
        common = ladder.SegmenterOptions(max_train_steps=300, validation_every=3, output_dir="out")
        options = Rung(2, 1, "mean_teacher").options(common)
        assert (options.validation_steps, options.validation_every, options.early_stopping_patience) == (300, 1, 0)
        assert options.resume_from_checkpoint == "latest"  # an interrupted run goes on, exactly
        assert (options.label_subjects, options.label_seed, options.unlabelled) == (2, 1, "mean_teacher")

    @pytest.mark.parametrize("flags", [("--dry_run", "True"), ("--push_to_hub", "True", "--hub_model_id", "a/b")])
    def test_what_suits_a_single_run_is_refused(self, climb, tmp_path, flags):
        with pytest.raises(InputError, match=f"{flags[0]}: a ladder measures finished runs, and keeps them; expected"):
            climb(tmp_path, *flags, train=nobody)


def test_two_processes_teach_as_one_with_twice_the_batch(start, prepared, tmp_path):
    nets = []
    for processes, batch in ((1, 4), (2, 2)):
        output = tmp_path / str(processes)
        given = CONFIG | {
            "pretrained_model_name_or_path": start, "train_data_dir": prepared, "output_dir": output,
            "train_batch_size": batch, "unlabelled_batch_size": batch, "label_subjects": 1,
            "unlabelled": "mean_teacher", "consistency_rampup_steps": 0, "confidence": 0.5, "learning_rate": 1e-3,
        }  # fmt: skip
        arguments = [text for name, value in given.items() for text in (f"--{name}", str(value))]
        assert launch("train_segmenter", arguments, processes) == [0] * processes
        nets.append(load_file(output / "checkpoint-2" / "net.safetensors"))
    before = load_file(start / "segmenter" / "diffusion_pytorch_model.safetensors")
    moved = max((nets[0][name] - value).abs().max() for name, value in before.items())
    apart = max((nets[0][name] - nets[1][name]).abs().max() for name in before)
    assert moved > 1e-4
    assert apart < moved / 100
