"""All pictures of a folder of results, from simulated cases and predictions; what is not there is not drawn."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from recoseg_hf.errors import InputError
from recoseg_hf.evaluation.metrics import counts, dice
from recoseg_hf.evaluation.paper.equal_thresholds import EQUAL_THRESHOLDS
from recoseg_hf.evaluation.paper.figures import compared_rows, draw_figures, draw_measured
from recoseg_hf.evaluation.paper.figures.measuring import measure_rows
from recoseg_hf.evaluation.paper.figures.subjects import find_subjects, rows_with_predictions, title_of
from recoseg_hf.evaluation.paper.folder import PaperFolder
from recoseg_hf.files import write_json
from recoseg_hf.imaging.volume import Volume, read_labels, write_volume
from recoseg_hf.inference.results import output_paths
from tests import factories
from tests.launching import ROOT, script

ROWS = ("unet2d_t1ce", "recoseg_small")
SUBJECTS = ("sub-01", "sub-02")
STEPS = ROOT / "benchmarks" / "results" / "steps.json"
ALL = ["synthesis.png", "masks.png", "thresholds.png", "cues.png", "calibration.png", "dice_by_threshold.png"]


def predict(folder, cases, subject: str, row: str, drawn: bool) -> None:
    """What `recoseg predict` leaves of a subject: a blurred reference for a probability, and noise for the rest."""
    seg = read_labels(cases / subject / f"{subject}_seg.nii.gz")
    rng = np.random.default_rng(len(row))
    probability = np.clip((seg.data > 0) * 0.6 + 0.35 * rng.random(seg.shape), 0, 1).astype(np.float32)
    files = output_paths(subject, folder / "predictions" / row / subject)
    write_volume(files["probability"], Volume(probability, seg.affine))
    write_volume(files["mask"], Volume((probability > 0.5).astype(np.uint8), seg.affine))
    if drawn:
        write_volume(files["t1ce"], Volume(factories.intensities(seg.shape, 9), seg.affine))
        write_volume(files["residual"], Volume(factories.intensities(seg.shape, 8) / 500, seg.affine))
    write_json(files["report"], {"settings": {"mask_threshold": 0.5}})


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cases")
    for subject in (*SUBJECTS, "sub-03"):
        factories.save_case(folder, subject)
    return folder


@pytest.fixture(scope="module")
def results(cases, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results") / "Simulated"
    for row in ROWS:
        for subject in SUBJECTS:
            predict(folder, cases, subject, row, drawn=row == "recoseg_small")
        write_json(folder / "models" / row / "model_index.json", {"seed_threshold": 0.9})
    return folder


@pytest.fixture(scope="module")
def pictures(cases, results, tmp_path_factory):
    return draw_figures(results, cases, ROWS, tmp_path_factory.mktemp("drawn") / "new")


class TestAll:
    def test_every_picture_is_drawn(self, pictures):
        assert [file.name for file in pictures] == ALL

    @pytest.mark.parametrize("name", ALL)
    def test_is_a_picture_with_something_on_it(self, pictures, name):
        with Image.open(pictures[ALL.index(name)]) as picture:
            assert min(picture.size) > 300
            assert np.asarray(picture.convert("L")).std() > 5

    def test_nothing_else_is_left(self, pictures):
        assert sorted(file.name for file in pictures[0].parent.iterdir()) == sorted(ALL)


class TestOnePass:
    """What the equal thresholds and the pictures need of all rows is counted together."""

    @pytest.fixture(scope="class")
    def measured(self, cases, results):
        return measure_rows(results, cases, ("unet3d", *ROWS))

    def test_all_rows_with_and_without_seeds(self, measured, cases, results):
        assert [subject.name for subject in measured.subjects] == list(SUBJECTS)
        assert (measured.system, list(measured.equal_dice)) == ("recoseg_small", list(ROWS))
        assert measured.own_cuts()["unet2d_t1ce"] == {"mask_threshold": 0.5, "seed_threshold": 0.9}
        case = measured.subjects[1].read_case()
        probability = measured.subjects[1].rows["recoseg_small"].read("probability", case).data
        expected = [dice(counts(probability > tau, case.seg.data)) for tau in EQUAL_THRESHOLDS]
        assert measured.equal_dice["recoseg_small"][1] == expected

    def test_pictures_of_it_are_the_same(self, measured, pictures, tmp_path):
        found = draw_measured(measured, tmp_path)
        assert [file.name for file in found] == ALL
        charts = [ALL.index(name) for name in ("calibration.png", "dice_by_threshold.png", "masks.png")]
        assert all(found[place].read_bytes() == pictures[place].read_bytes() for place in charts)

    def test_nothing_finished(self, cases, tmp_path):
        nothing = measure_rows(tmp_path, cases, ROWS)
        assert (nothing.equal_dice, nothing.own_cuts(), draw_measured(nothing, tmp_path)) == ({}, {}, [])


class TestWhatIsThere:
    def test_a_system_without_residual_has_neither_synthesis_nor_cues(self, cases, results, tmp_path):
        found = draw_figures(results, cases, ROWS, tmp_path, system="unet2d_t1ce")
        assert [file.name for file in found] == [
            "masks.png",
            "thresholds.png",
            "calibration.png",
            "dice_by_threshold.png",
        ]

    def test_without_predictions_there_are_none(self, cases, results, tmp_path):
        assert draw_figures(results, cases, ("unet3d",), tmp_path) == []
        assert draw_figures(results, cases, ROWS, tmp_path, system="unet3d") == []
        assert draw_figures(tmp_path / "nothing", cases, ROWS, tmp_path) == []

    def test_only_subjects_that_all_rows_have_finished_are_compared(self, cases, results, tmp_path):
        folder = shutil.copytree(results, tmp_path / "copy")
        output_paths("sub-02", folder / "predictions" / ROWS[0] / "sub-02")["report"].unlink()
        assert [subject.name for subject in find_subjects(folder, cases, ROWS)] == ["sub-01"]
        assert [subject.name for subject in find_subjects(folder, cases, ROWS[1:])] == ["sub-01", "sub-02"]

    def test_a_row_with_nothing_finished_is_no_row(self, results):
        assert rows_with_predictions(results, ("unet2d", *ROWS)) == list(ROWS)

    def test_thresholds_come_from_the_report_and_the_model(self, cases, results):
        files = find_subjects(results, cases, ROWS)[0].rows["recoseg_small"]
        assert (files.threshold, files.seed_threshold) == (0.5, 0.9)

    def test_a_prediction_on_another_grid_is_refused(self, cases, results, tmp_path):
        folder = shutil.copytree(results, tmp_path / "copy")
        file = output_paths("sub-01", folder / "predictions" / ROWS[0] / "sub-01")["mask"]
        write_volume(file, Volume(np.zeros((3, 3, 3), np.uint8), np.eye(4)))
        with pytest.raises(InputError, match=r"sub-01_mask\.nii\.gz: its grid is another .* shape 3 x 3 x 3"):
            draw_figures(folder, cases, ROWS, tmp_path)


@pytest.mark.parametrize(
    ("rows", "system", "chosen"),
    [
        (("a", "b"), "b", ["a", "b"]),
        (
            ("unet2d", "unet2d_t1ce", "unet3d", "recoseg", "recoseg_plus_plus", "recoseg_small"),
            "recoseg_small",
            ["unet2d", "unet2d_t1ce", "recoseg_plus_plus", "recoseg_small"],
        ),
        (("unet3d", "unet3d_t1ce", "unet3d_residual", "ddmm_synth", "recoseg"), "recoseg",
         ["unet3d", "unet3d_t1ce", "unet3d_residual", "recoseg"]),
    ],
)  # fmt: skip
def test_rows_that_fit_side_by_side(rows, system, chosen):
    assert compared_rows(rows, system) == chosen


def test_an_unknown_row_is_called_by_its_name():
    assert (title_of("recoseg_small"), title_of("mine")) == ("ReCoSeg small", "mine")


class TestCommand:
    def test_draws_to_where_the_report_looks(self, cases, results, tmp_path):
        folder = shutil.copytree(results, tmp_path / "copy" / "Simulated")
        command = script("draw_paper_figures")
        given = [str(folder.parent), "--data", f"Simulated={cases}", "--rows", ROWS[0], "--steps", str(STEPS)]
        command.main(given)
        names = {file.name for file in PaperFolder(folder.parent, {}).figures("Simulated")}
        assert names == {*ALL, "steps.png"} - {"synthesis.png", "cues.png"}

    def test_draws_a_data_set_into_a_folder_of_its_own(self, cases, results, tmp_path, capsys):
        command = script("draw_paper_figures")
        command.main(
            [str(results.parent), "--data", f"Simulated={cases}", "--output_dir", str(tmp_path), "--rows", ROWS[0]]
        )
        assert "subject 2 of 2" in capsys.readouterr().out
        assert (tmp_path / "Simulated" / "masks.png").is_file()

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            (["--data", "nameless"], "--data nameless: no NAME=FOLDER"),
            (["--system", "unet4d"], "no row unet4d"),
            (["--system", "unet3d"], "no finished prediction of unet3d for a labelled case"),
        ],
    )
    def test_what_cannot_be_drawn_is_said(self, cases, results, tmp_path, changes, message):
        command = script("draw_paper_figures")
        given = [str(results.parent), "--output_dir", str(tmp_path), *changes]
        if "--data" not in changes:
            given += ["--data", f"Simulated={cases}"]
        with pytest.raises(InputError, match=message):
            command.main(given)


def test_no_name_stands_in_a_picture_of_slices(cases, results):
    from recoseg_hf.evaluation.paper.figures.examples import read_examples

    subjects = find_subjects(results, cases, ROWS)
    shown = read_examples(subjects, {row: [0.5, 0.6] for row in ROWS}, ROWS[1])
    assert [one.label for one in shown] == ["subject 1 of 2\nlowest Dice", "subject 2 of 2\nhighest Dice"]
    assert "sub-0" not in json.dumps([one.label for one in shown])
