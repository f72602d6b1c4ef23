import numpy as np
import pytest

from recoseg_hf.pipeline.conventions import (
    CONDITIONS,
    FILE_ALIASES,
    MODALITIES,
    RESIDUAL_SOURCES,
    nested_labels,
    parse_names,
    region_masks,
)


def test_the_conditions_are_the_first_modalities():
    assert MODALITIES[:3] == CONDITIONS == ("flair", "t1", "t2")


def test_residual_sources_keep_their_class_labels():
    assert RESIDUAL_SOURCES == ("measured", "ensemble", "none")  # the labels that trained segmenters know


def test_no_alias_stands_for_two_modalities():
    aliases = [alias for names in FILE_ALIASES.values() for alias in names]
    assert len(aliases) == len(set(aliases))
    assert set(FILE_ALIASES) == {*MODALITIES, "seg"}


@pytest.mark.parametrize("enhancing", [3, 4])
def test_regions_of_both_label_schemes(enhancing):
    masks = region_masks(np.array([0, 1, 2, enhancing], np.uint8))
    assert masks["wt"].tolist() == [False, True, True, True]
    assert masks["tc"].tolist() == [False, True, False, True]
    assert masks["et"].tolist() == [False, False, False, True]


def test_regions_are_nested_and_keep_the_shape():
    masks = region_masks(np.random.default_rng(0).integers(0, 5, (4, 5, 6)))
    assert all(mask.shape == (4, 5, 6) and mask.dtype == bool for mask in masks.values())
    assert not (masks["et"] & ~masks["tc"]).any()
    assert not (masks["tc"] & ~masks["wt"]).any()


def test_names_are_read_in_order_whatever_the_spaces():
    assert parse_names(" t2, flair ,", ("flair", "t1", "t2"), "inputs") == ("t2", "flair")


@pytest.mark.parametrize("names", ["flair,pet", "flair,flair", "", " , "])
def test_other_names_are_refused_with_those_that_may_be_used(names):
    with pytest.raises(ValueError, match=r"inputs='.*'; expected distinct names out of flair, t1\."):
        parse_names(names, ("flair", "t1"), "inputs")


def test_labels_are_nested_whatever_the_probabilities_are():
    mask = np.array([0, 1, 1, 1, 1, 0], np.uint8)
    core = np.array([0.9, 0.5, 0.6, 0.6, 0.1, 0.1], np.float32)
    enhancing = np.array([0.1, 0.5, 0.4, 0.8, 0.8, 0.8], np.float32)
    found = nested_labels(mask, core, enhancing)
    assert found.tolist() == [0, 2, 1, 4, 4, 0]
    assert found.dtype == np.uint8
    regions = region_masks(found)
    assert np.array_equal(regions["wt"], mask != 0)
    assert not (regions["et"] & ~regions["tc"]).any()


def test_a_lower_threshold_gives_more_core_and_no_more_tumour():
    mask, core, enhancing = (
        np.array(values) for values in ([0, 1, 1, 1], [0.9, 0.35, 0.2, 0.4], [0.9, 0.1, 0.1, 0.31])
    )
    assert nested_labels(mask, core, enhancing).tolist() == [0, 2, 2, 2]
    assert nested_labels(mask, core, enhancing, threshold=0.3).tolist() == [0, 1, 2, 4]
