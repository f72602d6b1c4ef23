"""What the caption says is true of the options at hand."""

import json

import pytest

from recoseg_hf.evaluation.paper.caption import ONE_TRAINING, PLATEAU_PATIENCE, caption, few_subjects, how_it_was_run
from recoseg_hf.learning.options import TrainingOptions

CONSTANT = "can never lower the learning rate"


@pytest.fixture(scope="module")
def whole(paper_run):
    return json.loads((paper_run / "results.json").read_text())


def with_options(whole, **options):
    return caption(whole | {"options": whole["options"] | options})


def test_one_patch_is_no_accumulation(whole):
    assert "(3D nets: of 1 patch, without gradient accumulation)" in with_options(whole, patches=1)
    assert "(3D nets: of 4 patches, gradients accumulated)" in caption(whole)


def test_so_few_validations_lower_no_learning_rate(whole):
    assert {f.name: f.default for f in TrainingOptions.__dataclass_fields__.values()}[
        "lr_plateau_patience"
    ] == PLATEAU_PATIENCE
    told = with_options(whole, budget=800)
    assert "the best of 4 validations" in told
    assert f"The paper's plateau (patience 3) {CONSTANT} in so few" in told
    assert CONSTANT not in with_options(whole, budget=7)  # validated after every step
    small = {"Simulated": {"recoseg_small": whole["results"]["Simulated"]["unet2d"]}}
    assert CONSTANT not in caption(whole | {"results": small})


def test_few_denoising_steps_deviate(whole):
    assert "10 denoising steps, where the paper takes 1000;" in with_options(whole, inference_steps=10)
    assert "50 denoising steps;" in with_options(whole, inference_steps=50)
    assert "denoising" not in with_options(whole, inference_steps=0)


def test_the_table_at_the_same_thresholds_is_named_where_it_is(whole):
    assert "all at the same" not in caption(whole)
    there = whole | {"equal_thresholds": {"Simulated": {"unet2d": {}}}}
    assert "moves Dice by points: a table of its own has all at the same." in caption(there)
    both = there | {"results": whole["results"] | {"Other": whole["results"]["Simulated"]}}
    assert ": a table of Simulated has all at the same." in caption(both)


def test_options_of_something_else_are_not_guessed_at(whole):
    assert how_it_was_run(whole | {"options": {"note": 1}}) == ""
    assert ONE_TRAINING not in how_it_was_run(whole)
    assert caption(whole).startswith(how_it_was_run(whole))


def test_what_the_numbers_are_too_few_for(whole):
    assert ONE_TRAINING in caption(whole)
    assert "With n = 6 subjects the intervals are too narrow" in caption(whole)
    assert few_subjects(9)
    assert few_subjects(10) == ""
    many = {"Simulated": {"unet2d": whole["results"]["Simulated"]["unet2d"] | {"n": 10}}}
    assert "too narrow" not in caption(whole | {"results": many})
