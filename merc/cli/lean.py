"""Imports of a process that predicts and ends: what only training, several processes and compiled models need stays
out of it. That is half of what transformers and peft import."""

from __future__ import annotations

import gc
import importlib.util
import sys
from types import ModuleType
from typing import Any

from merc.pretrained import absent

_COMPILER = "torch._dynamo"
_MARKS = ("disable", "allow_in_graph", "assume_constant_result")
_UNUSED = ("bitsandbytes", "scipy")


def import_for_prediction() -> None:
    """Import torch, transformers and peft so. Nothing is done where transformers' models are imported already.

    From then on torch says in this process that it cannot compute in several ones, which transformers asks at its own
    import. The compiler of torch is imported when something uses it; until then functions lack the marks by which it
    would know what to leave alone. What transformers and peft do with bitsandbytes and scipy is there only where these
    are imported first.
    """
    if "transformers.modeling_utils" in sys.modules:
        return
    import torch
    import torch.distributed

    torch.distributed.is_available = lambda: False
    _defer(_COMPILER, _MARKS)
    _draw_nothing_on_meta(torch.nn.init)
    gc.disable()
    try:
        with absent(*_UNUSED):
            import peft  # noqa: F401
            import transformers.modeling_utils  # noqa: F401
    finally:
        gc.freeze()  # what is imported stays to the end, so nobody need look at it again
        gc.enable()


class _Deferred(ModuleType):
    """A package whose own code runs when a name of it is first asked for; its modules can be imported before."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        self.__class__ = ModuleType  # type: ignore[assignment]
        assert self.__spec__ is not None and self.__spec__.loader is not None
        self.__spec__.loader.exec_module(self)
        return getattr(self, name)


def _defer(name: str, marks: tuple[str, ...]) -> None:
    """Have a package's code run when it is first used for more than to mark functions, by ``marks``."""
    spec = importlib.util.find_spec(name)
    if name in sys.modules or spec is None:
        return
    module = _Deferred(name)
    module.__spec__, module.__loader__, module.__file__ = spec, spec.loader, spec.origin
    module.__path__ = list(spec.submodule_search_locations or ())
    module.__package__ = name
    for one in marks:
        setattr(module, one, _unmarked)
    sys.modules[name] = module
    parent, _, last = name.rpartition(".")
    setattr(sys.modules[parent], last, module)


def _unmarked(function: Any = None, *arguments: Any, **options: Any) -> Any:
    """A decorator that leaves a function as it is."""
    return _unmarked if function is None else function


def _draw_nothing_on_meta(init: Any) -> None:
    """Have ``normal_`` pass over tensors without memory. A network is first built of such, and torch imports what is
    behind its compiler to draw nothing for its embeddings."""
    drawn = init.normal_

    def normal_(tensor: Any, *arguments: Any, **options: Any) -> Any:
        return tensor if tensor.is_meta else drawn(tensor, *arguments, **options)

    init.normal_ = normal_
