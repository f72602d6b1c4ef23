"""Who of a prepared data set a run trains and validates on."""

import json
from dataclasses import replace

import pytest

from recoseg_hf.errors import InputError
from recoseg_hf.learning.options import TrainingOptions
from recoseg_hf.learning.training_data import open_training_data, read_choice, split_labelled
from tests.learning.conftest import SETTINGS, SPLIT

KNOWN = ["sub-01", "sub-02", "sub-03"]


@pytest.fixture
def options(prepared, tmp_path):
    return TrainingOptions(train_data_dir=str(prepared), output_dir=str(tmp_path))


def write(path, content) -> str:
    path.write_text(json.dumps(content))
    return str(path)


def test_by_default_as_prepared(options):
    assert open_training_data(options, SETTINGS).subjects() == SPLIT


def test_a_split_chooses_among_all_subjects(options, tmp_path):
    split = write(tmp_path / "split.json", {"train": ["sub-03"], "validation": ["sub-01"], "note": 3})
    data = open_training_data(replace(options, split=split), SETTINGS)
    assert data.subjects() == {"train": ["sub-03"], "validation": ["sub-01"]}
    assert data.fingerprint() != open_training_data(options, SETTINGS).fingerprint()


def test_every_fold_leaves_out_subjects_of_its_own(options):
    kept = [open_training_data(replace(options, num_folds=2, fold=fold), SETTINGS).subjects() for fold in range(2)]
    assert [parts["validation"] for parts in kept] == [["sub-03"], ["sub-03"]]
    assert sorted(subject for parts in kept for subject in parts["train"]) == ["sub-01", "sub-02"]


def test_slices_keep_their_neighbours_when_subjects_are_left_out(options):
    data = open_training_data(replace(options, num_folds=2, fold=1), SETTINGS, context_slices=1)
    whole = open_training_data(options, SETTINGS, context_slices=1).train
    (subject,) = data.train.chosen_subjects()
    same = [index for index in range(len(whole)) if whole.subject(index) == subject]
    assert len(same) == len(data.train)
    assert all((data.train[i]["t1ce"] == whole[j]["t1ce"]).all() for i, j in enumerate(same))


def test_labels_of_some_subjects_leave_the_others_without(options):
    train = open_training_data(options, SETTINGS, context_slices=1).train
    labelled, rest = split_labelled(train, count=1, seed=3)
    assert sorted(labelled.chosen_subjects() + rest.chosen_subjects()) == SPLIT["train"]
    assert sorted([*labelled.rows, *rest.rows]) == list(train.rows)
    everybody, nobody = split_labelled(train)
    assert (everybody.rows, nobody.rows) == (train.rows, [])


def test_who_has_no_segmentation_is_never_among_the_labelled(options):
    train = open_training_data(options, SETTINGS).train
    labelled, rest = split_labelled(train, without_labels={"sub-01"})
    assert (labelled.chosen_subjects(), rest.chosen_subjects()) == (["sub-02"], ["sub-01"])
    with pytest.raises(InputError, match="no train subject has a segmentation; expected some"):
        split_labelled(train, without_labels=KNOWN)


def test_where_labels_are_needed_their_lack_is_said_with_a_remedy(options):
    data = open_training_data(options, SETTINGS)
    data.check_labels("train", "validation")
    data.without_labels = frozenset({"sub-01", "sub-03"})
    with pytest.raises(
        InputError, match=r"1 of 1 validation subjects have no seg.*Leave them out with --split, or in"
    ):
        data.check_labels("validation")
    with pytest.raises(InputError, match=r"1 of 2 train subjects have no segmentation; .*--unlabelled mean_teacher"):
        data.check_labels("train")


def test_no_more_subjects_have_labels_than_there_are(options):
    train = open_training_data(options, SETTINGS).train
    with pytest.raises(InputError, match=r"--label_subjects 3: 2 train subjects; expected that many or more"):
        split_labelled(train, count=3)


def test_who_is_learnt_from_without_labels_is_counted_too(options):
    data = open_training_data(options, SETTINGS)
    data.train, data.unlabelled = split_labelled(data.train, count=1)
    assert sorted(data.learnt_from()) == SPLIT["train"]
    assert list(data.subjects()) == ["train", "validation", "unlabelled"]
    data.unlabelled = None
    assert data.learnt_from() == data.train.chosen_subjects()


def test_a_part_keeps_the_slices_and_their_neighbours(options):
    whole = open_training_data(options, SETTINGS, context_slices=1).train
    part = whole.part(["sub-02"])
    same = [index for index in range(len(whole)) if whole.subject(index) == "sub-02"]
    assert all((part[i]["t1ce"] == whole[j]["t1ce"]).all() for i, j in enumerate(same))
    assert set(whole.chosen_subjects()) == {"sub-01", "sub-02"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], r"not a split \(TypeError"),
        ({"train": ["sub-01"]}, r"not a split \(KeyError\('validation'\)\); expected \{\"train\""),
        ({"train": ["sub-01"], "validation": ["sub-9"]}, "sub-9 not in the data; expected prepared subjects"),
        ({"train": KNOWN, "validation": ["sub-02"]}, "sub-02 in both parts; expected each subject once"),
        ({"train": [], "validation": ["sub-02"]}, "nobody in train; expected subjects in both parts"),
    ],
)
def test_an_unusable_split_is_refused(tmp_path, content, message):
    file = tmp_path / "split.json"
    write(file, content)
    with pytest.raises(InputError, match=message):
        read_choice(file, KNOWN)


@pytest.mark.parametrize(("number", "fold"), [(1, 0), (3, 3), (3, -1)])
def test_a_fold_that_is_none_is_refused(number, fold):
    with pytest.raises(ValueError, match=rf"fold={fold} of num_folds={number}; expected 2 folds or more"):
        TrainingOptions(num_folds=number, fold=fold)
