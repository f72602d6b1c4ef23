"""Who takes part: ours, others as their users run them and with our settings, the machine itself, and cold starts."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.performance.precision import Precision
from benchmarks.performance.programs import Program
from benchmarks.performance.workers import MONAI, Build, Here, Worker, start
from benchmarks.performance.workload import Workload
from recoseg_hf.cli.cold_start import needless

GROUPS = ("3D", "folded", "the rest", "plain")
"""Those that take turns with one another, in this order; all at once would not fit into memory."""
_IMPORTS = "import torch; from diffusers import DDIMScheduler, DiffusionPipeline, UNet2DModel"
_COMMAND = "from recoseg_hf.cli import main; main()"
_IN_WORDS = {"stock": "as its users run it", "tuned": "with our settings", "ours": "", "floor": "", "process": ""}
_TOLD = ("name", "title", "setting", "times", "basis", "against")


@dataclass(frozen=True)
class Contestant:
    """Somebody who takes turns.

    Attributes:
        name: in the results.
        title: in the table.
        setting: `ours`, `stock`, `tuned`, `floor`, or `process` for a cold start.
        build: makes the task in a worker; None for a program.
        program: its arguments, for a program.
        plan: which of several things its task is to do.
        shared: names the worker that does several contestants' plans; by default each has its own.
        times: how many times what is measured makes the whole; the seconds are multiplied by it.
        basis: what is measured, where that is not the whole.
        against: what of ours it is held against: `mask`, `synthesize` or `input`; empty for nothing.
        group: of `GROUPS`; those of none take turns with all.
        tuned: the allocator is set as the command sets it.
        threads: False leaves torch alone, where there is none.
        most: rounds that it takes part in, where no bar hangs on it and it takes long.
    """

    name: str
    title: str
    setting: str
    build: Build | None = None
    program: tuple[str, ...] = ()
    plan: str = ""
    shared: str = ""
    times: float = 1.0
    basis: str = ""
    against: str = ""
    group: str = ""
    tuned: bool = False
    threads: bool = True
    most: int = 3

    @property
    def process(self) -> str:
        """Name of its process."""
        return self.shared or self.name

    def start(self, workload: Workload) -> Worker | Here | Program:
        """Start its process, or get its program ready."""
        if self.build is None:
            return Program(self.program, workload.threads)
        threads = workload.threads if self.threads else 0
        imports = MONAI if self.setting in ("stock", "tuned") else ()
        return start(workload.quick, self.build, threads, self.tuned, imports)

    def described(self) -> dict[str, Any]:
        """What the result tells of it, as JSON values."""
        return {name: getattr(self, name) for name in _TOLD}

    def in_words(self) -> str:
        """Title and setting."""
        return ", ".join(filter(None, (self.title, _IN_WORDS[self.setting])))


def everybody(workload: Workload, precisions: Mapping[str, Precision]) -> list[Contestant]:
    """All of them, for this case; `precisions` as for `Others`."""
    from benchmarks.performance.others import Others

    return [*ours(workload), *Others(workload, precisions).everybody(), *floor(workload), *starts(workload)]


def ours(workload: Workload) -> list[Contestant]:
    """The command's settings, what a library user has whose allocator nobody touches, and how it is without isal."""
    from benchmarks.performance.ours import Ours

    def entry(name: str, title: str, group: str, tuned: bool = True, **rest: bool) -> Contestant:
        return Contestant(name, title, "ours", partial(Ours, workload, **rest), group=group, tuned=tuned)

    return [
        entry("ours_mask", "recoseg_hf, files to mask", ""),
        entry("ours_all", "recoseg_hf, files to all outputs", "the rest", everything=True),
        entry("ours_library", "recoseg_hf, files to mask, allocator untouched", "3D", tuned=False),
        entry("ours_zlib", "recoseg_hf, files to mask, without isal", "the rest", isal=False),
    ]


def floor(workload: Workload) -> list[Contestant]:
    """What the machine can do."""
    from benchmarks.performance.floor import Inflate, Machine

    group, inflate, peaks = "the rest", partial(Inflate, workload), partial(Machine, workload)
    return [
        Contestant("inflate", "unpacking the four files", "floor", inflate, group=group, threads=False),
        Contestant("peaks", "the machine's peaks", "floor", peaks, group=group, tuned=True, most=2),
    ]


def starts(workload: Workload) -> list[Contestant]:
    """Whole processes, from nothing; those that import torch take long and are left out where all is tiny."""

    def code(name: str, title: str, text: str, *arguments: str, most: int = 3) -> Contestant:
        program = (sys.executable, "-c", text, *arguments)
        return Contestant(name, title, "process", program=program, group="the rest", most=most)

    model = ("--model", workload.model) if workload.model else ()
    predict = ("predict", str(workload.case), "--device", "cpu", *model, "--output", "{folder}")
    light = [
        code("import_recoseg", "import recoseg_hf", "import recoseg_hf"),
        code("help", "recoseg --help", _COMMAND, "--help"),
    ]
    if workload.quick:
        return light
    left_out = needless(workload.model)
    lean = f"import sys; sys.modules.update(dict.fromkeys({left_out!r})); {_IMPORTS}"
    return [
        *light,
        code("imports", "imports of torch and diffusers alone", _IMPORTS),
        code("imports_lean", f"the same, as if {' and '.join(left_out)} were not installed", lean),
        code("import_monai", "import monai", "import monai.networks.nets, monai.inferers, monai.transforms", most=1),
        code("cold_mask", "recoseg predict, cold, the mask alone", _COMMAND, *predict, "--outputs", "mask"),
        code("cold_all", "recoseg predict, cold, all outputs", _COMMAND, *predict, most=2),
    ]
