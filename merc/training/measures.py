"""What losses measure beside their values, for the log: means over the passes of a step, in all processes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

from torch import nn

from merc.training.strategy import Strategy


class Measured:
    """Adds up what the modules of losses that have ``measures()`` give of each pass."""

    def __init__(self, functions: Mapping[str, nn.Module]) -> None:
        self._measures: dict[str, Callable[[], Mapping[str, tuple[float, float]]]] = {
            name: getattr(function, "measures")  # noqa: B009
            for name, function in functions.items()
            if hasattr(function, "measures")
        }
        self._sums: dict[str, tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))

    def add(self) -> None:
        """Count the pass that was just computed."""
        for loss, measures in self._measures.items():
            for name, (total, count) in measures().items():
                before = self._sums[f"{loss}/{name}"]
                self._sums[f"{loss}/{name}"] = (before[0] + total, before[1] + count)

    def means(self, strategy: Strategy) -> dict[str, dict[str, float]]:
        """The means by loss and name; nothing of what was counted nowhere."""
        if not self._measures:
            return {}
        sums: dict[str, tuple[float, float]] = defaultdict(lambda: (0.0, 0.0))
        for name, total, count in strategy.collect([[name, *both] for name, both in self._sums.items()]):
            sums[name] = (sums[name][0] + total, sums[name][1] + count)
        means: dict[str, dict[str, float]] = {}
        for both, (total, count) in sums.items():
            loss, _, name = both.partition("/")
            if count:
                means.setdefault(loss, {})[name] = total / count
        return means
