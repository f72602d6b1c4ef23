"""Many cases: the same bytes as one by one, gone on with where they were left, each for itself."""

import copy
import gc
import json
import shutil

import pytest

import recoseg_hf
from recoseg_hf.errors import InputError
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.volume import Volume, read_volume, write_volume
from recoseg_hf.inference import find_cohort, predict_case, predict_cohort, write_prediction
from tests.factories import save_case
from tests.inference.cases import result_bytes, save_cohort


@pytest.fixture(scope="module")
def finished(tiny_pipeline, tmp_path_factory):
    """A cohort of three and its results, not to be changed."""
    root = tmp_path_factory.mktemp("cohort")
    save_cohort(root / "cases")
    outcomes = list(predict_cohort(tiny_pipeline, find_cohort(root / "cases"), root / "out"))
    assert [outcome.state for outcome in outcomes] == ["done"] * 3
    return root


@pytest.fixture
def cohort(finished, tmp_path):
    """A copy of `finished` with the first two cases."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("sub-03"))
    return tmp_path


def predict(pipeline, root, **settings):
    return list(predict_cohort(pipeline, find_cohort(root / "cases"), root / "out", **settings))


def states(outcomes) -> list[str]:
    return [outcome.state for outcome in outcomes]


def inodes(folder) -> dict[str, int]:
    return {file.name: file.stat().st_ino for file in folder.iterdir()}


def test_results_are_those_of_single_cases(tiny_pipeline, finished, tmp_path):
    for subject in ("sub-01", "sub-02", "sub-03"):
        case = Case.from_folder(finished / "cases" / subject)
        write_prediction(predict_case(tiny_pipeline, case), case, tmp_path / subject)
        reports = [
            json.loads((out / subject / f"{subject}_report.json").read_text()) for out in (tmp_path, finished / "out")
        ]
        one, other = (report for report in reports if report.pop("seconds"))
        assert one == other
    assert result_bytes(tmp_path) == result_bytes(finished / "out")


def test_finished_cases_are_skipped(tiny_pipeline, cohort):
    before = inodes(cohort / "out" / "sub-01"), inodes(cohort / "out" / "sub-02")
    report = json.loads((cohort / "out" / "sub-01" / "sub-01_report.json").read_text())
    outcomes = predict(tiny_pipeline, cohort)
    assert states(outcomes) == ["skipped", "skipped"]
    assert outcomes[0].tumour_volume_ml == report["results"]["tumour_volume_ml"]
    assert outcomes[0].warnings == tuple(report["warnings"])
    assert (inodes(cohort / "out" / "sub-01"), inodes(cohort / "out" / "sub-02")) == before


def test_a_model_default_and_the_same_value_given_are_one_setting(tiny_pipeline, cohort):
    given = {"num_inference_steps": 2, "num_samples": 1, "mask_threshold": 0.5, "residual_source": "measured"}
    assert states(predict(tiny_pipeline, cohort, **given)) == ["skipped", "skipped"]
    assert states(predict(tiny_pipeline, cohort, overwrite=True)) == ["skipped", "skipped"]


@pytest.mark.parametrize(
    "tear",
    [
        lambda folder: (folder / "sub-01_mask.nii.gz").unlink(),
        lambda folder: (folder / "sub-01_report.json").write_text('{"subject": "sub'),
        lambda folder: (folder / "sub-01_overview.png").write_bytes(b""),
        lambda folder: (folder / "sub-01_probability.nii.gz").write_bytes(
            (folder / "sub-01_probability.nii.gz").read_bytes()[:-20]
        ),
    ],
    ids=["missing", "report", "picture", "volume"],
)
def test_a_torn_result_is_made_again(tiny_pipeline, cohort, tear):
    before = result_bytes(cohort / "out")
    tear(cohort / "out" / "sub-01")
    assert states(predict(tiny_pipeline, cohort)) == ["done", "skipped"]
    assert result_bytes(cohort / "out") == before


def test_a_result_of_other_scans_stays_unless_asked(tiny_pipeline, cohort):
    """Another site may have a subject of the same name."""
    scan = cohort / "cases" / "sub-02" / "sub-02_t2.nii.gz"
    volume = read_volume(scan)
    write_volume(scan, Volume(volume.data[::-1].copy(), volume.affine))
    before = result_bytes(cohort / "out")
    _, outcome = predict(tiny_pipeline, cohort)
    assert "it was made from another t2; expected a result of these scans. Choose another" in outcome.message
    assert result_bytes(cohort / "out") == before
    assert states(predict(tiny_pipeline, cohort, overwrite=True)) == ["skipped", "done"]
    changed = {name for name, content in result_bytes(cohort / "out").items() if content != before[name]}
    assert "sub-02/sub-02_desc-synth_t1ce.nii.gz" in changed
    assert not any(name.startswith("sub-01") for name in changed)


def test_a_result_of_other_settings_stays_unless_asked(tiny_pipeline, cohort):
    before = result_bytes(cohort / "out")
    outcomes = predict(tiny_pipeline, cohort, seed=1, mask_threshold=0.4)
    assert states(outcomes) == ["failed", "failed"]
    report = cohort / "out" / "sub-01" / "sub-01_report.json"
    assert outcomes[0].message == (
        f"{report}: it was made with mask_threshold 0.5, seed 0; expected mask_threshold 0.4, seed 1. Choose another "
        "output folder, or ask to overwrite."
    )
    assert outcomes[0].traceback == ""
    assert result_bytes(cohort / "out") == before
    assert states(predict(tiny_pipeline, cohort, seed=1, overwrite=True)) == ["done", "done"]
    assert json.loads(report.read_text())["settings"]["seed"] == 1


def test_a_result_of_another_model_or_version_stays(tiny_pipeline, cohort, monkeypatch):
    other = copy.copy(tiny_pipeline)
    other.register_to_config(residual_clip=0.5)
    assert "made with configuration " in predict(other, cohort)[0].message
    monkeypatch.setattr(recoseg_hf, "__version__", "9.9")
    message = predict(tiny_pipeline, cohort)[0].message
    assert f"made with recoseg_hf {recoseg_hf_version(cohort)}; expected recoseg_hf 9.9." in message


def recoseg_hf_version(cohort) -> str:
    return json.loads((cohort / "out" / "sub-01" / "sub-01_report.json").read_text())["versions"]["recoseg_hf"]


def test_a_mask_that_somebody_edited_stays_unless_asked(tiny_pipeline, cohort):
    before = result_bytes(cohort / "out")
    mask = cohort / "out" / "sub-01" / "sub-01_mask.nii.gz"
    edited = read_volume(cohort / "out" / "sub-02" / "sub-02_mask.nii.gz")
    write_volume(mask, edited, "uint8")
    content = mask.read_bytes()
    outcomes = predict(tiny_pipeline, cohort)
    assert states(outcomes) == ["failed", "skipped"]
    assert outcomes[0].message.startswith(f"{mask}: it was changed after it was written; expected the file that")
    assert mask.read_bytes() == content
    assert states(predict(tiny_pipeline, cohort, overwrite=True)) == ["done", "skipped"]
    assert result_bytes(cohort / "out") == before


def test_files_that_no_run_can_have_left_stay_unless_asked(tiny_pipeline, cohort):
    folder = cohort / "out" / "sub-01"
    (folder / "sub-01_report.json").unlink()
    outcome = predict(tiny_pipeline, cohort)[0]
    assert outcome.state == "failed"
    assert outcome.message.startswith(f"{folder}: it holds sub-01_desc-synth_t1ce.nii.gz, ")
    assert "and no report; expected no files, or a whole result. " in outcome.message
    (folder / "sub-01_report.json").write_text('{"subject": "sub-01"}')
    assert "it does not record what its result was made from" in predict(tiny_pipeline, cohort)[0].message
    assert states(predict(tiny_pipeline, cohort, overwrite=True)) == ["done", "skipped"]


def test_one_bad_case_stops_no_other(tiny_pipeline, tmp_path):
    cases = save_cohort(tmp_path / "cases", ("sub-01", "sub-02", "sub-03", "sub-04"))
    (cases / "sub-01" / "sub-01_t1.nii.gz").write_bytes(b"")
    (cases / "sub-03" / "sub-03_t2.nii.gz").unlink()

    def break_down(subject, stage, done, total):
        if (subject, stage) == ("sub-02", "write"):
            raise ZeroDivisionError("by zero")

    outcomes = predict(tiny_pipeline, tmp_path, progress=break_down)
    assert states(outcomes) == ["failed", "failed", "failed", "done"]
    empty, internal, missing, _ = outcomes
    assert empty.message.startswith(f"{cases / 'sub-01' / 'sub-01_t1.nii.gz'}: the file is empty; expected ")
    assert missing.message.startswith(f"{cases / 'sub-03'}: no file for t2; ")
    assert (empty.traceback, missing.traceback) == ("", "")
    assert internal.message == "internal error: ZeroDivisionError: by zero"
    assert "in break_down" in internal.traceback
    assert [folder.name for folder in (tmp_path / "out").iterdir()] == ["sub-04"]


def test_a_scan_that_changes_meanwhile_is_noticed(tiny_pipeline, tmp_path):
    cases = save_cohort(tmp_path / "cases", ("sub-01",))
    flair = cases / "sub-01" / "sub-01_flair.nii.gz"

    def meddle(subject, stage, done, total):
        if stage == "synthesize" and not done:
            flair.write_bytes(flair.read_bytes() + b"\0")

    (outcome,) = predict(tiny_pipeline, tmp_path, progress=meddle)
    assert "its scans changed while the case was predicted" in outcome.message
    assert not (tmp_path / "out").exists()


def test_no_volume_is_kept_from_case_to_case(tiny_pipeline, finished, tmp_path):
    def volumes() -> int:
        return sum(type(thing) is Volume for thing in gc.get_objects())

    gc.collect()
    before = volumes()
    for outcome in predict_cohort(tiny_pipeline, find_cohort(finished / "cases")[:2], tmp_path):
        assert outcome.state == "done"
        assert volumes() == before


def test_tells_of_its_progress(tiny_pipeline, finished, tmp_path):
    told = []
    folders = find_cohort(finished / "cases")[:1]
    list(predict_cohort(tiny_pipeline, folders, tmp_path, progress=lambda *news: told.append(news)))
    assert list(dict.fromkeys(stage for _, stage, _, _ in told)) == ["read", "synthesize", "segment", "write"]
    assert {subject for subject, _, _, _ in told} == {"sub-01"}
    steps = [(done, total) for _, stage, done, total in told if stage == "synthesize" and total]
    assert steps == sorted(steps)
    assert all(0 < done < total for done, total in steps)


def test_results_may_lie_beside_the_scans(tiny_pipeline, tmp_path):
    save_cohort(tmp_path / "cases", ("sub-01", "sub-02"))
    for state in ("done", "skipped"):
        outcomes = list(predict_cohort(tiny_pipeline, find_cohort(tmp_path / "cases"), tmp_path / "cases"))
        assert states(outcomes) == [state, state]


def test_a_cohort_is_every_folder_with_scans(tmp_path):
    save_case(tmp_path / "HGG", "sub-02")
    save_case(tmp_path / "LGG", "sub-01")
    (save_case(tmp_path, "sub-03") / "sub-03_flair.nii.gz").unlink()
    (tmp_path / "atlas").mkdir()
    (tmp_path / "atlas" / "template_t1.nii.gz").write_bytes(b"")
    names = [str(folder.relative_to(tmp_path)) for folder in find_cohort(tmp_path)]
    assert names == ["HGG/sub-02", "LGG/sub-01", "sub-03"]


def test_a_cohort_of_nothing_or_of_one_name_twice_is_refused(tiny_pipeline, tmp_path):
    with pytest.raises(InputError, match="no such folder; expected a folder of cases"):
        find_cohort(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no folder in it holds a whole case"):
        find_cohort(tmp_path)
    folders = [save_case(tmp_path / "a", "sub-01"), save_case(tmp_path / "b", "SUB-01")]
    with pytest.raises(
        InputError, match=r"SUB-01: its subject's name is also that of .*a/sub-01; expected folders of"
    ):
        find_cohort(tmp_path)
    with pytest.raises(InputError, match="Rename one, or predict them apart"):
        next(predict_cohort(tiny_pipeline, folders, tmp_path / "out"))


def test_a_result_stands_where_it_has_all_that_is_asked_for(tiny_pipeline, cohort):
    assert states(predict(tiny_pipeline, cohort, outputs=["mask"])) == ["skipped", "skipped"]
    few = cohort / "few"
    (few / "cases").mkdir(parents=True)
    shutil.copytree(cohort / "cases" / "sub-01", few / "cases" / "sub-01")
    assert states(predict(tiny_pipeline, few, outputs=["mask", "probability", "labels"])) == ["done"]
    assert states(predict(tiny_pipeline, few, outputs=["probability", "mask"])) == ["skipped"]
    before = result_bytes(few / "out")
    (refused,) = predict(tiny_pipeline, few, outputs=["mask", "page"])
    assert refused.state == "failed"
    assert (
        "sub-01_report.json: only probability, mask, labels was asked for; expected a result with page too. "
        "Choose another output folder, or ask to overwrite."
    ) in refused.message
    assert result_bytes(few / "out") == before
    assert states(predict(tiny_pipeline, few, overwrite=True)) == ["done"]
    assert states(predict(tiny_pipeline, few)) == ["skipped"]


def test_a_result_without_what_the_model_does_not_have_stands_too(tiny_pipeline, cohort):
    few = cohort / "none_of_it"
    (few / "cases").mkdir(parents=True)
    shutil.copytree(cohort / "cases" / "sub-01", few / "cases" / "sub-01")
    assert states(predict(tiny_pipeline, few, outputs=["uncertainty"])) == ["done"]  # of a single sample there is none
    assert [file.name for file in (few / "out" / "sub-01").iterdir()] == ["sub-01_report.json"]
    assert states(predict(tiny_pipeline, few, outputs=["uncertainty"])) == ["skipped"]


def test_an_unknown_output_stops_a_cohort_before_its_first_case(tiny_pipeline, cohort):
    with pytest.raises(InputError, match="outputs: there is no 'pet'"):
        predict(tiny_pipeline, cohort, outputs=["pet"])
