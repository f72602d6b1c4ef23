import numpy as np
import pytest
import torch
from datasets import load_from_disk

from recoseg_hf.imaging.case import Case
from recoseg_hf.learning.residual_cache import cache_split
from recoseg_hf.learning.slices import axial_stack
from tests.tiny import tiny_pipeline


@pytest.fixture(scope="module")
def pipeline():
    return tiny_pipeline(field_of_view=16)


@pytest.fixture(scope="module")
def table(prepared):
    return load_from_disk(str(prepared))["train"]


def cached(pipeline, table, **settings):
    with torch.no_grad():
        settings = {"steps": 2, "samples": 2, "seed": 0, "batch_size": 4} | settings
        return cache_split(pipeline, table, **settings).with_format("torch")


@pytest.fixture(scope="module")
def once(pipeline, table):
    return cached(pipeline, table)


def test_four_columns_are_added_and_the_others_stay(once, table):
    added = {"synthetic_t1ce", "spread", "residual_max", "spread_max"}
    assert set(once.column_names) == set(table.column_names) | added
    assert torch.equal(once["t1ce"][:], table.with_format("torch")["t1ce"][:])
    assert once.features["synthetic_t1ce"] == table.features["t1ce"]


def test_the_cached_draw_is_the_pipelines_own(once, pipeline, table, brats_like):
    """Same noise for the same place: what the segmenter is trained on is what it will see."""
    case = Case.from_folder(brats_like / "sub-02")
    stack = pipeline.preprocess(
        {name: axial_stack(volume.data) for name, volume in case.volumes().items() if name != "seg"}
    )
    with torch.no_grad():
        draws = pipeline._synthesize(stack, steps=2, samples=1, seed=0, batch_size=16, callback=None)
    rows = [row for row, subject in enumerate(table["subject"]) if subject == "sub-02"]
    expected = draws[0][stack.filled_slices()]
    assert torch.allclose(once["synthetic_t1ce"][rows], expected, atol=5e-3)  # conditions were rounded to float16


def test_maxima_are_over_each_subjects_volume(once):
    residual = (once["synthetic_t1ce"][:] - once["t1ce"][:]).abs() * once["brain"][:]
    for subject in ("sub-01", "sub-02"):
        rows = [row for row, name in enumerate(once["subject"]) if name == subject]
        for maxima, values in (("residual_max", residual), ("spread_max", once["spread"][:])):
            found = once[maxima][rows]
            assert found.unique().numel() == 1
            assert found[0].item() == pytest.approx(values[rows].max().item(), abs=1e-3)
    assert once["residual_max"][:].unique().numel() == 2


def test_the_spread_is_in_the_brain_alone(once):
    spread, brain = once["spread"][:], once["brain"][:].bool()
    assert spread[~brain].abs().max() == 0
    assert spread[brain].min() >= 0
    assert spread.max() > 0


def test_batch_size_changes_nothing(once, pipeline, table):
    other = cached(pipeline, table, batch_size=64)
    assert torch.allclose(other["synthetic_t1ce"][:], once["synthetic_t1ce"][:], atol=1e-3)


def test_without_samples_there_is_no_spread(pipeline, table):
    found = cached(pipeline, table, samples=0)
    assert np.array_equal(found["spread_max"][:], np.zeros(len(table)))
    assert found["spread"][:].abs().max() == 0


def test_the_spread_is_of_at_least_four_steps(pipeline, table, once):
    four = cached(pipeline, table, steps=4)
    assert torch.equal(four["spread"][:], once["spread"][:])
    assert not torch.equal(four["synthetic_t1ce"][:], once["synthetic_t1ce"][:])


def test_progress_counts_slices(pipeline, table):
    seen = []
    cached(pipeline, table, samples=0, progress=seen.append)
    assert sum(seen) == len(table)
