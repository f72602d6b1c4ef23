"""What the training loop costs: slices per second of both scripts beside the bare net, the input alone, two processes.

    python -m benchmarks.measure_training --slices SLICES_WITH_RESIDUALS --output benchmarks/results/training.json

SLICES_WITH_RESIDUALS is what `training/cache_residuals.py` wrote for `recoseg_small`; `--num_samples 0` does. "Bare"
is forward, loss, backward and AdamW of the same net on one batch that is already in memory, in the same process, in
turn with the script's own steps, and so is the conv peak: the best of a few bfloat16 convolutions. A step's operations
are those of the net alone, forward and backward. The input is reading, stacking and augmenting a batch. Two processes
run as Accelerate launches them, one thread each, against one process with two threads. On a GPU, where there is one,
they are left out.
"""

import argparse
import importlib.util
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from benchmarks.training_peak import conv_flops_per_second, step_flops
from recoseg_hf.files import shipped_folder, write_json
from recoseg_hf.learning.augmentation import AugmentationSettings
from recoseg_hf.learning.group_norm import quicken_group_norms
from recoseg_hf.learning.randomness import SampleRandomness
from recoseg_hf.learning.segmentation import augmented_slices, segmentation_step_loss
from recoseg_hf.learning.slice_batches import training_loader
from recoseg_hf.learning.start import load_or_build
from recoseg_hf.learning.synthesis import augmented_pair, synthesis_loss
from recoseg_hf.learning.training_loop import TrainingRun
from recoseg_hf.process import tune_process

ROOT = Path(__file__).resolve().parent.parent
SCRIPTS = ("train_synthesizer", "train_segmenter")
WARM_UP = 2


def script(name: str):
    """One of the training scripts as a module."""
    found = importlib.util.spec_from_file_location(name, ROOT / "training" / f"{name}.py")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    found.loader.exec_module(module)
    return module


def options_of(name: str, slices: str, output: str, steps: int, batch: int):
    """A run of a few steps with the embedded default's settings, validated once on next to nothing."""
    module = script(name)
    kind = getattr(module, {"train_synthesizer": "SynthesizerOptions", "train_segmenter": "SegmenterOptions"}[name])
    extra = {"allow_other_synthesizer": True, "ensemble_share": 0.0} if name == "train_segmenter" else {}
    return module, kind(
        pretrained_model_name_or_path=str(shipped_folder("pipelines") / "recoseg_small"), train_data_dir=slices,
        output_dir=output, max_train_steps=steps, train_batch_size=batch, mixed_precision="bf16", report_to="none",
        validation_steps=steps, validation_every=60, checkpointing_steps=steps, **extra,
    )  # fmt: skip


def time_script(
    name: str, slices: str, steps: int, batch: int, output: Path, between: Callable[[], None] = lambda: None
) -> list[float]:
    """Seconds from update to update of the script's own loop, loading and logging included.

    `between` is called after each update and not counted.
    """
    seconds: list[float] = []
    update, began = TrainingRun.update, time.perf_counter()

    def timed(run: TrainingRun) -> float:
        nonlocal began
        loss = update(run)
        seconds.append(time.perf_counter() - began)
        between()
        began = time.perf_counter()
        return loss

    TrainingRun.update = timed
    try:
        module, options = options_of(name, slices, str(output), steps, batch)
        module.main(options)
    finally:
        TrainingRun.update = update
    return seconds[WARM_UP:]


