"""The workers of this process."""

from __future__ import annotations

import merc.testing
from merc.builtin.local_workers import Local


class TestLocal(merc.testing.WorkersContract):
    component = Local()
    name = "local"
