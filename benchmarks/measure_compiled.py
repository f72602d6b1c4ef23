"""Whether compiled nets would pay on a CPU: milliseconds a slice beside ours, and seconds before the first.

    python -m benchmarks.measure_compiled --output benchmarks/results/compiled.json

Compiled by torch's inductor with frozen weights, which needs a C++ compiler, and by OpenVINO where it is installed
(`pip install openvino`); both in bfloat16, on one batch size and one window, the best case for them. All take turns.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.fill_training import table
from recoseg_hf.files import write_json
from recoseg_hf.inference import load_pipeline
from recoseg_hf.pipeline.independence import run_slices_apart
from recoseg_hf.process import tune_process

_SIDES = (88, 112)  # pixels of a usual brain's window
_SLICES = 24
_NAMES = {
    "ours": "as the pipeline calls it",
    "eager": "the net alone, as diffusers has it, channels last",
    "inductor": "`torch.compile`, frozen weights",
    "openvino": "OpenVINO",
}

Call = Callable[[], Any]


class _Alone(nn.Module):
    """A net that takes nothing but slices, at timestep 0 and, where it knows classes, of the first."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net
        classes = net.config.num_class_embeds is not None
        self.extra = {"class_labels": torch.zeros(_SLICES, dtype=torch.long)} if classes else {}

    def forward(self, slices: torch.Tensor) -> torch.Tensor:
        return self.net(slices, 0, **self.extra).sample


def contestants(net: nn.Module, slices: torch.Tensor) -> dict[str, tuple[Call, float]]:
    """What is measured by name, each called once, with the seconds that took."""
    alone = _Alone(net)
    makers = {
        "ours": lambda: lambda: run_slices_apart(net, slices, 0, **alone.extra),
        "eager": lambda: lambda: alone(slices.contiguous(memory_format=torch.channels_last)),
        "inductor": lambda: _inductor(alone, slices),
        "openvino": lambda: _openvino(alone, slices),
    }
    found = {}
    for name, make in makers.items():
        if name != "openvino" or find_spec("openvino"):
            start = time.perf_counter()
            call = make()
            call()
            found[name] = call, time.perf_counter() - start
    return found


def _inductor(alone: nn.Module, slices: torch.Tensor) -> Call:
    import torch._inductor.config as inductor

    inductor.freezing = True
    compiled = torch.compile(alone)
    return lambda: compiled(slices.contiguous(memory_format=torch.channels_last))


def _openvino(alone: nn.Module, slices: torch.Tensor) -> Call:
    import openvino

    whole = copy.deepcopy(alone).float()  # it takes no bfloat16, and computes in it
    model = openvino.convert_model(whole, example_input=slices.float())
    model.reshape(list(slices.shape))
    settings = {"INFERENCE_PRECISION_HINT": "bf16", "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    request = openvino.Core().compile_model(model, "CPU", settings).create_infer_request()
    given = slices.float().numpy()
    return lambda: request.infer({0: given}, share_inputs=True, share_outputs=True)


def measure(net: nn.Module, fold: int, rounds: int) -> dict[str, Any]:
    """Milliseconds a slice of each round, and seconds of the first call, by contestant."""
    sides = [side // fold for side in _SIDES]
    slices = torch.randn(_SLICES, net.config.in_channels, *sides, generator=torch.Generator().manual_seed(0))
    calls = contestants(net, slices.to(net.dtype))
    found = {name: {"first_seconds": first, "ms": []} for name, (_, first) in calls.items()}
    for _ in range(rounds):
        for name, (call, _) in calls.items():
            start = time.perf_counter()
            call()
            found[name]["ms"].append(1000 * (time.perf_counter() - start) / _SLICES)
    return found


def compiled_table(result: Mapping[str, Any]) -> str:
    """The result as Markdown."""
    rows = [
        [
            net, _NAMES[name], f"{statistics.median(one['ms']):.2f} ({min(one['ms']):.2f} to {max(one['ms']):.2f})",
            f"{one['first_seconds']:.1f}",
        ]
        for net, by_name in result["nets"].items()
        for name, one in by_name.items()
    ]  # fmt: skip
    note = (
        f"{result['threads']} threads, {result['dtype']}, {_SLICES} slices of {_SIDES[0]} x {_SIDES[1]} pixels, "
        f"median and range of {result['rounds']} rounds:"
    )
    return f"{note}\n\n{table(['net', '', 'milliseconds a slice', 'first call, seconds'], rows)}"


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None, help="folder or Hub id; by default the embedded model")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    tune_process()
    pipeline = load_pipeline(options.model, device="cpu")
    nets = {"synthesizer": pipeline.synthesizer, "segmenter": pipeline.segmenter}
    with torch.no_grad():
        found = {name: measure(net, pipeline.config.pixel_unshuffle, options.rounds) for name, net in nets.items()}
    about = {"threads": torch.get_num_threads(), "dtype": str(pipeline.dtype).removeprefix("torch.")}
    result = {"nets": found, "rounds": options.rounds, **about}
    write_json(options.output, result)
    print(compiled_table(result))


if __name__ == "__main__":
    main()
