"""A case cut to stacks around its brain, and back on its own grid."""

import numpy as np
import pytest

from recoseg_hf.imaging.brain_window import BrainWindow
from recoseg_hf.imaging.case import Case
from recoseg_hf.imaging.volume import Volume
from tests.factories import affine

SHAPE = (9, 8, 7)


def case_of(orientation="RAS", spacing=(1.0, 1.0, 1.0)) -> Case:
    """One voxel of each condition, apart from one another, and a T1ce that is not zero outside the brain."""
    places = {"flair": (2, 3, 1), "t1": (5, 3, 2), "t2": (4, 6, 4)}
    volumes = {}
    for value, (name, place) in enumerate(places.items(), start=1):
        data = np.zeros(SHAPE, np.float32)
        data[place] = value
        volumes[name] = Volume(data, affine(orientation, spacing))
    return Case("sub-01", t1ce=Volume(np.full(SHAPE, 7, np.float32), affine(orientation, spacing)), **volumes)


def test_stacks_are_the_box_around_the_brain_and_all_slices():
    window, stacks = BrainWindow.around(case_of())
    assert window.box == (slice(2, 6), slice(3, 7))
    assert {name: stack.shape for name, stack in stacks.items()} == dict.fromkeys(
        ("flair", "t1", "t2", "t1ce"), (7, 4, 4)
    )
    assert (stacks["flair"][1, 0, 0], stacks["t1"][2, 3, 0], stacks["t2"][4, 2, 3]) == (1, 2, 3)


def stored(case, order) -> Case:
    volumes = {
        name: Volume(np.array(volume.data, order=order), volume.affine) for name, volume in case.volumes().items()
    }
    return Case("sub-01", **volumes)


def test_scans_that_are_only_flipped_are_not_copied():
    case = stored(case_of("LPS"), "F")  # as they are read
    _, stacks = BrainWindow.around(case)
    assert all(np.shares_memory(stack, getattr(case, name).data) for name, stack in stacks.items())


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("orientation", ["RAS", "LPS", "PIR", "SAL"])
def test_layout_in_memory_is_the_same_whatever_the_axes(orientation, order):
    _, stacks = BrainWindow.around(stored(case_of(orientation), order))
    for stack in stacks.values():
        slices, rows, columns = map(abs, stack.strides)
        assert rows < columns < slices


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "PIR", "SAL"])
def test_a_stack_comes_back_where_it_was_cut_from(orientation):
    case = case_of(orientation)
    window, stacks = BrainWindow.around(case)
    for name in ("flair", "t1", "t2"):
        back = window.volume(stacks[name])
        assert np.array_equal(back.data, getattr(case, name).data)
        assert np.array_equal(back.affine, case.flair.affine)
        assert back.data.flags.f_contiguous


def test_on_another_grid_nothing_reaches_past_the_brain():
    data = np.zeros(SHAPE, np.float32)
    data[2:7, 2:6, 1:6] = 5
    volumes = {
        name: Volume(data * number, affine("LPS", (1.4, 1.1, 2.0)))
        for number, name in enumerate(("flair", "t1", "t2"), 1)
    }
    case = Case("sub-01", **volumes)
    window, stacks = BrainWindow.around(case)
    back = window.volume(np.ones_like(stacks["flair"]))
    assert back.shape == SHAPE
    assert not back.data[~case.brain].any()
    assert back.data[4, 4, 3] == pytest.approx(1)


def test_without_a_brain_the_window_is_the_whole_scan():
    empty = Volume(np.zeros(SHAPE, np.float32), affine())
    window, stacks = BrainWindow.around(Case("sub-01", flair=empty, t1=empty, t2=empty))
    assert window.box == (slice(0, 9), slice(0, 8))
    assert stacks["t1"].shape == (7, 9, 8)


def test_a_cases_brain_is_where_a_condition_is_not_zero():
    case = case_of()
    assert case.brain.sum() == 3
    assert case.brain[2, 3, 1]
    assert case.brain[5, 3, 2]
    assert case.brain[4, 6, 4]
    assert case.brain is case.brain
