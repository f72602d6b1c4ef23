"""How a program of ours sets up its process; the library itself never does."""

from __future__ import annotations

import os

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_ARENAS = 2
_SPINS = "10000"  # a fraction of a millisecond


def tune_process() -> None:
    """Keep freed memory in the process, and let threads wait for one another in a short loop (glibc, GNU OpenMP).

    Large activations otherwise fault in anew at every step: measured at 1.15 to 1.47 times the speed on a CPU. Threads
    share two arenas: each of its own would keep what was freed there, and a cohort's memory would grow with the
    threads that came and went. It acts on the whole process, so programs call it, never the library by itself.

    The loop is set where torch is not loaded yet. In GNU's own, which is long, a thread keeps the processor from the
    one that it waits for as soon as another program needs some of it (`python -m benchmarks.measure_busy`).
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)
    import ctypes
    import platform

    if platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(_M_MMAP_THRESHOLD, 2**30)
        libc.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
        libc.mallopt(_M_ARENA_MAX, _ARENAS)
