"""The factor that keeps float16's gradients from vanishing."""

from __future__ import annotations

from dataclasses import dataclass

_STEPS_TO_GROW = 2000


@dataclass
class LossScale:
    """Halved after a step whose gradient was not finite, doubled after 2000 steps without one, as torch does it.

    >>> scale = LossScale()
    >>> scale.update(finite=False)
    >>> scale.value
    32768.0
    """

    value: float = 65536.0
    good: int = 0

    def update(self, finite: bool) -> None:
        """Count a step."""
        self.good = self.good + 1 if finite else 0
        if not finite:
            self.value /= 2
        elif self.good == _STEPS_TO_GROW:
            self.value, self.good = self.value * 2, 0
