"""Faults put into a simulated case, each named; without one, nothing is suspected."""

from dataclasses import replace

import numpy as np
import pytest

from recoseg_hf.imaging.volume import Volume
from recoseg_hf.inference.doctor.judging import judge
from recoseg_hf.inference.doctor.measuring import extent_mm, measure_contrast, measure_pairs
from recoseg_hf.inference.doctor.scans import Scans, reduce_case
from recoseg_hf.inference.doctor.texture import measure_texture
from recoseg_hf.pipeline.conventions import MODALITIES


def with_data(volumes, name, data):
    return volumes | {name: Volume(np.ascontiguousarray(data, dtype=np.float32), volumes[name].affine)}


def sizes(volumes) -> dict:
    filled = {name: np.count_nonzero(volume.data) for name, volume in volumes.items()}
    return {
        "filled_ml": {name: count * volumes[name].voxel_volume_ml for name, count in filled.items()},
        "background": {name: 1 - count / volumes[name].data.size for name, count in filled.items()},
        "extent_mm": extent_mm(volumes),
    }


def renamed(scans, one, other) -> Scans:
    name_of = {name: name for name in MODALITIES} | {one: other, other: one}
    parts = ({name: part[name_of[name]] for name in MODALITIES} for part in (scans.images, scans.even, scans.textures))
    return Scans(*parts, scans.brain)


def causes(measures, limits):
    return [(one.cause, one.scans) for one in judge(measures, limits)]


def test_a_clean_case_is_not_suspected(clean):
    assert clean.suspicions == ()
    assert clean.not_looked_for == ()


def test_one_scan_moved(clean, volumes, limits):
    moved = with_data(volumes, "t2", np.roll(volumes["t2"].data, 2, axis=1))  # 6 mm
    pairs = measure_pairs(reduce_case(moved), "t2")
    (found,) = judge(replace(clean.measures, pairs=clean.measures.pairs | pairs), limits)
    assert (found.cause, found.scans, found.unit) == ("misplaced", ("t2",), "mm")
    assert found.measured == pytest.approx(6, abs=1)
    assert found.message.startswith("T2 lies about 6 mm from where FLAIR, T1 and T1ce show the same anatomy")


def test_one_file_flipped(clean, volumes, limits):
    flipped = with_data(volumes, "t1", volumes["t1"].data[::-1])
    pairs = measure_pairs(reduce_case(flipped), "t1")
    (found,) = judge(replace(clean.measures, pairs=clean.measures.pairs | pairs), limits)
    assert (found.cause, found.scans) == ("flipped", ("t1",))
    assert found.message.startswith("T1 fits FLAIR, T2 and T1ce better with left and right exchanged")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("t1", "t1ce"), "T1ce is darker than T1 where vessels and enhancing tissue are expected"),
        (("flair", "t2"), "Where fluid is expected (dark on T1), FLAIR is bright and T2 is dark"),
        (("t1", "t2"), "T1 does not go with T1ce, and FLAIR with T2"),
        (("flair", "t1"), "T1 does not go with T1ce, and FLAIR with T2"),
        (("t1ce", "t2"), "T1 does not go with T1ce, and FLAIR with T2"),
        (("flair", "t1ce"), "T1 does not go with T1ce, and FLAIR with T2"),
    ],
)
def test_two_scans_under_each_others_name(clean, scans, limits, names, words):
    contrast = measure_contrast(renamed(scans, *names))
    (found,) = judge(replace(clean.measures, **contrast), limits)
    assert (found.cause, found.scans) == ("swapped", names)
    assert found.message.startswith(words)


@pytest.mark.parametrize("factor", [10, 2, 0.5, 0.1])
def test_a_spacing_in_other_units(clean, limits, factor):
    filled = {name: value * factor**3 for name, value in clean.measures.filled_ml.items()}
    extent = tuple(size * factor for size in clean.measures.extent_mm)
    (found,) = judge(replace(clean.measures, filled_ml=filled, extent_mm=extent), limits)
    assert (found.cause, found.scans) == ("spacing", ())
    assert found.measured == pytest.approx(factor, rel=0.2)
    assert "is the voxel spacing in mm" in found.message


