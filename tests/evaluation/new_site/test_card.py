import copy
import json
from pathlib import Path

import pytest
import torch

from recoseg_hf.errors import InputError
from recoseg_hf.evaluation.new_site.card import (
    SubjectsOf,
    make_site_card,
    render_site_card,
    shown_difference,
    shown_distribution,
    shown_statistic,
    write_site_card,
)
from recoseg_hf.evaluation.new_site.warnings import find_warnings
from recoseg_hf.learning.subjects import subject_hash
from tests import factories
from tests.imaging.test_bids import save_bids
from tests.tiny import tiny_pipeline

PERCENTILES = {f"p{k}": {"n": 6, "min": 1, "q1": 2, "median": 3.14159, "q3": 4, "max": 5000} for k in (1, 50, 99)}


def statistic(value, interval=None, n=6) -> dict:
    return {"value": value, "interval": interval, "n": n, "n_undefined": 0}


def measured(interval=(0.01, 0.09), n=6, part="test") -> dict:
    side = {"dice": statistic(0.7, [0.6, 0.8], n), "absolute_volume_error_ml": statistic(3.25, None, n)}
    difference = {"value": sum(interval) / 2, "interval": list(interval), "n": n, "better": 4, "worse": 2}
    whole = {"before": side, "after": side, "difference": difference, "pairs": [[0.5, 0.75], [0.6, 0.5]]}
    return {"n": n, "part": part, "regions": {"wt": whole, "tc": whole}}


def values(**changes) -> dict:
    """What `make_site_card` gathers, of 6 subjects without anything to warn of but their number."""
    model = {"name": "m", "revision": None, "weights_sha256": "0" * 64, "mask_threshold": 0.3, "seed_threshold": 0.9}
    run = {"train_subjects": 4, "steps": 150, "processes": 1, "freeze": "encoder", "learning_rate": 3e-4}
    run |= {"lr_scheduler": "cosine", "train_batch_size": 16, "gradient_accumulation_steps": 1}
    tuning = {side: model | {"subjects_known": True} for side in ("before", "after")}
    parts = {"segmenter": {"changed": ["up_blocks"], "unchanged": ["conv_in"]}, "synthesizer": None}
    grid = {"shape": [240, 240, 155], "voxel_spacing_mm": [1.0, 1.0, 1.0], "orientation": "LPS", "n": 6}
    fingerprint = {"n": 6, "n_labelled": 6, "grids": [grid], "warnings": [], "contrast": {"t1_to_t2": None}}
    fingerprint |= {"intensity": {"flair": PERCENTILES, "t1ce": None}, "tumour_ml": {"wt": PERCENTILES["p1"]}}
    return {
        "site": "a new site",
        "fingerprint": fingerprint,
        "measured": measured(),
        "original": measured(),
        "fine_tuning": tuning | {"parts": parts, "run": run},
        "versions": {"torch": "2.13.0"},
    } | changes


class TestWarnings:
    def test_few_subjects_are_warned_of_and_many_are_not(self):
        [warning] = find_warnings(values())
        assert warning.startswith("Measured on 6 subjects: a 95 % interval of so few is too narrow")
        assert find_warnings(values(measured=measured(n=12))) == []

    @pytest.mark.parametrize(
        ("given", "warning"),
        [
            (measured((-0.01, 0.05)), "The difference in whole-tumour Dice may be chance: its interval holds 0."),
            (measured((-0.09, -0.01)), "On average the fine-tuned model is worse here."),
            (measured((0.01, 0.02), n=4), "Whether the fine-tuning changed anything but by chance cannot be told"),
            (measured(n=1), "Measured on 1 subject: "),
            (measured(part="validation"), "These subjects also served to choose among the weights"),
        ],
    )
    def test_what_the_numbers_do_not_show(self, given, warning):
        assert any(one.startswith(warning) for one in find_warnings(values(measured=given)))

    def test_what_was_lost_elsewhere(self):
        lost = find_warnings(values(original=measured((-0.2, -0.1))))
        assert "The fine-tuned model is worse on the data that the model was first trained on." in lost
        unknown = find_warnings(values(original=None))
        assert "What the model lost on the data it was first trained on was not measured." in unknown

    def test_weights_that_contradict_the_record(self):
        given = values()
        given["fine_tuning"]["parts"]["segmenter"]["changed"] = ["conv_in", "up_blocks"]
        warning = "The record says that the run froze encoder, and the weights say that it changed"
        assert any(one.startswith(warning) for one in find_warnings(given))
        given["fine_tuning"]["run"]["freeze"] = "none"
        assert len(find_warnings(given)) == 1

    def test_a_model_without_record(self):
        given = values()
        given["fine_tuning"]["before"]["subjects_known"] = False
        assert any(one.startswith("Before fine-tuning the model has no full record") for one in find_warnings(given))
        given["fine_tuning"]["after"]["subjects_known"] = False
        assert any(one.startswith("Before and after fine-tuning the model") for one in find_warnings(given))


