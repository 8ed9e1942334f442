"""torch without its shapes in Python until something needs one.

An operation on a tensor without memory (device ``meta``) gives the shape of a result. For what networks are built of,
C++ says it; for the rest torch imports Python functions by the hundred, whether they are used or not.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from merc.cli.deferred import defer, load


def import_torch() -> ModuleType | None:
    """Import torch so, unless it is imported already. The functions come when an operation within ``with
    torch.device("meta")`` lacks its own, and before a compiler follows what is computed.

    Returns:
        The module that brings them; None where they are there.
    """
    shapes = None if "torch" in sys.modules else defer("torch._meta_registrations")
    import torch

    if shapes is not None:
        torch._meta_registrations = shapes
        _load_when_needed(shapes)
    return shapes


def _load_when_needed(shapes: ModuleType) -> None:
    from torch._subclasses import fake_tensor
    from torch.utils import _device

    device: Any = _device.DeviceContext
    followed: Any = fake_tensor.FakeTensorMode
    call, begin = device.__torch_function__, followed.__enter__

    def call_or_load(self: Any, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        try:
            return call(self, func, types, args, kwargs)
        except NotImplementedError:
            if not load(shapes):
                raise
            return call(self, func, types, args, kwargs)

    def load_and_begin(self: Any) -> Any:
        load(shapes)
        return begin(self)

    device.__torch_function__, followed.__enter__ = call_or_load, load_and_begin