def test_slices_of_another_thickness(clean, limits):
    x, y, z = clean.measures.extent_mm
    filled = dict.fromkeys(MODALITIES, 2 * 1400.0)
    (found,) = judge(replace(clean.measures, filled_ml=filled, extent_mm=(x, y, 2 * z)), limits)
    assert found.cause == "spacing"
    assert "from bottom to top" in found.message


def head(volumes, name):
    """A bright shell around the brain, 15 mm thick; no real head is like it in anything but size."""
    data = volumes[name].data
    shell = data != 0
    for axis in range(3):
        shell = np.logical_or.reduce([np.roll(shell, step, axis) for step in range(-5, 6)])
    return with_data(volumes, name, np.where(data != 0, data, shell * data.max()))


def test_a_skull_in_all_files(clean, volumes, limits):
    for name in MODALITIES:
        volumes = head(volumes, name)
    assert causes(replace(clean.measures, **sizes(volumes)), limits) == [("skull", MODALITIES)]


def test_a_skull_in_one_file(clean, volumes, limits):
    (found,) = judge(replace(clean.measures, **sizes(head(volumes, "t1"))), limits)
    assert (found.cause, found.scans) == ("skull", ("t1",))


def test_air_that_is_not_zero(clean, limits):
    background = dict.fromkeys(MODALITIES, 0.03)
    (found,) = judge(replace(clean.measures, background=background), limits)
    assert (found.cause, found.scans) == ("skull", MODALITIES)
    assert found.message.startswith("Only 3% of FLAIR, T1, T2 and T1ce is zero")


@pytest.mark.parametrize("name", ["t1", "t2", "t1ce"])  # FLAIR, here, goes for one swapped with T2
def test_one_scan_inverted(clean, scans, limits, name):
    values = scans.even[name]
    inverted = replace(scans, even=scans.even | {name: np.where(scans.brain, 2 - values, 1)})
    (found,) = judge(replace(clean.measures, **measure_contrast(inverted)), limits)
    assert (found.cause, found.scans) == ("unlike", (name,))
    assert "only with dark and bright exchanged" in found.message


def test_noise(clean, volumes, limits):
    data = volumes["t2"].data
    drawn = np.random.default_rng(0).standard_normal(data.shape)
    noisy = np.where(data != 0, data + 0.2 * np.median(data[data != 0]) * drawn, 0)
    textures = clean.measures.textures | {"t2": measure_texture(noisy)}
    (found,) = judge(replace(clean.measures, textures=textures), limits)
    assert (found.cause, found.scans) == ("unlike", ("t2",))
    assert found.message.startswith("T2 is noisier than the scans that the model was trained on")
    assert found.measured > found.limit


def test_slices_repeated_along_one_axis(clean, volumes, limits):
    thick = np.repeat(volumes["flair"].data[..., ::4], 4, axis=2)
    texture = measure_texture(thick * (volumes["flair"].data != 0))
    textures = clean.measures.textures | {"flair": replace(texture, noise=0)}
    (found,) = judge(replace(clean.measures, textures=textures), limits)
    assert (found.cause, found.scans) == ("unlike", ("flair",))
    assert found.message.startswith("FLAIR varies far less from bottom to top than across")


def test_what_explains_more_keeps_the_texture_unsaid(clean, limits):
    noisy = {name: replace(one, noise=100 * one.noise) for name, one in clean.measures.textures.items()}
    filled = {name: 8 * value for name, value in clean.measures.filled_ml.items()}
    assert causes(replace(clean.measures, textures=noisy, filled_ml=filled), limits) == [("spacing", ())]