class TestCard:
    def test_numbers_come_from_the_values(self):
        card = render_site_card(values(warnings=["Mind this."]))
        assert card.startswith("## Fine-tuned on a new site\n")
        assert "**+0.050 [+0.010, +0.090]** over n = 6 subjects, of whom 4 got better and 2 worse." in card
        assert "\nRead this first:\n\n- Mind this.\n" in card
        assert "0.500 to 0.750, 0.600 to 0.500." in card
        assert "| Dice per volume, TC | 0.700 [0.600, 0.800], n = 6 |" in card
        assert (
            "- segmenter: changed in up_blocks; the same in conv_in.\n- synthesizer: another architecture.\n" in card
        )
        assert "Trained on 4 subjects for 150 steps of 16 slices, processes 1, learning rate 0.0003 (cosine)" in card
        assert "frozen: encoder." in card
        assert "| 240 x 240 x 155 | 1.0 x 1.0 x 1.0 | LPS | 6 |" in card
        assert "| flair, percentile 50 in the brain | 1 | 2 | 3.142 | 4 | 5000 |" in card

    def test_what_is_not_known_is_said_or_left_out(self):
        given = values(warnings=[], original=None)
        given["fine_tuning"]["run"] = None
        card = render_site_card(given)
        assert "Not measured: nothing is known of what was forgotten." in card
        assert "Read this first" not in card
        assert "Trained on" not in card

    def test_no_table_is_broken_by_an_empty_line_or_a_ragged_row(self):
        lines = render_site_card(values(warnings=["Mind this."])).splitlines()
        for above, line, below in zip(lines, lines[1:], lines[2:], strict=False):
            if line.startswith("|---"):
                assert above.startswith("| ")
                assert below.startswith("| ")
            if above.startswith("|") and line.startswith("|"):
                assert above.count("|") == line.count("|"), line

    def test_shown_numbers(self):
        assert shown_statistic(statistic(0.71239, [0.6, 0.8])) == "0.712 [0.600, 0.800]"
        assert shown_statistic(statistic(None)) == "undefined"
        assert shown_difference({"value": -0.05, "interval": None}) == "-0.050"
        assert shown_difference({"value": None, "interval": None}) == "undefined"
        few = {"n": 2, "min": 1, "q1": None, "median": 2.5, "q3": None, "max": 4}
        assert shown_distribution(few) == "1 | - | 2.5 | - | 4"
        assert shown_distribution(None) == "- | - | - | - | -"


