"""Simulated cases: anatomy and truth are fixed by the seed, contrast by the physics, geometry by BraTS."""

import numpy as np
import pytest

from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.layout import find_cases
from recoseg_hf.imaging.phantom import simulate_case, write_case
from recoseg_hf.imaging.phantom_signal import SITES, inversion_recovery, spin_echo, tissue_signals, with_contrast_agent
from recoseg_hf.pipeline.conventions import MODALITIES

SMALL = (60, 60, 39)


@pytest.fixture(scope="module")
def case() -> Case:
    return simulate_case(seed=0, shape=SMALL)


def _mean(case: Case, modality: str, label: int) -> float:
    return float(getattr(case, modality).data[case.seg.data == label].mean())


def _healthy(case: Case, modality: str) -> float:
    return float(np.median(getattr(case, modality).data[(case.flair.data > 0) & (case.seg.data == 0)]))


def test_same_seed_same_voxels_other_seed_others(case):
    again, other = simulate_case(seed=0, shape=SMALL), simulate_case(seed=1, shape=SMALL)
    for name, volume in case.volumes().items():
        assert np.array_equal(volume.data, getattr(again, name).data)
        assert not np.array_equal(volume.data, getattr(other, name).data)


def test_geometry_is_that_of_brats(case):
    assert case.flair.orientation == "LPS"
    assert case.flair.voxel_spacing == (4.0, 4.0, 4.0)
    assert case.flair.affine[:3, 3].tolist() == [0, 236, 0]
    assert case.subject == "simulated-0"


def test_labels_are_those_of_brats_and_lie_in_the_brain(case):
    labels = case.seg.data
    assert set(np.unique(labels)) == {0, 1, 2, 4}
    assert (case.flair.data[labels > 0] > 0).all()
    millilitres = (labels > 0).sum() * case.seg.voxel_volume_ml
    assert 5 < millilitres < 200


def test_rim_encloses_the_necrosis(case):
    from scipy import ndimage

    around_necrosis = ndimage.binary_dilation(case.seg.data == 1) & (case.seg.data != 1)
    shares = np.bincount(case.seg.data[around_necrosis], minlength=5) / around_necrosis.sum()
    assert shares[4] > 0.8


def test_background_is_zero_and_everything_is_whole_and_finite(case):
    brain = case.flair.data > 0
    assert 0.05 < brain.mean() < 0.35
    for name in MODALITIES:
        data = getattr(case, name).data
        assert np.array_equal(data > 0, brain)
        assert np.array_equal(data, np.rint(data))


def test_contrast_is_what_a_radiologist_expects(case):
    assert _mean(case, "flair", 2) > 1.3 * _healthy(case, "flair")
    assert _mean(case, "t2", 2) > 1.1 * _healthy(case, "t2")
    assert _mean(case, "t1", 1) < _healthy(case, "t1")
    assert _mean(case, "t1ce", 4) > 1.3 * _mean(case, "t1ce", 1)
    assert _mean(case, "t1ce", 4) > 1.3 * _mean(case, "t1ce", 2)


def test_healthy_head_has_no_label():
    healthy = simulate_case(seed=0, shape=SMALL, tumour=False)
    assert not healthy.seg.data.any()


def test_site_changes_intensities_and_not_anatomy(case):
    other = simulate_case(seed=0, shape=SMALL, site="c")
    assert np.array_equal(other.seg.data, case.seg.data)
    assert np.array_equal(other.flair.data > 0, case.flair.data > 0)
    assert np.median(other.t2.data[other.t2.data > 0]) < 0.6 * np.median(case.t2.data[case.t2.data > 0])


def test_unknown_site_is_refused():
    with pytest.raises(ValueError, match="site='z'; expected one of a, b, c"):
        simulate_case(site="z", shape=SMALL)


def test_written_case_reads_back(case, tmp_path):
    folder = write_case(case, tmp_path)
    assert find_cases(tmp_path) == [folder]
    read = Case.from_folder(folder)
    for name, volume in case.volumes().items():
        assert np.array_equal(getattr(read, name).data, volume.data)


def test_signal_equations():
    assert spin_echo(500, 70, 1.0, repetition=500, echo=0) == pytest.approx(1 - np.exp(-1))
    null = 500 * np.log(2)
    assert inversion_recovery(500, 70, 1.0, repetition=1e9, echo=0, inversion=null) == pytest.approx(0, abs=1e-9)
    assert with_contrast_agent(1000, 1.0) == pytest.approx(1000 / 5.5)


@pytest.mark.parametrize("site", SITES)
def test_every_site_orders_tissues(site):
    signals = tissue_signals(SITES[site])
    assert signals["t1"]["white_matter"] > signals["t1"]["grey_matter"] > signals["t1"]["fluid"]
    assert signals["t2"]["fluid"] > signals["t2"]["grey_matter"] > signals["t2"]["white_matter"]
    assert signals["flair"]["oedema"] > signals["flair"]["grey_matter"] > signals["flair"]["fluid"]
    assert signals["t1ce"]["enhancing"] > 1.3 * signals["t1"]["enhancing"]
