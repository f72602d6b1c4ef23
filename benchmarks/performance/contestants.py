"""Who takes part: ours, others as their users run them and with our settings, the machine itself, and cold starts."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from benchmarks.performance.programs import Program
from benchmarks.performance.workers import MONAI, Build, Here, Worker, start
from benchmarks.performance.workload import Workload

TRAINED_STEPS, FEW_STEPS = 1000, 50
_IMPORTS = "import torch; from diffusers import DDIMScheduler, DiffusionPipeline, UNet2DModel"
_COMMAND = "from recoseg_hf.cli import main; main()"
_IN_WORDS = {"stock": "as its users run it", "tuned": "with our settings", "ours": "", "floor": "", "process": ""}


@dataclass(frozen=True)
class Contestant:
    """Somebody who takes turns.

    Attributes:
        name: in the results.
        title: in the table.
        setting: `ours`, `stock`, `tuned`, `floor`, or `process` for a cold start.
        build: makes the task in a worker; None for a program.
        program: its arguments, for a program.
        times: how many times what is measured makes the whole; the seconds are multiplied by it.
        basis: what is measured, where that is not the whole.
        against: what of ours it is held against: `mask`, `synthesize` or `input`; empty for nothing.
        group: of those that take turns with one another and with ours; ours has none and takes turns with all.
        tuned: the allocator is set as the command sets it.
        threads: False leaves torch alone, where there is none.
    """

    name: str
    title: str
    setting: str
    build: Build | None = None
    program: tuple[str, ...] = ()
    times: float = 1.0
    basis: str = ""
    against: str = ""
    group: str = ""
    tuned: bool = False
    threads: bool = True

    def start(self, workload: Workload) -> Worker | Here | Program:
        """Start its process, or get its program ready."""
        if self.build is None:
            return Program(self.program)
        threads = workload.threads if self.threads else 0
        imports = MONAI if self.setting in ("stock", "tuned") else ()
        return start(workload.quick, self.build, threads, self.tuned, imports)

    def in_words(self) -> str:
        """Title and setting."""
        return ", ".join(filter(None, (self.title, _IN_WORDS[self.setting])))


def everybody(workload: Workload) -> list[Contestant]:
    """All of them, for this case."""
    return [*ours(workload), *volumes(workload), *slices(workload), *diffusion(workload), *rest(workload)]


def ours(workload: Workload) -> list[Contestant]:
    """The command's settings, and a library user's, whose allocator nobody touches."""
    from benchmarks.performance.ours import Ours

    def entry(name: str, title: str, everything: bool, tuned: bool) -> Contestant:
        return Contestant(name, title, "ours", partial(Ours, workload, everything), tuned=tuned)

    return [
        entry("ours_mask", "recoseg_hf, files to mask", False, True),
        entry("ours_all", "recoseg_hf, files to all outputs", True, True),
        entry("ours_library", "recoseg_hf, files to mask, allocator untouched", False, False),
    ]


def _both(group: str, name: str, title: str, make: Callable[[bool], Build], **rest: object) -> list[Contestant]:
    """As its users run it, and with our settings."""
    return [
        Contestant(f"{name}_{setting}", title, setting, make(tuned), group=group, tuned=tuned, **rest)
        for setting, tuned in (("stock", False), ("tuned", True))
    ]


def volumes(workload: Workload) -> list[Contestant]:
    """3D nets."""
    from benchmarks.performance import peers_volume as peers

    count = peers.count_windows(workload)
    shape = " x ".join(map(str, workload.padded))
    window = {"times": count, "basis": f"1 of {count} windows of {workload.window}³", "against": "mask"}

    def windows(nnunets: bool) -> Callable[[bool], Build]:
        return lambda tuned: partial(peers.one_window, workload, tuned, nnunets)

    return [
        *_both(
            "3D", "segresnet_pass", f"MONAI SegResNet, one pass {shape}",
            lambda tuned: partial(peers.one_pass, workload, tuned), against="mask",
        ),
        *_both("3D", "segresnet_windows", "MONAI SegResNet, sliding window", windows(False), **window),
        *_both("3D", "dynunet_windows", "MONAI DynUNet (nnU-Net 3d_fullres), sliding window", windows(True), **window),
    ]  # fmt: skip


def diffusion(workload: Workload) -> list[Contestant]:
    """MONAI's diffusion of our width, on our folded slices and on plain ones."""
    from benchmarks.performance.peers_slices import Diffusion

    own = workload.settings["num_inference_steps"]
    side = workload.settings["image_size"]
    grids = {"folded": f"our folded {side // workload.settings['pixel_unshuffle']}²", "plain": f"plain {side}²"}
    found = []
    for grid, words in grids.items():
        some = 2 if grid == "folded" and not workload.quick else 1
        plans = [("ddpm", "DDPMScheduler", TRAINED_STEPS, some), ("ddim", "DDIMScheduler", FEW_STEPS, some)]
        if grid == "folded":
            plans.append(("same_steps", "DDIMScheduler", own, own))
        for name, scheduler, steps, measured in plans:
            many = f"{steps} step{'s' if steps > 1 else ''}"
            title = f"MONAI DiffusionInferer, {scheduler.removesuffix('Scheduler')} {many}, {words}"

            def make(
                tuned: bool, plan: tuple = (scheduler, steps, measured), folded: bool = grid == "folded"
            ) -> Build:
                return partial(Diffusion, workload, *plan, folded=folded, tuned=tuned)

            basis = f"{measured} of {steps} steps" if measured < steps else ""
            rest = {"times": steps / measured, "basis": basis, "against": "synthesize"}
            found += _both("2D", f"{name}_{grid}", title, make, **rest)
    return found


