import pytest

from recoseg_hf.errors import InputError
from recoseg_hf.evaluation.anonymity import check_anonymous

SUBJECTS = ["Brats18_CBICA_ABM_1", "p-0042", "7"]


@pytest.mark.parametrize(
    "text",
    [
        "/data/site", "~/data", "./runs/a", "../a", "trained on /data", "C:/data", "C:\\data", "runs/site/model",
        "flair.nii.gz", "splits.json", "(/data)", "file:///data", "folder=/data",
    ],
)  # fmt: skip
def test_paths_are_refused(text):
    with pytest.raises(InputError, match=r"field models\.before: '.*' looks like a path; expected no path"):
        check_anonymous({"models": {"before": text}}, [])


@pytest.mark.parametrize(
    "text", ["organisation/name", "T1ce/T1", "0.3 to 0.5", "n = 5, 3/5 better", "a new site", "-> up"]
)
def test_ordinary_words_are_not(text):
    check_anonymous({"site": text, "n": 7, "value": None, "pairs": [[0.1, 0.2]]}, SUBJECTS)


@pytest.mark.parametrize("text", ["model_brats18_cbica_abm_1_fine", "of P-0042.", "7"])
def test_subjects_are_refused_in_any_case(text):
    with pytest.raises(InputError, match=r"field list\[1\]: it names a subject; expected no subject's name"):
        check_anonymous({"list": ["fine", text]}, SUBJECTS)


def test_the_message_does_not_repeat_the_name():
    with pytest.raises(InputError) as error:
        check_anonymous(["p-0042"], SUBJECTS)
    assert "0042" not in str(error.value)


def test_keys_are_read_too():
    with pytest.raises(InputError, match="field dice: it names a subject"):
        check_anonymous({"dice": {"p-0042": 0.8}}, SUBJECTS)


def test_a_name_within_a_longer_one_is_another():
    check_anonymous(["p-00421", "17", "no 7 here"], SUBJECTS)
