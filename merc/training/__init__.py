"""Training: losses, the loop, strategies and checkpoints.

``fit``, ``check_fit`` and ``Settings`` are for everybody's trainers; a plugin reaches them as ``merc.training.fit`` and
so on. Nothing else here is promised to stay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from merc.training.settings import Settings

if TYPE_CHECKING:
    from merc.training.loop import fit
    from merc.training.ready import check_fit

__all__ = ["Settings", "check_fit", "fit"]


def __getattr__(name: str) -> Any:
    if name == "fit":  # its module imports torch
        from merc.training.loop import fit

        return fit
    if name == "check_fit":
        from merc.training.ready import check_fit

        return check_fit
    raise AttributeError(f"module 'merc.training' has no attribute {name!r}")
