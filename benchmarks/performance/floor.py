"""What the machine can do: the peak of products and convolutions, memory's bandwidth, unpacking the scans."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch

from benchmarks.performance.workload import Workload

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
_CONVOLUTIONS = ((8, 128, 60), (16, 64, 60), (16, 256, 60), (16, 128, 30), (16, 256, 30), (8, 512, 30))
"""Slices, channels, pixels a side: shapes that nets of our kind have, and some that suit the processor better."""
_REPEATS = 4
_GZIP = b"\x1f\x8b"


class Machine:
    """Peaks with one thread and with all; each the best of some repeats, as a peak is."""

    def __init__(self, workload: Workload) -> None:
        self.threads, self.size = workload.threads, workload.peak_size
        self.about: Mapping[str, Any] = {}

    def run(self) -> Mapping[str, Any]:
        """Measure once."""
        found = {}
        for threads in sorted({1, self.threads}):
            torch.set_num_threads(threads)
            with torch.inference_mode():
                found[str(threads)] = {
                    "gemm_gflops": {name: self.product(dtype) for name, dtype in DTYPES.items()},
                    "conv_gflops": {name: self.convolution(dtype) for name, dtype in DTYPES.items()},
                    "copy_gbs": self.bandwidth(),
                }
        return {"peaks": found}

    def product(self, dtype: torch.dtype) -> float:
        """GFLOP/s of square matrices."""
        left, right = (torch.randn(self.size, self.size).to(dtype) for _ in range(2))
        return 2e-9 * self.size**3 / best(lambda: left @ right)

    def convolution(self, dtype: torch.dtype) -> float:
        """GFLOP/s of the best 3 x 3 convolution, channels last."""
        return max(self._convolution(dtype, *shape) for shape in _CONVOLUTIONS)

    def _convolution(self, dtype: torch.dtype, slices: int, channels: int, side: int) -> float:
        channels = min(channels, self.size // 8)
        layer = torch.nn.Conv2d(channels, channels, 3, padding=1).to(dtype, memory_format=torch.channels_last)
        values = torch.randn(slices, channels, side, side).to(dtype).contiguous(memory_format=torch.channels_last)
        return 18e-9 * channels**2 * slices * side**2 / best(lambda: layer(values))

    def bandwidth(self) -> float:
        """GB/s of a copy, read and written, far larger than any cache."""
        source = torch.zeros(self.size * 2**15)  # 256 MiB
        target = torch.zeros_like(source)
        return 2e-9 * source.nbytes / best(lambda: target.copy_(source))


class Inflate:
    """Unpacks the four scans in memory, side by side on all threads: no reader is faster."""

    def __init__(self, workload: Workload) -> None:
        self.threads = workload.threads
        contents = [file.read_bytes() for file in workload.files()]
        self.contents = [content for content in contents if content.startswith(_GZIP)]
        self.unpackers = unpackers()
        self.about: Mapping[str, Any] = {"compressed_bytes": sum(map(len, self.contents)), "with": [*self.unpackers]}

    def run(self) -> Mapping[str, Any]:
        """Seconds of each library, and of the faster one."""
        found = {}
        for name, unpack in self.unpackers.items():
            started = time.perf_counter()
            with ThreadPoolExecutor(self.threads) as pool:
                for content in pool.map(unpack, self.contents):
                    del content
            found[name] = time.perf_counter() - started
        return {"seconds": min(found.values()), "by_library": found}


def unpackers() -> dict[str, Callable[[bytes], Any]]:
    """Libraries that unpack gzip without Python's lock: zlib, and isal where it is installed."""
    found: dict[str, Callable[[bytes], Any]] = {"zlib": lambda content: zlib.decompress(content, 31)}
    try:
        from isal import isal_zlib
    except ImportError:
        return found
    return found | {"isal": lambda content: isal_zlib.decompress(content, 31)}


def best(act: Callable[[], Any]) -> float:
    """Least seconds of some repeats, after one that does not count."""
    act()
    seconds = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - started)
    return min(seconds)
