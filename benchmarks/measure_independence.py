"""What it costs that a slice's result does not depend on its batch: peak memory and time, beside the plain net.

    python benchmarks/measure_independence.py --threads 2 --batch 16 --dtype bfloat16

runs one step of the embedded synthesizer; the threads may be more than the machine has processors.
"""

import argparse
import ctypes
import json
import time
from pathlib import Path

import torch

from recoseg_hf.inference import load_pipeline
from recoseg_hf.pipeline.independence import run_slices_apart
from recoseg_hf.process import tune_process


def main() -> None:
    options = parse()
    torch.set_num_threads(options.threads)
    dtype = getattr(torch, options.dtype)
    pipeline = load_pipeline(device="cpu", dtype=dtype)
    net, size = pipeline.synthesizer, pipeline.config.image_size // pipeline.config.pixel_unshuffle
    shape = (options.batch, net.config.in_channels, size, size)
    inputs = torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(dtype)

    def plain() -> torch.Tensor:
        return net(inputs.contiguous(memory_format=torch.channels_last), 500).sample

    kinds = {"plain": plain, "slices apart": lambda: run_slices_apart(net, inputs, 500)}
    with torch.no_grad():
        measured = {name: peak(call) for name, call in kinds.items()}
        tune_process()  # after the memory: freed memory would stay in the process
        seconds = {name: [] for name in kinds}
        for _ in range(options.repeats):
            for name, call in kinds.items():  # in turn, since other programs may be at work
                started = time.process_time() if options.cpu_time else time.perf_counter()
                call()
                ended = time.process_time() if options.cpu_time else time.perf_counter()
                seconds[name].append(ended - started)
    for name in kinds:
        row = {"net": name, "threads": options.threads, "batch": options.batch, "dtype": options.dtype}
        print(json.dumps(row | {"peak_mib": measured[name], "seconds": round(min(seconds[name]), 4)}))


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--dtype", default="bfloat16", choices=["bfloat16", "float32"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cpu_time", action="store_true", help="of all threads, in place of the clock's")
    return parser.parse_args()


def peak(call) -> float:
    """What a call holds at most beside what was held before it, in MiB; the second call, when libraries are loaded."""
    call()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")
    call()
    return round((memory("VmHWM") - before) / 1024)


def memory(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


if __name__ == "__main__":
    main()
