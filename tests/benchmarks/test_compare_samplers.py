"""Two samplers on the same weights: a net that knows the answer, then one that does not."""

import json

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler

from benchmarks.compare_samplers import WARM_UP_STEPS, choose_slices, compare, differences, main, sampled_by, samplers
from recoseg_hf.errors import InputError
from recoseg_hf.imaging.case import Case
from recoseg_hf.pipeline.denoising import slice_generators
from tests.learning.conftest import SPLIT
from tests.tiny import oracle_for, tiny_pipeline


def scheduler(**settings) -> DDIMScheduler:
    return DDIMScheduler(num_train_timesteps=12, beta_schedule="squaredcos_cap_v2", **settings)


def model(**settings):
    return tiny_pipeline(field_of_view=16, scheduler=scheduler(), **settings)


def cases(folder) -> list[Case]:
    return [Case.from_folder(folder / subject) for subject in ("sub-02", "sub-03")]


def test_slices_are_those_with_tumour_at_even_distances(brats_like):
    case = cases(brats_like)[0]
    held = np.flatnonzero((case.seg.data > 0).any(axis=(0, 1))).tolist()
    found = choose_slices(model(), case, 2)
    assert found.positions == [held[0], held[-1]]
    assert found.labels.shape == found.t1ce.shape == found.brain.shape == (16, 16, 2)
    assert (found.labels > 0).any(axis=(0, 1)).all()
    assert set(np.unique(found.labels)) <= {0, 1, 2, 4}
    assert choose_slices(model(), case, 99).positions == held


def test_the_samplers_share_the_noise_levels_and_ddpm_takes_every_step():
    pipeline = model()
    found = samplers(pipeline, 3)
    assert {name: (type(one).__name__, steps) for name, (one, steps) in found.items()} == {
        "ddim": ("DDIMScheduler", 3), "ddpm": ("DDPMScheduler", 12),
    }  # fmt: skip
    assert all(torch.equal(one.alphas_cumprod, pipeline.scheduler.alphas_cumprod) for one, _ in found.values())
    found["ddpm"][0].set_timesteps(12)
    assert found["ddpm"][0].timesteps.tolist() == list(range(11, -1, -1))
    own = pipeline.scheduler
    with sampled_by(pipeline, found["ddpm"][0]):
        assert pipeline.scheduler is found["ddpm"][0]
    assert pipeline.scheduler is own


def test_a_net_that_knows_the_image_gives_it_by_either_sampler(brats_like):
    pipeline = model(synthesizer=oracle_for(scheduler()))
    found = compare(pipeline, cases(brats_like), slices=2, steps=4)
    assert (found["n_subjects"], found["n_slices"], found["steps"]) == (2, 4, {"ddim": 4, "ddpm": 12})
    assert found["apart"]["ddim_ddpm"]["brain"] == pytest.approx(0, abs=1e-4)
    assert found["difference"]["psnr"]["value"] == pytest.approx(0, abs=1e-2)


@torch.no_grad()
def test_scores_are_those_of_the_draws(brats_like):
    pipeline, subjects = model(), cases(brats_like)
    found = compare(pipeline, subjects, slices=2, steps=4, seed=3)
    expected, spread = [], []
    for case in subjects:
        chosen = choose_slices(pipeline, case, 2)
        with sampled_by(pipeline, samplers(pipeline, 4)["ddim"][0]):
            one, other = (
                pipeline.denoise(chosen.conditions, slice_generators(seed, chosen.positions, 0), 4)[:, 0].numpy()
                for seed in (3, 4)
            )
        real, brain = (np.moveaxis(values, 2, 0) for values in (chosen.t1ce, chosen.brain))
        expected.append(np.abs(one - real)[brain].mean())
        spread.append(np.abs(one - other)[brain].mean())
    assert found["samplers"]["ddim"]["mae"] == pytest.approx(np.mean(expected), rel=1e-4)
    assert found["apart"]["ddim_ddim"]["brain"] == pytest.approx(np.mean(spread), rel=1e-4)
    difference = found["samplers"]["ddpm"]["mae"] - found["samplers"]["ddim"]["mae"]
    assert found["difference"]["mae"]["value"] == pytest.approx(difference)
    assert found["difference"]["mae"]["n"] == 2
    assert np.mean(found["difference"]["mae"]["by_subject"]) == pytest.approx(difference)
    assert (found["difference"]["mae"]["interval"], found["difference"]["mae"]["p"]) == (None, None)
    assert {"psnr_wt", "ssim_wt", "mae_et", "average_precision_tc"} <= set(found["samplers"]["ddpm"])
    assert found["samplers"]["ddpm"]["seconds_per_slice"] > 0


def test_so_few_subjects_have_each_its_value_and_no_interval():
    five = differences([(0.1, 0.2), (0.5, 0.4), (None, 0.5)] + [(0.1, 0.3)] * 3)
    assert (five["n"], five["interval"], five["p"]) == (5, None, None)
    assert five["by_subject"] == pytest.approx([0.1, -0.1, None, 0.2, 0.2, 0.2])
    six = differences([(0.1, 0.2)] * 6)
    assert six["interval"] == pytest.approx([0.1, 0.1])
    assert six["p"] == 2 / 2**6


def test_each_sampler_has_drawn_before_its_time_is_taken(brats_like):
    pipeline, ran = model(), []
    pipeline.synthesizer.register_forward_hook(lambda *_: ran.append(type(pipeline.scheduler).__name__))
    compare(pipeline, cases(brats_like), slices=2, steps=4)
    passes = 2 * WARM_UP_STEPS  # of two subjects
    expected = ["DDIMScheduler"] * (passes + 2 * 4) + ["DDPMScheduler"] * (passes + 2 * 12)
    assert ran == expected + ["DDIMScheduler"] * (2 * 4)  # and another noise


def test_the_command_writes_numbers_and_no_name(brats_like, tmp_path, capsys):
    model().save_pretrained(tmp_path / "model")
    given = [str(tmp_path / "model"), "--data", str(brats_like), "--steps", "2", "--slices", "1"]
    main([*given, "--output", str(tmp_path / "samplers.json")])
    assert "n = 1 slices of 1 subjects" in capsys.readouterr().out
    text = (tmp_path / "samplers.json").read_text()
    assert json.loads(text)["measurement"]["dtype"] in ("float32", "bfloat16")
    assert not any(subject in text for part in SPLIT.values() for subject in part)


def test_a_model_that_draws_nothing_is_refused(brats_like, tmp_path):
    tiny_pipeline(synthesizer=None, segmenter_inputs="flair,t1,t2").save_pretrained(tmp_path / "model")
    with pytest.raises(InputError, match="model: no synthesizer; expected a model that draws T1ce"):
        main([str(tmp_path / "model"), "--data", str(brats_like), "--output", str(tmp_path / "samplers.json")])
