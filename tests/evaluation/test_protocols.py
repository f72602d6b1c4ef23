"""The paper's protocol against masks made on its grid; its slices are chosen by the reference, and it says so."""

import nibabel as nib
import numpy as np
import pytest

from recoseg_hf.evaluation.aggregation import aggregate
from recoseg_hf.evaluation.comparison import compare_case, compare_slices
from recoseg_hf.evaluation.protocols import PROTOCOLS, compare_case_as_paper
from recoseg_hf.imaging.volume import Volume

SLICES = 5


def coarse(seed=0, values=(0, 0, 1, 2, 4)):
    """Labels on the grid of the paper in blocks of three by three pixels, the last slice empty."""
    blocks = np.random.default_rng(seed).choice(values, size=(40, 40, SLICES)).astype(np.uint8)
    blocks[..., -1] = 0
    return blocks.repeat(3, axis=0).repeat(3, axis=1)


def as_volume(labels, affine=None):
    """The same on 240 x 240 pixels of 1 mm, where it is exact."""
    return Volume(labels.repeat(2, axis=0).repeat(2, axis=1), np.eye(4) if affine is None else affine)


def prediction(seed=1):
    mask = (coarse(seed) > 0).astype(np.uint8)
    mask[..., -1] = 1  # invented where the reference has nothing
    return mask


@pytest.mark.parametrize("region", ["wt", "tc", "et"])
def test_scores_are_those_of_the_masks_on_the_paper_s_grid(region):
    labels, mask = coarse(), prediction()
    inside = {"wt": labels > 0, "tc": (labels == 1) | (labels == 4), "et": labels == 4}[region]
    record = compare_case_as_paper(as_volume(mask), as_volume(labels), region)
    kept = [(mask[..., k] > 0, inside[..., k]) for k in range(SLICES - 1)]
    expected = compare_slices(kept, region, voxel_volume_ml=0.004)
    expected["slices"]["n_left_out"] = 1
    assert record == expected


def test_what_is_invented_on_other_slices_is_not_seen():
    labels, mask = as_volume(coarse()), as_volume(prediction())
    paper, volume = compare_case_as_paper(mask, labels), compare_case(mask, labels)
    assert volume["false_positive_ml"] == pytest.approx(paper["false_positive_ml"] + 240 * 240 / 1000)
    assert paper["dice"] > volume["dice"]


def test_slices_are_chosen_by_the_whole_tumour_for_every_region():
    labels = coarse(values=(0, 2))  # oedema alone: no core, but tumour in every slice but the last
    record = compare_case_as_paper(as_volume(prediction()), as_volume(labels), "et")
    assert (record["slices"]["n"], record["slices"]["n_left_out"]) == (SLICES - 1, 1)
    assert (record["outcome"], record["dice"]) == ("empty_reference", 0.0)


def test_a_subject_without_tumour_has_no_score():
    record = compare_case_as_paper(as_volume(prediction()), as_volume(np.zeros_like(coarse())))
    assert (record["outcome"], record["dice"], record["slices"]["n"]) == ("both_empty", None, 0)
    dice = aggregate([record], protocol="paper")["volume"]["dice"]
    assert (dice["value"], dice["n"], dice["n_undefined"]) == (None, 0, 1)


@pytest.mark.parametrize("orientation", ["LPS", "SRA"])
def test_orientation_changes_nothing(orientation):
    volumes = as_volume(prediction()), as_volume(coarse())
    turned = []
    for volume in volumes:
        image = nib.Nifti1Image(volume.data, volume.affine)
        target = nib.orientations.axcodes2ornt(orientation)
        image = image.as_reoriented(nib.orientations.ornt_transform(nib.io_orientation(image.affine), target))
        turned.append(Volume(np.asarray(image.dataobj), image.affine))
    assert compare_case_as_paper(*turned) == compare_case_as_paper(*volumes)


def test_other_spacings_and_sizes_land_on_the_same_grid():
    # 120 x 120 pixels of 2 mm are the paper's already; slices of 2 mm become two of 1 mm each.
    affine = np.diag([2.0, 2, 2, 1])
    labels, mask = Volume(coarse(), affine), Volume(prediction(), affine)
    record, expected = (
        compare_case_as_paper(mask, labels),
        compare_case_as_paper(*map(as_volume, (mask.data, labels.data))),
    )
    assert record["slices"]["n"] == 2 * expected["slices"]["n"]
    assert record["reference_ml"] == pytest.approx(2 * expected["reference_ml"], rel=0.05)
    assert record["dice"] == pytest.approx(expected["dice"], abs=0.02)


def test_other_grids_are_refused():
    with pytest.raises(ValueError, match="prediction and reference lie on different grids"):
        compare_case_as_paper(as_volume(prediction(), np.diag([-1.0, 1, 1, 1])), as_volume(coarse()))


def test_results_say_by_which_protocol_and_who_chose_the_slices():
    record = compare_case_as_paper(as_volume(prediction()), as_volume(coarse()))
    result = aggregate([record], protocol="paper")
    assert (result["protocol"], result["oracle_slices"]) == ("paper", True)
    assert aggregate([compare_case(as_volume(prediction()), as_volume(coarse()))])["oracle_slices"] is False
    assert "oracle_slices" in PROTOCOLS["paper"].description