def slices(workload: Workload) -> list[Contestant]:
    """A plain 2D U-Net."""
    from benchmarks.performance.peers_slices import SliceNet

    side = workload.settings["image_size"]
    title = f"MONAI BasicUNet, slices of {side}²"
    return _both("2D", "basicunet", title, lambda tuned: partial(SliceNet, workload, tuned), against="mask")


def rest(workload: Workload) -> list[Contestant]:
    """Reading and preprocessing, what the machine can do, and starting from nothing."""
    from benchmarks.performance.floor import Inflate, Machine
    from benchmarks.performance.peers_reading import Compose

    compose, group = partial(Compose, workload), "the rest"
    title, inflate = "MONAI Compose, reading and preprocessing", partial(Inflate, workload)
    return [
        *_both(group, "compose", title, lambda tuned: compose, against="input"),
        Contestant("inflate", "unpacking the four files", "floor", inflate, group=group, threads=False),
        Contestant("peaks", "the machine's peaks", "floor", partial(Machine, workload), group=group, tuned=True),
        *starts(workload, group),
    ]


def starts(workload: Workload, group: str) -> list[Contestant]:
    """Whole processes, from nothing; those that import torch take long and are left out where all is tiny."""
    python = sys.executable

    def code(name: str, title: str, text: str, *arguments: str) -> Contestant:
        return Contestant(name, title, "process", program=(python, "-c", text, *arguments), group=group)

    model = ("--model", workload.model) if workload.model else ()
    predict = ("predict", str(workload.case), "--device", "cpu", *model, "--output", "{folder}")
    light = [
        code("import_recoseg", "import recoseg_hf", "import recoseg_hf"),
        code("help", "recoseg --help", _COMMAND, "--help"),
    ]
    if workload.quick:
        return light
    return [
        *light,
        code("imports", "imports of torch and diffusers alone", _IMPORTS),
        code("import_monai", "import monai", "import monai.networks.nets, monai.inferers, monai.transforms"),
        code("cold_mask", "recoseg predict, cold, the mask alone", _COMMAND, *predict, "--outputs", "mask"),
        code("cold_all", "recoseg predict, cold, all outputs", _COMMAND, *predict),
    ]
