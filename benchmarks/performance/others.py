"""What a user would pick instead, as its users run it and with our settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from benchmarks.performance.contestants import Contestant
from benchmarks.performance.precision import STOCK, Precision
from benchmarks.performance.workers import Build
from benchmarks.performance.workload import Workload

TRAINED_STEPS, FEW_STEPS = 1000, 50
_MOST_MEASURED = 4  # steps


@dataclass(frozen=True)
class Others:
    """Makes others' contestants, in pairs: as their users run them, and with our settings.

    Args:
        workload: what they work on.
        precisions: what each net computes in with our settings, by its name; others are taken as they come.
    """

    workload: Workload
    precisions: Mapping[str, Precision] = field(default_factory=dict)

    def everybody(self) -> list[Contestant]:
        """All of them."""
        return [*self.volumes(), *self.slices(), *self.folded(), *self.plain(), *self.reading()]

    def precision(self, net: str, tuned: bool) -> Precision:
        """Of a net; where none was chosen, what is fastest for most."""
        return self.precisions.get(net, Precision("bfloat16 weights", channels_last=True)) if tuned else STOCK

    def both(
        self, group: str, name: str, title: str, make: Callable[[bool], Build], shared: str = "", **rest: Any
    ) -> list[Contestant]:
        """A pair."""
        return [
            Contestant(
                f"{name}_{setting}", title, setting, make(tuned), group=group, tuned=tuned,
                shared=shared and f"{shared}_{setting}", **rest,
            )
            for setting, tuned in (("stock", False), ("tuned", True))
        ]  # fmt: skip

    def volumes(self) -> list[Contestant]:
        """3D nets."""
        from benchmarks.performance import peers_volume as peers

        workload = self.workload
        count = peers.count_windows(workload)
        shape = " x ".join(map(str, workload.padded))
        basis = f"1 of {count} windows of {workload.window}³"

        def make(act: Callable, net: str) -> Callable[[bool], Build]:
            return lambda tuned: partial(act, workload, net, self.precision(net, tuned))

        one_pass = self.both(
            "3D", "segresnet_pass", f"MONAI SegResNet, one pass {shape}", make(peers.one_pass, "segresnet"),
            against="mask",
        )  # fmt: skip
        nets = {"segresnet": "MONAI SegResNet", "dynunet": "MONAI DynUNet (nnU-Net 3d_fullres)"}
        for net, title in nets.items():
            one_pass += self.both(
                "3D", f"{net}_windows", f"{title}, sliding window", make(peers.one_window, net), times=count,
                basis=basis if count > 1 else "", against="mask", most=2,
            )  # fmt: skip
        return one_pass

    def slices(self) -> list[Contestant]:
        """A plain 2D U-Net."""
        from benchmarks.performance.peers_slices import SliceNet

        title = f"MONAI BasicUNet, slices of {self.workload.side}²"
        return self.both(
            "plain", "basicunet", title,
            lambda tuned: partial(SliceNet, self.workload, self.precision("basicunet", tuned)), against="mask", most=2,
        )  # fmt: skip

    def folded(self) -> list[Contestant]:
        """MONAI's diffusion of our width on our folded slices, in one process for all numbers of steps."""
        own, fold = self.workload.steps, self.workload.fold
        plans = {
            "ddpm": ("DDPMScheduler", TRAINED_STEPS), "ddim": ("DDIMScheduler", FEW_STEPS),
            "same_steps": ("DDIMScheduler", own),
        }  # fmt: skip
        words = f"our folded {self.workload.side // fold}²" if fold > 1 else f"{self.workload.side}²"
        return self._diffusion("folded", words, plans, min(own, _MOST_MEASURED))

    def plain(self) -> list[Contestant]:
        """The same on slices that are not folded, where ours are."""
        plans = {"ddpm": ("DDPMScheduler", TRAINED_STEPS)}
        return self._diffusion("plain", f"plain {self.workload.side}²", plans, 1) if self.workload.fold > 1 else []

    def _diffusion(self, grid: str, words: str, plans: dict[str, tuple[str, int]], measured: int) -> list[Contestant]:
        from benchmarks.performance.peers_slices import Diffusion

        def make(tuned: bool) -> Build:
            precision = self.precision(f"diffusion_{grid}", tuned)
            return partial(Diffusion, self.workload, plans, measured, grid == "folded", tuned, precision)

        found = []
        for name, (scheduler, steps) in plans.items():
            many = f"{steps} step{'s' if steps > 1 else ''}"
            found += self.both(
                grid, f"{name}_{grid}",
                f"MONAI DiffusionInferer, {scheduler.removesuffix('Scheduler')} {many}, {words}", make,
                shared=f"diffusion_{grid}", plan=name, times=steps / measured,
                basis=f"{measured} of {steps} steps" if measured < steps else "", against="synthesize",
                most=2 if grid == "plain" else 3,
            )  # fmt: skip
        return found

    def reading(self) -> list[Contestant]:
        """MONAI's transforms."""
        from benchmarks.performance.peers_reading import Compose

        titles = {
            "compose": "MONAI Compose, reading and preprocessing",
            "compose_cropped": "MONAI Compose, reading and preprocessing, the head cut out first",
        }
        return [
            one
            for name, title in titles.items()
            for one in self.both(
                "the rest", name, title, lambda tuned: partial(Compose, self.workload), shared="compose", plan=name,
                against="input",
            )
        ]  # fmt: skip
