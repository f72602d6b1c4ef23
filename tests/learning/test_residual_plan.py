"""Who draws whom: a synthesizer that never saw the subject, proven by its record."""

import json
from dataclasses import replace

import pytest

from recoseg_hf.errors import InputError
from recoseg_hf.learning.residual_plan import KnownSynthesizer, plan_draws, read_record
from recoseg_hf.learning.run_record import RECORD, write_record
from recoseg_hf.learning.subjects import folds, subject_hash

TRAIN = [f"sub-{number:02}" for number in range(7)]
HELD_OUT = ["sub-90", "sub-91"]


def trained_on(subjects, source="model", fold=None) -> KnownSynthesizer:
    return KnownSynthesizer(source, frozenset(map(subject_hash, subjects)), True, fold)


@pytest.fixture
def models():
    """A main model trained on all train subjects, and one for each of three folds."""
    kept = [[name for name in TRAIN if name not in fold] for fold in folds(TRAIN, 3, seed=0)]
    return [trained_on(TRAIN), *(trained_on(names, f"fold{k}", k) for k, names in enumerate(kept))]


class TestPlan:
    def test_a_train_subject_is_drawn_by_the_model_of_its_own_fold(self, models):
        plan = plan_draws(TRAIN + HELD_OUT, HELD_OUT, models)
        assert {name: plan[name] for name in HELD_OUT} == dict.fromkeys(HELD_OUT, 0)
        for k, fold in enumerate(folds(TRAIN, 3, seed=0)):
            assert [plan[subject] for subject in fold] == [k + 1] * len(fold)

    def test_the_order_of_the_fold_models_does_not_matter(self, models):
        main, *others = models
        turned = [main, *reversed(others)]
        plan = plan_draws(TRAIN, HELD_OUT, turned)
        assert {name: turned[place].fold for name, place in plan.items()} == {
            name: models[place].fold for name, place in plan_draws(TRAIN, HELD_OUT, models).items()
        }

    def test_whom_the_main_model_never_saw_it_draws_itself(self, models):
        plan = plan_draws([*TRAIN, "sub-50"], HELD_OUT, models)
        assert plan["sub-50"] == 0

    def test_without_fold_models_the_main_one_draws_all(self, models):
        everyone = dict.fromkeys(TRAIN + HELD_OUT, 0)
        assert plan_draws(TRAIN + HELD_OUT, HELD_OUT, models[:1]) == everyone
        assert plan_draws(TRAIN + HELD_OUT, HELD_OUT, [KnownSynthesizer("hub/model")]) == everyone

    @pytest.mark.parametrize("number", [1, 4])
    def test_a_main_model_that_saw_held_out_subjects_is_refused_with_their_number(self, models, number):
        main = trained_on([*TRAIN, "sub-91"], "runs/main")
        message = r"^runs/main: trained on 1 of the 2 validation subjects; expected a synthesizer that saw none of"
        with pytest.raises(InputError, match=message) as caught:
            plan_draws(TRAIN + HELD_OUT, HELD_OUT, [main, *models[1:number]])
        assert "sub-91" not in str(caught.value)

    def test_a_fold_that_is_missing_is_noticed(self, models):
        left = len(folds(TRAIN, 3, seed=0)[2])
        message = rf"--fold_models: {left} of 9 subjects were seen by every synthesizer; expected for each subject one"
        with pytest.raises(InputError, match=message) as caught:
            plan_draws(TRAIN + HELD_OUT, HELD_OUT, models[:3])
        assert "sub-" not in str(caught.value)

    @pytest.mark.parametrize("place", [0, 2])
    def test_a_model_without_record_is_refused_beside_fold_models(self, models, place):
        models[place] = KnownSynthesizer("unknown")
        message = r"unknown.training_record\.json: no such file; expected the record of everyone .* Train it with tr"
        with pytest.raises(InputError, match=message):
            plan_draws(TRAIN + HELD_OUT, HELD_OUT, models)

    def test_a_record_that_may_not_name_everyone_proves_nothing(self, models, tmp_path):
        (tmp_path / RECORD).write_text("{}")
        models[1] = replace(models[1], source=str(tmp_path), complete=False)
        with pytest.raises(InputError, match="it started from weights without a record; expected the record of every"):
            plan_draws(TRAIN + HELD_OUT, HELD_OUT, models)


class TestRecord:
    def write(self, folder, content) -> str:
        (folder / RECORD).write_text(content if isinstance(content, str) else json.dumps(content))
        return str(folder)

    def test_it_says_whom_the_synthesizer_saw_and_which_fold_it_left_out(self, tmp_path):
        options = {"num_folds": 3, "fold": 2}
        record = {"subjects_seen": [subject_hash("a")], "subjects_complete": True, "options": options, "steps": 10}
        found = read_record(self.write(tmp_path, record))
        assert (found.saw("a"), found.saw("b"), found.complete, found.fold) == (True, False, True, 2)

    def test_a_run_that_left_no_fold_out_has_none(self, tmp_path):
        record = {"subjects_seen": [], "options": {"num_folds": 0, "fold": 0}}
        assert read_record(self.write(tmp_path, record)).fold is None

    def test_without_a_file_nothing_is_known(self, tmp_path):
        found = read_record(str(tmp_path))
        assert (found.seen, found.complete, found.fold) == (frozenset(), False, None)

    @pytest.mark.parametrize(("weights", "complete"), [(False, True), (True, False)])
    def test_a_run_from_weights_without_record_may_have_seen_anybody(self, tmp_path, weights, complete):
        """Fresh weights saw nobody; what came out of a start stays as unknown as the start was."""
        (tmp_path / "start" / "synthesizer").mkdir(parents=True)
        if weights:
            (tmp_path / "start" / "synthesizer" / "diffusion_pytorch_model.safetensors").touch()
        start = tmp_path / "start"
        for number in range(2):
            (tmp_path / str(number)).mkdir()
            write_record(tmp_path / str(number), {}, [f"sub-{number}"], [start], steps=1, seconds=0)
            start = tmp_path / str(number)
        found = read_record(str(start))
        assert (found.saw("sub-0"), found.saw("sub-1"), found.complete) == (True, True, complete)

    def test_a_run_from_the_hub_may_have_seen_anybody(self, tmp_path):
        write_record(tmp_path, {}, ["sub-1"], ["someone/model"], steps=1, seconds=0)
        assert not read_record(str(tmp_path)).complete

    @pytest.mark.parametrize(
        ("content", "found"),
        [
            ("{", "it is no JSON"),
            ("[]", r"it is \[\] and not an object"),
            ({"options": {}}, "it lacks subjects_seen"),
            ({"subjects_seen": [], "options": {"num_folds": 2}}, "it lacks options.fold"),
            ({"subjects_seen": 3}, "subjects_seen is 3 and not a list"),
            ({"subjects_seen": None}, "subjects_seen is None and not a list"),
        ],
    )
    def test_another_file_is_refused(self, tmp_path, content, found):
        with pytest.raises(
            InputError, match=rf"training_record\.json: {found}.*; expected a training record, JSON with"
        ):
            read_record(self.write(tmp_path, content))
