"""Training for `slice_step` and `crop_to_brain`: the nets learn from what they will see, and are judged by it."""

import numpy as np
import pytest
import torch
from datasets import load_from_disk
from torch import nn

from recoseg_hf.imaging.case import Case
from recoseg_hf.learning.augmentation import AugmentationSettings
from recoseg_hf.learning.mean_teacher import consistency_step_loss
from recoseg_hf.learning.pictures import segmentation_picture, synthesis_picture
from recoseg_hf.learning.randomness import SampleRandomness
from recoseg_hf.learning.residual_cache import DrawSettings, write_cache
from recoseg_hf.learning.segmentation import (
    SourceMix,
    augmented_slices,
    segmentation_step_loss,
    subject_dice,
    validate_segmentation,
)
from recoseg_hf.learning.slice_batches import SliceDataset
from recoseg_hf.learning.slices import axial_stack
from recoseg_hf.learning.synthesis import augmented_pair, synthesis_loss, validate_synthesis
from recoseg_hf.pipeline.conventions import RESIDUAL_SOURCES
from tests.tiny import tiny_pipeline

SETTINGS = {"field_of_view": 16, "context_slices": 1, "regions": "wt,tc,et", "residual_clip": 0.3, "slice_step": 2}
DRAWS = DrawSettings(steps=2, samples=2, seed=0, batch_size=4)
AUGMENTATION = AugmentationSettings()


def streams(seed: int = 0, size: int = 4) -> SampleRandomness:
    return SampleRandomness.of_samples(seed, first=0, size=size)


@pytest.fixture(scope="module")
def pipeline():
    return tiny_pipeline(crop_to_brain=True, **SETTINGS)


@pytest.fixture(scope="module")
def tables(prepared, pipeline, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cropped") / "residuals"
    write_cache(load_from_disk(str(prepared)), folder, lambda subject: pipeline, DRAWS, {})
    return load_from_disk(str(folder))


@pytest.fixture(scope="module")
def dataset(tables):
    return SliceDataset(tables["train"], context_slices=1, slice_step=2)


@pytest.fixture(scope="module")
def single(tables):
    return SliceDataset(tables["train"])


class Listening(nn.Module):
    """Passes on to a net, and keeps what it was given."""

    def __init__(self, net):
        super().__init__()
        self.net, self.seen = net, []

    def forward(self, inputs, *others, **named):
        self.seen.append(inputs)
        return self.net(inputs, *others, **named)


def test_neighbours_are_a_step_apart_and_within_the_volume(tables):
    table = tables["train"]
    dataset, per_subject = SliceDataset(table, context_slices=1, slice_step=2), len(table) // 2
    assert per_subject >= 5
    planes = table.with_format("torch")["t1"][:].float()
    windows = {
        0: [0, 0, 2],
        1: [1, 1, 3],  # as if there were each second slice alone
        2: [0, 2, 4],
        per_subject - 1: [per_subject - 3, per_subject - 1, per_subject - 1],
        per_subject: [per_subject, per_subject, per_subject + 2],
    }
    for item, rows in windows.items():
        assert torch.equal(dataset[item]["t1"][:, 0], planes[rows][:, 0])


def test_a_segmenters_slices_are_cut_to_their_brains(pipeline, dataset):
    batch = dataset.batch(range(4))
    images, target, _ = augmented_slices(pipeline, batch, streams(), None, SourceMix())
    height, width = target.shape[-2:]
    assert height % 2 == width % 2 == 0
    assert height * width < 16 * 16
    assert all(values.shape[-2:] == (height, width) for values in images.values())
    assert images["brain"].sum() == batch["brain"].sum()
    assert target.sum() == batch["regions"].sum() > 0


@pytest.mark.parametrize("fold", [1, 2])
def test_a_segmenters_step_learns_from_these_alone(fold, dataset):
    pipeline = tiny_pipeline(crop_to_brain=True, pixel_unshuffle=fold, **SETTINGS)
    net, batch = Listening(pipeline.segmenter.train()), dataset.batch(range(4))
    segmentation_step_loss(net, pipeline, batch, streams(), AUGMENTATION, SourceMix()).backward()
    images, _, _ = augmented_slices(pipeline, batch, streams(), AUGMENTATION, SourceMix())
    assert [side * fold for side in net.seen[0].shape[-2:]] == [*images["conditions"].shape[-2:]]
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in net.parameters())


def test_a_synthesizers_pair_is_cut_alike(pipeline, single):
    batch = single.batch(range(4))
    conditions, clean = augmented_pair(batch, streams(), None, pipeline.window_multiple)
    assert conditions.shape[-2:] == clean.shape[-2:] != (16, 16)
    assert conditions.shape[:2] == (4, 3)
    whole, all_clean = augmented_pair(batch, streams(), None)
    assert whole.shape == (4, 3, 16, 16)
    inside = batch["t1ce"][:, 0] > 0
    assert inside.any()
    assert ((clean + 1) / 2).sum() == pytest.approx(((all_clean + 1) / 2)[inside].sum().item(), rel=1e-4)
    moved, _ = augmented_pair(batch, streams(), AUGMENTATION, pipeline.window_multiple)
    again, _ = augmented_pair(batch, streams(), AUGMENTATION, pipeline.window_multiple)
    assert torch.equal(moved, again)


