"""Losses, preferences, rewards and teachers for merc."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from merc_losses.judge import Judge, Judgement

__all__ = ["Judge", "Judgement"]  # for rewards of other plugins that keep what a judge said


def __getattr__(name: str) -> Any:
    if name in __all__:
        from merc_losses import judge

        return getattr(judge, name)
    raise AttributeError(f"module 'merc_losses' has no attribute {name!r}")