class Bare:
    """The net on a batch that is in memory, and what the machine could do meanwhile."""

    def __init__(self, name: str, slices: str, batch: int):
        module, options = options_of(name, slices, "unused", 1, batch)
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.pipeline = load_or_build(options.pretrained_model_name_or_path, 0)
        self.net = getattr(self.pipeline, name.removeprefix("train_")).train()
        self.net.to(self.device, memory_format=torch.channels_last)
        quicken_group_norms(self.net)
        self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=1e-6)
        self.name, self.size, self.options = name, batch, options
        self.data = module.open_data(options, self.pipeline)
        self.batch = {key: values.to(self.device) for key, values in next(iter(self.loader(0, 1))).items()}
        fold = self.pipeline.config.pixel_unshuffle
        self.flops = step_flops(self.net, *(side // fold for side in self.seen()))
        self.seconds: list[float] = []
        self.peaks: list[float] = []

    def loader(self, start: int, stop: int):
        """The script's own."""
        return training_loader(self.data.train, self.size, 0, start, stop, rank=0, world_size=1, workers=0)

    def seen(self) -> Sequence[int]:
        """Rows and columns of the nets' grid that the net sees of the batch."""
        return self.augment(self.batch, SampleRandomness.of_samples(0, 0, self.size), None).shape[-2:]

    def loss(self, randomness: SampleRandomness, augmentation: AugmentationSettings | None) -> torch.Tensor:
        """The script's own."""
        if self.name == "train_synthesizer":
            return synthesis_loss(self.net, self.pipeline, self.batch, randomness, augmentation, "weighted")
        return segmentation_step_loss(
            self.net, self.pipeline, self.batch, randomness, augmentation, self.options.sources()
        )

    def time_step(self) -> None:
        """Add the seconds of forward, loss, backward and AdamW, without augmentation; then measure the peak."""
        randomness = SampleRandomness.of_samples(0, len(self.seconds) * self.size, self.size)
        start = time.perf_counter()
        with torch.autocast(self.device.type, torch.bfloat16):
            loss = self.loss(randomness, None)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        self.seconds.append(time.perf_counter() - start)
        self.peaks.append(conv_flops_per_second(self.device))

    def time_input(self, count: int) -> list[float]:
        """Seconds of loading and augmenting a batch."""
        batches, found = iter(self.loader(0, count + WARM_UP)), []
        for number in range(count + WARM_UP):
            randomness = SampleRandomness.of_samples(0, number * self.size, self.size)
            start = time.perf_counter()
            self.augment(next(batches), randomness, AugmentationSettings())
            found.append(time.perf_counter() - start)
        return found[WARM_UP:]

    def augment(
        self,
        batch: Mapping[str, torch.Tensor],
        randomness: SampleRandomness,
        augmentation: AugmentationSettings | None,
    ) -> torch.Tensor:
        """Conditions as the script's own step has them."""
        if self.name == "train_synthesizer":
            return augmented_pair(batch, randomness, augmentation, self.pipeline.window_multiple)[0]
        return augmented_slices(self.pipeline, batch, randomness, augmentation, self.options.sources())[0][
            "conditions"
        ]


def measure(name: str, slices: str, steps: int, batch: int) -> dict:
    """One script in this process; after each of its steps the bare net's turn, so that both meet the same machine."""
    bare = Bare(name, slices, batch)
    with tempfile.TemporaryDirectory() as folder:
        loop = time_script(name, slices, steps + WARM_UP, batch, Path(folder), bare.time_step)
    net = bare.seconds[WARM_UP:]
    seconds = {"bare": statistics.median(net), "loop": statistics.median(loop)}
    seconds["input"] = statistics.median(bare.time_input(steps))
    peak = statistics.median(bare.peaks)
    reached = {what: bare.flops * batch / seconds[what] / peak for what in ("bare", "loop")}
    return {
        "slices_per_second": {what: batch / value for what, value in seconds.items()},
        "loop_over_bare": seconds["loop"] / seconds["bare"],
        "gflop_per_slice": bare.flops / 1e9,
        "conv_peak_gflops": peak / 1e9,
        "share_of_conv_peak": reached,
        "input_speed_over_net": seconds["bare"] / seconds["input"],
        "steps": steps,
        "batch": batch,
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if bare.device.type == "cuda" else "cpu",
    }


def measure_processes(name: str, slices: str, steps: int, batch: int, processes: int, threads: int) -> float:
    """Slices per second of all processes together."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    environment = os.environ | {"ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": str(threads)}
    launcher = [
        sys.executable, "-m", "accelerate.commands.launch", "--num_machines", "1", "--mixed_precision", "no",
        "--dynamo_backend", "no", "--num_processes", str(processes),
        *(["--multi_gpu", "--main_process_port", port] if processes > 1 else ["--cpu"]),
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "steps.json"
        worker = [
            "--module", "benchmarks.measure_training", "--slices", slices, "--worker", name, "--steps", str(steps),
            "--batch", str(batch),
        ]  # fmt: skip
        subprocess.run([*launcher, *worker, "--output", str(output)], env=environment, check=True)
        return batch * processes / statistics.median(json.loads(output.read_text()))


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slices", required=True)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--batch", type=int, default=16, help="slices per step and process")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--worker", choices=SCRIPTS, help="time one script and write its steps (for own use)")
    options = parser.parse_args()
    tune_process()
    arguments = (options.slices, options.steps, options.batch)
    if options.worker:
        steps = options.steps + WARM_UP
        run = options.output.parent / "run"  # one for all processes
        seconds = time_script(options.worker, options.slices, steps, options.batch, run)
        if os.environ.get("RANK", "0") == "0":
            write_json(options.output, seconds)
        return
    result = {}
    for name in SCRIPTS:
        result[name] = measure(name, *arguments)
        if torch.cuda.is_available():  # two processes there would need two
            continue
        one = measure_processes(name, *arguments, processes=1, threads=2)
        two = measure_processes(name, *arguments, processes=2, threads=1)
        result[name]["processes"] = {"one with 2 threads": one, "two with 1 thread": two, "two over one": two / one}
    write_json(options.output, result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
