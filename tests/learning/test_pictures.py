"""What whoever watches a run is shown."""

import numpy as np
import pytest
import torch
from datasets import load_from_disk

from recoseg_hf.learning.pictures import segmentation_picture, synthesis_picture, watched_slices
from recoseg_hf.learning.residual_cache import DrawSettings, write_cache
from recoseg_hf.learning.slice_batches import SliceDataset
from recoseg_hf.learning.slices import read_manifest
from tests.tiny import tiny_pipeline


@pytest.fixture(scope="module")
def pipeline():
    return tiny_pipeline(field_of_view=16, context_slices=1, regions="wt,et")


@pytest.fixture(scope="module")
def tables(pipeline, prepared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cached") / "slices"
    settings = DrawSettings(steps=2, samples=2, seed=0, batch_size=8)
    write_cache(load_from_disk(str(prepared)), folder, lambda subject: pipeline, settings, read_manifest(prepared))
    return load_from_disk(str(folder))


def test_of_each_subject_the_slice_with_the_most_tumour_is_watched(tables):
    dataset = SliceDataset(tables["train"], every=2)
    found = watched_slices(dataset)
    assert [dataset.subject(index) for index in found] == ["sub-01", "sub-02"]
    tumour = dataset.tumour_pixels()[dataset.rows]
    for index in found:
        same = [other for other in range(len(dataset)) if dataset.subject(other) == dataset.subject(index)]
        assert tumour[index] == tumour[same].max() > 0
    assert watched_slices(dataset, rows=1) == found[:1]


def test_a_synthesis_is_shown_beside_the_truth(tables, pipeline):
    dataset = SliceDataset(tables["train"])
    picture = synthesis_picture(pipeline, dataset, watched_slices(dataset), steps=2)
    assert (picture.shape, picture.dtype) == ((2 * 16, 4 * 16), np.uint8)
    real = dataset[watched_slices(dataset)[1]]["t1ce"][0, 0]
    expected = (real.clamp(0, 1).mT.flip(0) * 255).byte().numpy()
    assert np.array_equal(picture[16:, 16:32], expected)


def test_a_segmentation_is_shown_with_its_residual_and_label(tables, pipeline):
    dataset = SliceDataset(tables["train"], context_slices=1)
    items = watched_slices(dataset)
    picture = segmentation_picture(pipeline, dataset, items, "measured")
    assert picture.shape == (2 * 16, 5 * 16)
    label = (dataset[items[0]]["regions"][0].mT.flip(0) * 255).byte().numpy()
    assert np.array_equal(picture[:16, 64:], label)
    assert label.max() == 255
    assert picture[:, 32:48].max() > 0
    assert segmentation_picture(pipeline, dataset, items, "none")[:, 32:48].max() == 0
    assert torch.is_grad_enabled()