def test_a_synthesizers_step_learns_from_these_alone(single):
    pipeline = tiny_pipeline(crop_to_brain=True, **SETTINGS)
    net, batch = Listening(pipeline.synthesizer.train()), single.batch(range(4))
    synthesis_loss(net, pipeline, batch, streams(), AUGMENTATION, "weighted").backward()
    conditions, _ = augmented_pair(batch, streams(), AUGMENTATION, pipeline.window_multiple)
    assert net.seen[0].shape[-2:] == conditions.shape[-2:]
    assert all(weight.grad is not None and weight.grad.isfinite().all() for weight in net.parameters())


def test_teacher_and_student_see_the_same_window(pipeline, dataset):
    student, teacher = (Listening(pipeline.segmenter) for _ in range(2))
    batch = dataset.batch(range(4))
    loss, _ = consistency_step_loss(
        student, teacher, pipeline, batch, streams(), AUGMENTATION, SourceMix(0, 0, 1), 0.5
    )
    assert loss.isfinite()
    assert student.seen[0].shape == teacher.seen[0].shape
    assert student.seen[0].shape[-1] < 16


def test_the_cached_draw_is_the_pipelines_own(tables, brats_like):
    """Same window, same noise: what the segmenter is trained on is what it will see."""
    whole = tiny_pipeline(crop_to_brain=True, **SETTINGS | {"slice_step": 1})
    case = Case.from_folder(brats_like / "sub-02")
    stack = whole.preprocess(
        {name: axial_stack(volume.data) for name, volume in case.volumes().items() if name != "seg"}
    )
    with torch.no_grad():
        draws = whole._synthesize(stack, steps=2, samples=1, seed=0, batch_size=16, callback=None)
    table = tables["train"].with_format("torch")
    rows = [row for row, subject in enumerate(table["subject"][:]) if subject == "sub-02"]
    found = table["synthetic_t1ce"][:][rows].float()
    window = ..., stack.grid.rows, stack.grid.columns
    assert torch.allclose(found[window], draws[0][stack.filled_slices()], atol=5e-3)  # conditions were float16
    outside = found.clone()
    outside[window] = 0
    assert not outside.any()
    assert found[window].numel() < found.numel()


def test_validation_scores_are_those_of_the_pipelines_own_slices(pipeline, tables, brats_like):
    """Each slice of a volume through the window that a call would choose, its neighbours a step apart."""
    dataset = SliceDataset(tables["validation"], context_slices=1, slice_step=2)
    found = subject_dice(pipeline, dataset, 4, "none", (0.45, 0.55))["sub-03"]
    case = Case.from_folder(brats_like / "sub-03")
    images = {name: axial_stack(volume.data) for name, volume in case.volumes().items() if name != "seg"}
    whole = tiny_pipeline(crop_to_brain=True, **SETTINGS | {"slice_step": 1})
    whole.register_to_config(slice_step=2)
    stack = tiny_pipeline(crop_to_brain=True, **SETTINGS | {"slice_step": 1}).preprocess(images)
    probability = whole._segment(stack, None, None, "none", 16)[stack.filled_slices()]
    real = dataset.batch(range(len(dataset)))["regions"][..., stack.grid.rows, stack.grid.columns] > 0.5
    for place, name in enumerate(("wt", "tc", "et")):
        for number, threshold in enumerate((0.45, 0.55)):
            mask, reference = probability[:, place] > threshold, real[:, place]
            dice = 2 * (mask & reference).sum() / (mask.sum() + reference.sum())
            assert found[name][number] == pytest.approx(dice.item(), abs=0.02)
    assert set(validate_segmentation(pipeline, dataset, 3)) == {"dice_wt", "dice_tc", "dice_et"}


def test_a_synthesizer_is_judged_in_its_window(pipeline, tables):
    dataset = SliceDataset(tables["validation"])
    found = [validate_synthesis(pipeline, dataset, 2, size) for size in (2, 16)]
    assert found[0] == pytest.approx(found[1], rel=1e-4)
    other = tiny_pipeline(**SETTINGS)
    assert validate_synthesis(other, dataset, 2, 16)["mae"] != pytest.approx(found[1]["mae"], rel=1e-4)


def test_pictures_show_what_the_nets_saw_in_its_place(pipeline, tables, dataset, single):
    picture = synthesis_picture(pipeline, single, [2, 3], steps=2)
    assert (picture.shape, picture.dtype) == ((32, 64), np.uint8)
    assert picture[:, 32:48].any()
    found = segmentation_picture(pipeline, dataset, [2, 3], RESIDUAL_SOURCES[0])
    assert found.shape == (32, 80)
    seen = found[:16, 48:64]
    brain = dataset[2]["brain"].amax(dim=0)[0].mT.flip(0).numpy() > 0
    assert seen[brain].all()
    rows, columns = (np.flatnonzero(seen.any(axis=axis)) for axis in (1, 0))
    assert np.ptp(rows) < 15 or np.ptp(columns) < 15
    assert np.array_equal(found[:16, 64:], (dataset[2]["regions"][0].mT.flip(0) * 255).byte().numpy())
