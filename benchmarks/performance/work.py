"""What a net has to do at least: multiplications, and bytes through memory."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map
from torch.utils.flop_counter import FlopCounterMode

_HEAVY = ("convolution", "addmm", "bmm", "mm", "baddbmm")


@dataclass
class NetWork:
    """Of one net.

    Attributes:
        slices: calls times slices.
        flops: two for a multiplication with its addition.
        bytes: that convolutions and products of matrices read and write, each of their tensors once a call: what is
            left to memory where everything else is fused into them.
    """

    slices: int = 0
    flops: int = 0
    bytes: int = 0

    def add(self, other: NetWork) -> None:
        """Add another's."""
        self.slices += other.slices
        self.flops += other.flops
        self.bytes += other.bytes


@dataclass(frozen=True)
class Call:
    """What a net was called with, without its values: tensors of torch's `meta` device."""

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    @classmethod
    def of(cls, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
        """Keep a call's shapes."""
        return cls(*tree_map(_to_meta, (args, dict(kwargs))))

    @property
    def slices(self) -> int:
        """Of its first tensor."""
        return len(
            next(value for value in (*self.args, *self.kwargs.values()) if torch.is_tensor(value) and value.ndim)
        )

    def signature(self) -> str:
        """The same for calls of the same shapes."""
        return str(tree_map(lambda value: tuple(value.shape) if torch.is_tensor(value) else value, vars(self)))


def _to_meta(value: Any) -> Any:
    return value.detach().to("meta") if torch.is_tensor(value) else value


class _Bytes(TorchDispatchMode):
    """Adds up the bytes of what the heavy operations read and write."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func.overloadpacket.__name__ in _HEAVY:
            tensors = [value for value in (*args, result) if torch.is_tensor(value)]
            self.total += sum(value.numel() * value.element_size() for value in tensors)
        return result


def call_work(net: nn.Module, call: Call) -> NetWork:
    """A call's work, counted without computing anything."""
    meta = copy.deepcopy(net).to("meta")
    with torch.no_grad(), FlopCounterMode(display=False) as flops, _Bytes() as moved:
        meta(*call.args, **call.kwargs)
    return NetWork(call.slices, flops.get_total_flops(), moved.total)


def work_of(net: nn.Module, calls: list[Call]) -> NetWork:
    """What some calls have to do."""
    one = {call.signature(): call for call in calls}
    works = {signature: call_work(net, call) for signature, call in one.items()}
    total = NetWork()
    for call in calls:
        total.add(works[call.signature()])
    return total


@contextlib.contextmanager
def noted_calls(nets: Mapping[str, nn.Module]) -> Iterator[dict[str, list[Call]]]:
    """Within, note what each net is called with."""
    calls: dict[str, list[Call]] = {name: [] for name in nets}
    hooks = []
    for name, net in nets.items():

        def note(net: nn.Module, args: tuple, kwargs: Mapping[str, Any], name: str = name) -> None:
            calls[name].append(Call.of(args, kwargs))

        hooks.append(net.register_forward_pre_hook(note, with_kwargs=True))
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()
