"""Where weights lie in memory, and what is done when that runs out (a leaf).

Then: fewer slices at a time, down to the fewest, and never another device.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch

# In plain RuntimeErrors: of torch on a CPU, of oneDNN, of cuDNN and cuBLAS, of CUDA and MPS; the last two are cuDNN's
# where it finds no room to try its algorithms in.
_SHORTAGES = (
    "can't allocate memory", "not enough memory", "bad_alloc", "could not create a memory", "ALLOC_FAILED",
    "CUDA error: out of memory", "MPS backend out of memory",
    "Unable to find a valid cuDNN algorithm", "unable to find an engine",
)  # fmt: skip
_OF_ONEDNN = "could not create a primitive"  # with more words behind it, it is about something else

_VALUES = 3_600_000  # of a net's first map of all slices of a call: with more they leave a processor's cache
_FEW_SLICES = 8
_ALIGNMENT = 64  # bytes, a line of the cache, as torch aligns what it makes itself

_log = logging.getLogger(__name__)


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether a device or the machine had no memory left."""
    if isinstance(error, (torch.cuda.OutOfMemoryError, MemoryError)):
        return True
    said = str(error)
    return isinstance(error, RuntimeError) and (
        said.strip() == _OF_ONEDNN or any(words in said for words in _SHORTAGES)
    )


def align_weights(components: Iterable[Any]) -> None:
    """Copy what a file was mapped to, wherever in it a weight lies, to where torch would have put it.

    Some processors' products of matrices round otherwise for another alignment: a net would not give, to the bit, what
    it gave before it was saved.
    """
    for net in components:
        if isinstance(net, torch.nn.Module):
            for weights in (*net.parameters(), *net.buffers()):
                if weights.device.type == "cpu" and weights.data_ptr() % _ALIGNMENT:
                    weights.data = weights.data.clone()


def choose_batch_size(slices: int, values: int) -> int:
    """Say how many slices a net is best called with: a call costs some milliseconds, whatever it is given.

    Args:
        slices: that there are; they are parted evenly, as each other number of slices sets up kernels of its own.
        values: of a net's first map of a slice, pixels times channels.
    """
    each = even_size(slices, max(_VALUES // values, _FEW_SLICES))
    threads = torch.get_num_threads()
    return each if each < threads else -(-each // threads) * threads


def even_size(slices: int, most: int) -> int:
    """Say how many slices each of the fewest calls takes that take at most `most`; 1 where there are no slices."""
    return -(-slices // -(-slices // most)) if slices else 1


def run_in_batches(
    work: Callable[[torch.Tensor], object],
    positions: torch.Tensor,
    size: int,
    split: Callable[[torch.Tensor, int], Sequence[torch.Tensor]] = torch.split,
) -> int:
    """Do some work on batches of slices; where memory runs out, again with half as many, and so on for all the rest.

    Args:
        work: takes positions; done again from its start for those of a batch that did not fit.
        positions: int64 (N,).
        size: slices per batch at first.
        split: parts positions into batches of a size, as `torch.split` does.

    Returns:
        The size that fitted, for the next call of the same net: what did not fit once need not be tried again.

    Raises:
        MemoryError: the smallest batch does not fit either.
    """
    waiting = [part for part in split(positions, size) if len(part)]  # of nothing, torch makes one empty part
    while waiting:
        lacking = _try(work, waiting[0])
        if lacking is None:
            del waiting[0]
            continue
        largest = len(waiting[0])
        size = max(min(size, largest) // 2, 1)
        waiting = [part for batch in waiting for part in split(batch, size)]
        if len(waiting[0]) == largest:
            raise MemoryError(f"out of memory with {largest} slice{'s' * (largest > 1)} at a time: {lacking}")
        _log.warning("Out of memory with %d slices at a time; going on with %d.", largest, len(waiting[0]))
    return size


def _try(work: Callable[[torch.Tensor], object], batch: torch.Tensor) -> str | None:
    """Do the work; where it ran out of memory, say what was lacking, once all that it held is free again."""
    try:
        work(batch)
        return None
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        lacking = str(error).partition("\n")[0] or type(error).__name__
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    return lacking