class TestWriting:
    def test_values_and_card_are_written_with_their_warnings(self, tmp_path):
        card = write_site_card(tmp_path / "new", values(), ["sub-0042"])
        assert card == tmp_path / "new" / "site_card.md"
        assert "Measured on 6 subjects" in card.read_text()
        written = json.loads((tmp_path / "new" / "site_card.json").read_text())
        assert written["measured"]["regions"]["wt"]["pairs"] == [[0.5, 0.75], [0.6, 0.5]]

    @pytest.mark.parametrize(
        ("site", "message"),
        [
            ("of sub-0042", "field site: it names a subject"),
            ("/data/site", "field site: '/data/site' looks like a path"),
        ],
    )
    def test_nothing_is_written_that_tells_of_whom_or_where(self, site, message, tmp_path):
        with pytest.raises(InputError, match=message):
            write_site_card(tmp_path / "new", values(site=site), ["sub-0042"])
        assert not (tmp_path / "new").exists()


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    """A tiny model, and the same after a fine-tuning of its output alone, with a record of it."""
    folder = tmp_path_factory.mktemp("models")
    pipeline = tiny_pipeline(field_of_view=16, mask_threshold=0.5)
    pipeline.save_pretrained(folder / "before")
    tuned = copy.deepcopy(pipeline)
    with torch.no_grad():
        tuned.segmenter.conv_out.bias += 0.3
    tuned.save_pretrained(folder / "after")
    record = {
        "subjects_seen": [subject_hash("sub-01")],
        "subjects_complete": True,
        "steps": 7,
        "processes": 2,
        "data": "0",
        "seconds": 1.0,
    }
    options = {"freeze": "all_but_last", "learning_rate": 0.1, "lr_scheduler": "constant", "train_batch_size": 3}
    record["options"] = options | {"gradient_accumulation_steps": 2}
    (folder / "after" / "training_record.json").write_text(json.dumps(record))
    return {name: folder / name for name in ("before", "after")}


class TestMakeSiteCard:
    def test_from_two_models_and_a_folder_of_cases_to_a_card(self, models, brats_like, tmp_path):
        done = []
        site = SubjectsOf(brats_like, "validation")
        card = make_site_card(
            models["before"], models["after"], site, tmp_path, site, progress=lambda *one: done.append(one)
        )
        found = json.loads((tmp_path / "site_card.json").read_text())
        assert done == [(1, 2), (2, 2)]
        assert (found["measured"]["n"], found["original"]["n"], found["fingerprint"]["n"]) == (1, 1, 3)
        assert found["measured"]["regions"] == found["original"]["regions"]
        assert found["fine_tuning"]["parts"]["segmenter"]["changed"] == ["conv_out"]
        assert found["fine_tuning"]["run"]["train_subjects"] == 1
        assert [found["fine_tuning"][side]["subjects_known"] for side in ("before", "after")] == [False, True]
        text = card.read_text()
        assert "7 steps of 3 slices x 2, processes 2, learning rate 0.1 (constant), frozen: all_but_last." in text
        assert "sub-0" not in text + json.dumps(found)
        assert str(brats_like) not in text + json.dumps(found)

    def test_subjects_that_were_trained_on_are_refused_before_anything_is_computed(self, models, brats_like, tmp_path):
        message = r"after: it was trained on 1 of the 2 subjects of 'train'; expected subjects that no model has seen"
        with pytest.raises(InputError, match=message):
            make_site_card(models["before"], models["after"], SubjectsOf(brats_like, "train"), tmp_path)

    def test_bids_subjects_that_were_trained_on_are_known_by_their_names(self, models, tmp_path):
        save_bids(tmp_path, "sub-01")
        (tmp_path / "splits.json").write_text('{"train": ["sub-01"]}')
        subjects = SubjectsOf(tmp_path, "train")
        assert subjects.names() == ["sub-01"]
        with pytest.raises(InputError, match="it was trained on 1 of the 1 subjects"):
            subjects.check_unseen([models["after"]])

    def test_an_unknown_part_is_answered_with_those_there_are(self, brats_like):
        with pytest.raises(InputError, match=r"splits\.json: no part 'test'; expected one of train, validation"):
            SubjectsOf(brats_like, "test").folders()

    def test_a_subject_without_segmentation_is_named_to_the_user(self, brats_like, tmp_path):
        case = tmp_path / "sub-09"
        case.mkdir()
        for name in factories.MODALITIES:
            scan = brats_like / "sub-03" / f"sub-03_{name}.nii.gz"
            (case / f"sub-09_{name}.nii.gz").write_bytes(scan.read_bytes())
        (tmp_path / "splits.json").write_text('{"test": ["sub-09"]}')
        with pytest.raises(InputError, match="sub-09: no segmentation; expected one, to compare with"):
            list(SubjectsOf(tmp_path, "test").cases())
