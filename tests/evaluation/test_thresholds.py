import json

import pytest

from recoseg_hf.errors import InputError
from recoseg_hf.evaluation.thresholds import best_threshold, save_with_threshold, threshold_scores
from recoseg_hf.files import sha256_file
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.volume import Volume
from recoseg_hf.learning.subjects import subject_hash
from recoseg_hf.pipeline.pipeline_recoseg import ReCoSegPipeline
from tests import factories
from tests.tiny import tiny_pipeline


class TestScores:
    def test_one_run_of_the_nets_gives_the_dice_of_every_threshold(self):
        scans = [Volume(factories.intensities((14, 12, 5), k), factories.affine()) for k in range(4)]
        case = Case(
            "sub-01", *scans[:3], t1ce=scans[3], seg=Volume((scans[0].data > 0).astype("uint8"), scans[0].affine)
        )
        done = []
        found = threshold_scores(tiny_pipeline(field_of_view=16), [case, case], (0.001, 0.999), done.append)
        assert found == {0.001: [1, 1], 0.999: [0, 0]}  # all of the brain, and nothing, where all of it is tumour
        assert done == [1, 2]


class TestChoice:
    def test_the_highest_mean_wins(self):
        assert best_threshold({0.2: [0.5, 0.7], 0.3: [0.9, 0.4], 0.4: [0.1, 0.9]}, current=0.4) == 0.3

    def test_of_equals_the_nearest_to_what_was(self):
        assert best_threshold({0.2: [0.5], 0.3: [0.5], 0.6: [0.5]}, current=0.55) == 0.6

    def test_subjects_without_a_score_do_not_count(self):
        assert best_threshold({0.2: [None, 0.7], 0.3: [0.6, None], 0.4: [None, None]}, current=0.4) == 0.2
        with pytest.raises(ValueError, match="no subject has a Dice at any threshold"):
            best_threshold({0.2: [None]}, current=0.2)


class TestSaving:
    @pytest.fixture
    def model(self, tmp_path):
        folder = tmp_path / "model"
        tiny_pipeline().save_pretrained(folder)
        (folder / "checkpoint-3").mkdir()
        (folder / "README.md").write_text("Dice 0.9")
        (folder / "LICENSE.md").write_text("terms")
        return folder

    def test_only_the_threshold_is_another(self, model, tmp_path):
        output = save_with_threshold(model, tmp_path / "new", 0.45, ["sub-01"])
        before, after = (ReCoSegPipeline.from_pretrained(folder).config for folder in (model, output))
        assert (before.mask_threshold, after.mask_threshold) == (0.3, 0.45)
        weights = [path.relative_to(model) for path in model.rglob("*.safetensors")]
        assert len(weights) == 2
        assert all(sha256_file(model / path) == sha256_file(output / path) for path in weights)
        names = {path.name for path in output.iterdir()}
        assert names == {"LICENSE.md", "model_index.json", "scheduler", "segmenter", "synthesizer"}

    def test_the_subjects_it_was_chosen_on_count_as_seen(self, model, tmp_path):
        (model / "training_record.json").write_text(json.dumps({"subjects_seen": ["00"], "steps": 3}))
        output = save_with_threshold(model, tmp_path / "new", 0.45, ["sub-01"])
        record = json.loads((output / "training_record.json").read_text())
        assert record == {"subjects_seen": sorted(["00", subject_hash("sub-01")]), "steps": 3}

    def test_no_folder_is_written_over(self, model):
        with pytest.raises(InputError, match="model: it holds files; expected a new or empty folder"):
            save_with_threshold(model, model, 0.45, [])
