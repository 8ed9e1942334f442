"""The penalty of BeMERC's equation 2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import merc


@dataclass(frozen=True, kw_only=True)
class L2(merc.Loss):
    """λ‖W‖² over all that learns (equation 2), beside AdamW's decoupled ``weight_decay``. ``weight`` is λ.

    It stands beside a loss of answers: ``losses: [{name: token-nll}, {name: l2, weight: 0.01}]``.

    >>> L2(weight=0.01).penalty()
    0.01
    """

    needs: ClassVar[frozenset[str]] = frozenset()

    def penalty(self) -> float:
        """``weight``."""
        return self.weight

    def build(self, context: merc.LossContext) -> None:
        """Nothing: it needs no pass."""
        return None
