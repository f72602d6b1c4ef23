"""F12: a real limit on memory: fewer slices at a time give the same bytes; where even one is too many it is said."""

import ctypes
import logging
import sys

import numpy as np
import pytest
import torch

from recoseg_hf.inference import predict_case
from recoseg_hf.pipeline.memory import is_out_of_memory, run_in_batches
from tests.faults.forks import lift_memory_limit, limit_memory, outcome, use_up
from tests.inference.cases import make_case
from tests.tiny import brain_slices, tiny_pipeline

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit a process's memory so")
SIZE, SLICES = 96, 10
MIB = 2**20
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's mallopt
SETTINGS = {
    "image_size": SIZE,
    "field_of_view": SIZE,
    "num_inference_steps": 1,
    "slice_smoothing": 1.0,
    "flip_average": True,
}


def run(pipeline, images, batch: int) -> dict[str, np.ndarray]:
    output = pipeline(**images, generator=torch.Generator().manual_seed(0), slice_batch_size=batch)
    return {"probability": output.probability, "t1ce": output.t1ce}


def give_freed_memory_back() -> None:
    """Have glibc return each array to the system once it is freed, so that a limit holds for all that is allocated."""
    libc = ctypes.CDLL("libc.so.6")
    libc.mallopt(M_MMAP_THRESHOLD, 2**16)
    libc.mallopt(M_TRIM_THRESHOLD, 2**16)


def limited(mib: float, before: dict[str, np.ndarray]) -> tuple[list[str], bool]:
    """What was logged where 8 slices at a time were asked for within a limit; whether the result was that of none."""
    give_freed_memory_back()
    limit_memory(0)
    taken = use_up(left=0)  # what the tests before this one have freed
    lift_memory_limit()
    pipeline, images, told = tiny_pipeline(**SETTINGS), brain_slices(SLICES, 48, 40), []
    handler = logging.Handler()
    handler.emit = lambda record: told.append(record.getMessage())
    logging.getLogger("recoseg_hf.pipeline.memory").addHandler(handler)
    for batch in (8, 4):  # oneDNN makes its code, of which a limit lets it make no more without harm
        run(pipeline, images, batch)
    limit_memory(int(mib * MIB))
    after = run(pipeline, images, 8)
    taken.clear()
    return told, all(np.array_equal(before[name], after[name]) for name in before)


def test_f12_half_as_many_slices_give_the_same_bytes():
    """How much 4 and 8 slices take is the processor's affair: from plenty down, one limit at least parts them."""
    before = run(tiny_pipeline(**SETTINGS), brain_slices(SLICES, 48, 40), 8)
    found = [outcome(lambda mib=mib: limited(mib, before)) for mib in (256, 32, 26, 21, 17, 14, 11, 9, 7)]
    halved = "Out of memory with 8 slices at a time; going on with 4."
    assert found[0] == ([], True)
    assert ([halved] * 2, True) in found, found  # synthesizer and segmenter
    for result in found:  # never another result, and where there is none, it is said why
        if isinstance(result, str):
            assert result.startswith("MemoryError: out of memory with 1 slice"), found
        else:
            assert result[1], found


def test_f12_not_even_one_slice_fits():
    def hopeless() -> None:
        case = make_case()
        predict_case(tiny_pipeline(), case)
        pipeline = tiny_pipeline(image_size=256, field_of_view=256, num_inference_steps=1)
        limit_memory(0)
        held = use_up()
        predict_case(pipeline, case, slice_batch_size=4)
        held.clear()

    said = outcome(hopeless)
    assert said.startswith(
        "InputError: case sub-01: a scan of 20 x 22 x 9 voxels needs more memory than cpu has left ("
    )
    assert said.endswith(
        "; expected memory for a slice at a time. Free memory or end other programs there, or choose another --device."
    )


class TestBatches:
    """How positions are parted, with a device of 3 slices."""

    def parts(self, count: int, size: int, room: int, split=torch.split) -> list[list[int]]:
        done = []

        def work(batch: torch.Tensor) -> None:
            if len(batch) > room:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
            done.append(batch.tolist())

        self.fitted = run_in_batches(work, torch.arange(count), size, split)
        return done

    def test_nothing_is_no_batch(self):
        assert self.parts(0, 8, room=3) == []

    def test_all_that_wait_are_halved(self):
        assert self.parts(10, 8, room=3) == [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]
        assert self.parts(7, 100, room=3) == [[0, 1, 2], [3, 4, 5], [6]]
        assert self.parts(3, 2, room=9) == [[0, 1], [2]]

    def test_what_belongs_together_stays_together(self):
        def pairs(positions: torch.Tensor, size: int) -> tuple[torch.Tensor, ...]:
            return positions.split(max(size // 2, 1) * 2)

        assert self.parts(6, 4, room=2, split=pairs) == [[0, 1], [2, 3], [4, 5]]
        with pytest.raises(MemoryError, match="out of memory with 2 slices at a time"):
            self.parts(6, 4, room=1, split=pairs)

    def test_the_size_that_fitted_is_told(self):
        assert self.parts(10, 8, room=3)
        assert self.fitted == 2
        assert self.parts(10, self.fitted, room=3)
        assert self.fitted == 2
        assert self.parts(4, 100, room=9)
        assert self.fitted == 100

    def test_a_single_slice_is_the_end(self):
        with pytest.raises(MemoryError, match="out of memory with 1 slice at a time"):
            self.parts(2, 2, room=0)

    def test_another_error_is_not_taken_for_it(self):
        def work(batch: torch.Tensor) -> None:
            raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

        with pytest.raises(RuntimeError, match="shapes cannot"):
            run_in_batches(work, torch.arange(2), 2)
        assert is_out_of_memory(RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be reported later"))
        assert is_out_of_memory(RuntimeError("GET was unable to find an engine to execute this computation"))
        assert not is_out_of_memory(ValueError("can't allocate memory"))
