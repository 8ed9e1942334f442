"""BeMERC's penalty keeps the contract of losses."""

from __future__ import annotations

from merc_bemerc.l2 import L2

import merc.testing


class TestL2(merc.testing.LossContract):
    component = L2(weight=0.01)
    name = "l2"
