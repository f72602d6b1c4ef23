"""Which precision others' nets get with our settings; tried in a process of its own, whose memory is nobody's peak."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from torch import nn

from benchmarks.performance import peers_slices, peers_volume
from benchmarks.performance.precision import Precision, fastest
from benchmarks.performance.record import Record
from benchmarks.performance.workers import MONAI, start
from benchmarks.performance.workload import Workload

_SIDE = 64  # voxels of the cube that 3D nets are tried on


class Choosing:
    """Tries one net after the other."""

    about: Mapping[str, Any] = {}

    def __init__(self, workload: Workload) -> None:
        self.workload = workload

    def run(self, plan: str) -> Mapping[str, Any]:
        """Try a net; `precisions` in all it runs in, the quickest first, and their seconds."""
        net, call = self._net(plan)
        found = fastest(net.eval(), call, self.workload.quick)
        return {"precisions": [vars(one) for one in found], "tried_seconds": [*found.values()]}

    def _net(self, name: str) -> tuple[nn.Module, Any]:
        workload = self.workload
        if name in ("segresnet", "dynunet"):
            side = min(_SIDE, workload.window)
            return peers_volume.made(workload, name), partial(peers_volume.call, shape=(side,) * 3)
        slices = min(peers_slices.slices_a_call(workload, name != "diffusion_plain"), workload.slices)
        if name == "basicunet":
            shape = peers_slices.slice_shape(workload)
            return peers_slices.slice_net(), partial(peers_slices.call_slices, slices=slices, shape=shape)
        folded = name == "diffusion_folded"
        shapes = peers_slices.diffusion_shapes(workload, folded)
        net = peers_slices.diffusion_net(workload, folded, tuned=True)
        return net, partial(peers_slices.call_diffusion, slices=slices, shapes=shapes)


_OF = {
    "segresnet": ("segresnet",), "dynunet": ("dynunet",), "basicunet": ("basicunet",),
    "diffusion_folded": ("ddpm_folded", "ddim_folded", "same_steps_folded"), "diffusion_plain": ("ddpm_plain",),
}  # fmt: skip
"""What the names of a net's contestants begin with."""


def choose(workload: Workload, record: Record, only: Sequence[str] | None = None) -> dict[str, Precision]:
    """Choose for all nets; one for which that fails is left out.

    Args:
        workload: gives the nets their size.
        record: gets what was tried.
        only: the beginnings of contestants' names; None is all.
    """
    names = [
        name
        for name, begins in _OF.items()
        if only is None or any(one.startswith(want) or want.startswith(one) for one in begins for want in only)
    ]
    names = [name for name in names if workload.fold > 1 or name != "diffusion_plain"]
    if not names:
        return {}
    worker = start(workload.quick, partial(Choosing, workload), workload.threads, True, MONAI)
    found = {}
    try:
        for name in names:
            record.tell(f"choosing a precision: {name}")
            if told := record.attempt(f"precision of {name}", partial(worker.run, name)):
                found[name] = Precision(**told["precisions"][0])
                record.values.setdefault("precisions", {})[name] = told
    finally:
        worker.close()
    return found
