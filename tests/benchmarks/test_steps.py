"""The study of steps and solvers: slabs are parts of the volume, the choice is computed, a stopped run goes on."""

import json

import numpy as np
import pytest
from diffusers import DDIMScheduler

import benchmarks.steps.__main__ as main_module
from benchmarks.steps.__main__ import main
from benchmarks.steps.kept import KeptPoints
from benchmarks.steps.points import SOLVERS, Point, Subject, own_solver, plan, plan_proposed
from benchmarks.steps.result import chosen_of, proposals
from benchmarks.steps.slab import cut, slab_of
from benchmarks.steps.tables import steps as tables
from recoseg_hf.errors import InputError
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.volume import Volume
from recoseg_hf.inference import predict_case
from tests.learning.conftest import SPLIT
from tests.tiny import FEW_STEP, tiny_pipeline


def model(**settings):
    scheduler = DDIMScheduler(num_train_timesteps=12, beta_schedule="squaredcos_cap_v2", **FEW_STEP)
    return tiny_pipeline(field_of_view=16, scheduler=scheduler, regions="wt,tc,et", **settings)


@pytest.fixture(scope="module")
def case(brats_like):
    return Case.from_folder(brats_like / "sub-03")


def test_a_slab_is_drawn_as_in_the_whole_volume_and_empty_beside_it(case):
    pipeline = model()
    slab, box = slab_of(pipeline, case, 3)
    part, whole = predict_case(slab, case), predict_case(pipeline, case)
    assert sorted(side.stop - side.start for side in box)[0] == 3
    assert np.array_equal(cut(part.t1ce, box).data, cut(whole.t1ce, box).data)
    assert np.ptp(cut(part.t1ce, box).data) > 0
    outside = part.probability.data.copy()
    outside[box] = 0
    assert not outside.any()
    assert part.probability.data.any()
    areas = (case.seg.data > 0).sum(axis=(0, 1))
    assert areas[box[2]].max() == areas.max()


def test_where_the_nets_see_each_second_slice_a_slab_begins_with_one_of_these(case):
    pipeline = model(slice_step=2, crop_to_brain=True)
    slab, box = slab_of(pipeline, case, 3)
    part, whole = predict_case(slab, case), predict_case(pipeline, case)
    assert box[2].start % 2 == 0
    assert box[2].stop - box[2].start == 3
    assert np.array_equal(cut(part.t1ce, box).data, cut(whole.t1ce, box).data)
    assert np.ptp(cut(part.t1ce, box).data) > 0
    outside = part.probability.data.copy()
    outside[box] = 0
    assert not outside.any()
    alone, thin = slab_of(pipeline, case, 1)
    assert thin[2].stop - thin[2].start == 1
    assert predict_case(alone, case).probability.data[thin].any()


def test_a_part_of_a_volume_lies_where_it_lay():
    volume = Volume(np.arange(60, dtype=np.float32).reshape(3, 4, 5), np.diag([2.0, -3.0, 1.0, 1.0]))
    part = cut(volume, (slice(1, 3), slice(0, 2), slice(2, 5)))
    assert np.array_equal(part.data, volume.data[1:3, 0:2, 2:5])
    assert np.allclose(part.affine @ [0, 0, 0, 1], volume.affine @ [1, 0, 2, 1])


def test_of_solvers_that_are_good_enough_the_one_with_the_fewest_steps_is_chosen():
    dices = {
        ("DDIM", 10): {"wt": {0: 0.900, 1: 0.800}, "et": {0: 0.5}},
        ("UniPC", 2): {"wt": {0: 0.899, 1: 0.7985}, "et": {0: 0.6}},
        ("Euler", 2): {"wt": {0: 0.8991, 1: 0.7985}, "et": {0: 0.5}},
        ("DDIM", 2): {"wt": {0: 0.899, 1: 0.798}, "et": {0: 0.4}},
        ("DDIM", 1): {"wt": {0: 0.895, 1: 0.800}, "et": {}},
    }
    found = chosen_of(dices, "UniPC")
    assert chosen_of(dices, "DDIM")["wt"]["solver"] == "DDIM"
    assert (found["wt"]["solver"], found["wt"]["steps"]) == ("UniPC", 2)
    assert found["wt"]["best"] == {"solver": "DDIM", "steps": 10, "dice": pytest.approx(0.85)}
    assert found["wt"]["difference"]["value"] == pytest.approx(-0.00125)
    assert found["wt"]["difference"]["n"] == 2
    assert (found["et"]["solver"], found["et"]["steps"], found["et"]["best"]["dice"]) == ("UniPC", 2, 0.6)


@pytest.mark.parametrize("solver", SOLVERS)
def test_every_solver_takes_one_step_of_the_same_schedule(case, solver):
    subject = Subject(model(), case, 0, slab=2, slices=1)
    one, other = (subject.measure(Point("slabs", 0, name, 1)) for name in ("DDIM", solver))
    assert other["psnr"] == pytest.approx(one["psnr"], abs=0.05)  # alpha_bar is 0 there for some, and 2^-24 for others
    assert {"dice_wt", "dice_tc", "dice_et", "ssim", "seconds_per_slice_and_step", "psnr_et"} <= other.keys()
    assert ("spread" in other) == (solver == own_solver(subject.pipeline) == "DDIM")


