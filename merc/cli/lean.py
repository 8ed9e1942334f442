"""Imports of a process that predicts and ends: what only training, several processes and compiled models need stays
out of it. That is half of what torch, transformers and peft import."""

from __future__ import annotations

import gc
import re
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

from merc.cli.at_import import changed_at_import
from merc.cli.deferred import defer
from merc.cli.kept_exports import EXPORTS, keep_exports
from merc.cli.late_shapes import import_torch
from merc.pretrained import absent

_MARKS = ("disable", "allow_in_graph", "assume_constant_result")
_OF_THE_COMPILER = ("torch._dynamo._trace_wrapped_higher_order_op",)
"""What transformers imports of it for masks, which it has no need of."""
_NAMES_OF_WEIGHTS = "transformers.core_model_loading"
_UNUSED = ("bitsandbytes", "scipy")
_OBJECTS_BETWEEN = (50_000, 10, 10)
"""When Python looks for garbage that refers to itself: the first number is 700 by default."""


def import_for_prediction() -> None:
    """Import torch, transformers and peft so. Nothing is done where transformers' models are imported already.

    From then on torch says in this process that it cannot compute in several ones, which transformers asks at its own
    import. The compiler of torch is imported when something uses it; until then functions lack the marks by which it
    would know what to leave alone. So are what reads media in this process, and torch's shapes in Python
    (``late_shapes``). What transformers and peft do with bitsandbytes and scipy is there only where these are imported
    first.
    """
    if "transformers.modeling_utils" in sys.modules:
        return
    shapes = import_torch()
    import torch
    import torch.distributed

    torch.distributed.is_available = lambda: False
    defer("av")
    defer("torch._dynamo", before=_OF_THE_COMPILER, after=shapes, **dict.fromkeys(_MARKS, _unmarked))
    changes = {EXPORTS: keep_exports, _NAMES_OF_WEIGHTS: compile_when_used}
    gc.disable()
    try:
        with absent(*_UNUSED), changed_at_import(changes):
            import peft  # noqa: F401
            import transformers.modeling_utils  # noqa: F401
    finally:
        gc.freeze()  # what is imported stays to the end, so nobody need look at it again
        gc.set_threshold(*_OBJECTS_BETWEEN)
        gc.enable()


class _Pattern:
    """A regular expression that is compiled when it is first used."""

    def __init__(self, pattern: str, flags: int = 0) -> None:
        self._as_given = pattern, flags

    def __getattr__(self, name: str) -> Any:
        if name == "_as_given":  # of a copy that is being made
            raise AttributeError(name)
        return getattr(re.compile(*self._as_given), name)


def compile_when_used(module: ModuleType) -> None:
    """Have a module compile its regular expressions when they are used: transformers has a thousand for the names of
    weights of all models."""
    module.re = SimpleNamespace(**{**vars(re), "compile": _Pattern})  # type: ignore[attr-defined]


def _unmarked(function: Any = None, *arguments: Any, **options: Any) -> Any:
    """A decorator that leaves a function as it is."""
    return _unmarked if function is None else function