def test_ddpm_takes_all_timesteps_and_the_dear_parts_come_last():
    found = plan("DDIM", 2, longest=12, volume_steps=[1], solvers=["DDIM", "Euler"], steps=[1, 2])
    assert len(found) == len(set(found)) == 2 * (2 * 2 + 1 + 2 + 1 + 1)
    assert [point for point in found if point.subject == 1][-1] == Point("slices", 1, "DDPM", 12)


def test_slabs_propose_what_is_best_of_all_there():
    def slab(solver: str, subject: int, wt: float, et: float) -> tuple[Point, dict]:
        return Point("slabs", subject, solver, 4), {"dice_wt": wt, "dice_et": et, "psnr": 20.0}

    points = dict([slab("DDIM", 0, 0.8, 0.5), slab("UniPC", 0, 0.9, 0.3), slab("Euler", 0, 0.7, 0.4)])
    points |= dict([slab("DDIM", 1, 0.8, 0.5), slab("UniPC", 1, 0.9, 0.3), slab("Euler", 1, 0.7, 0.4)])
    points[Point("volumes", 0, "Euler", 9)] = {"dice_wt": 1.0}
    assert proposals(points, "DDIM") == [("DDIM", 4), ("UniPC", 4)]
    assert plan_proposed([("UniPC", 4)], 2) == [Point("volumes", 0, "UniPC", 4), Point("volumes", 1, "UniPC", 4)]


def test_kept_points_are_found_again_and_a_broken_line_is_not(tmp_path):
    path, point, other = tmp_path / "steps.points", Point("slabs", 0, "DDIM", 1), Point("slabs", 1, "DDIM", 1)
    KeptPoints(path, {"dtype": "float32"}).add(point, {"psnr": 20.5})
    with path.open("a") as file:
        file.write('{"point": {"part": "sl')
    again = KeptPoints(path, {"dtype": "float32"})
    assert again.found == {point: {"psnr": 20.5}}
    again.add(other, {"psnr": None})
    assert KeptPoints(path, {"dtype": "float32"}).found == {point: {"psnr": 20.5}, other: {"psnr": None}}
    with pytest.raises(InputError, match=r"steps\.points: it was measured with another dtype; expected points"):
        KeptPoints(path, {"dtype": "bfloat16"})
    path.write_text("nothing\n")
    with pytest.raises(InputError, match="it holds no points"):
        KeptPoints(path, {})


def test_a_stopped_study_goes_on_and_names_nobody(brats_like, tmp_path, monkeypatch, capsys):
    model().save_pretrained(tmp_path / "model")
    places = {"--model": tmp_path / "model", "--data": brats_like, "--output": tmp_path / "s.json"}
    options = places | {"--solvers": "UniPC", "--slab": 2, "--slices": 1, "--subjects": 1}
    given = [str(part) for pair in options.items() for part in pair]
    given += ["--steps", "1", "2", "--volume-steps", "1", "2"]
    measured, measure = [], Subject.measure

    def stopping(subject, point):
        if len(measured) == 5:
            raise KeyboardInterrupt
        measured.append(point)
        return measure(subject, point)

    monkeypatch.setattr(main_module, "proposals", lambda points, own: [(own, 2), ("UniPC", 2)])
    monkeypatch.setattr(Subject, "measure", stopping)
    with pytest.raises(KeyboardInterrupt):
        main(given)
    monkeypatch.setattr(Subject, "measure", lambda subject, point: measured.append(point) or measure(subject, point))
    main(given)
    proposed = measured[2 * 2 + 1 + 2 + 2 + 1 :]
    assert len(measured) == len(set(measured))
    assert [(point.part, point.solver, point.steps) for point in proposed] == [("volumes", "UniPC", 2)]
    assert {file.name for file in tmp_path.glob("s.*")} == {"s.json", "s.md", "s.png"}
    result = json.loads((tmp_path / "s.json").read_text())
    assert list(result["steps"]) == ["1", "2"]
    assert result["steps"]["1"]["spread_over_samples"] >= 0
    assert set(result["steps"]["2"]["regions"]) == {"tc", "et"}
    on_volumes = {(solver, int(count)) for solver, rows in result["proposed"].items() for count in rows}
    assert on_volumes == {(point.solver, point.steps) for point in proposed}
    assert set(result["slices"]) == {"DDIM", "DDPM"}
    assert result["against_all_timesteps"]["2"]["psnr"]["n"] == 1
    assert result["chosen"]["volumes"]["wt"]["steps"] in (1, 2)
    assert [(one["steps"], one["samples"]) for one in result["rounds"]][:3] == [(1, 1), (2, 1), (2, 2)]
    for one in result["rounds"][:2]:  # the slabs' own predictions, to the last digit
        assert one["psnr_et"] == result["slabs"]["DDIM"][str(one["steps"])]["psnr_et"]
    text = (tmp_path / "s.json").read_text() + (tmp_path / "s.md").read_text() + capsys.readouterr().out
    assert not any(subject in text for part in SPLIT.values() for subject in part)
    assert "| DDPM | 12 |" in text
    assert tables(result) + "\n" == (tmp_path / "s.md").read_text()
