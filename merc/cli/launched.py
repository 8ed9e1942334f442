"""Under a launcher several processes run the same command; a person wants to read its words once."""

from __future__ import annotations

import os
import time

from merc.errors import MercError

_SECONDS = 5.0


def speaks() -> bool:
    """Whether this process is the one whose results and sentences a person reads."""
    return os.environ.get("RANK", "0") == "0"


def stand_back(error: BaseException) -> None:
    """Wait before telling of an error that another process may be telling of.

    Most mistakes are met by all processes, and when one has ended, the others fail for want of it: the launcher ends
    this process while it waits. The first process tells of a MercError at once. Without a launcher nobody waits.
    """
    if os.environ.get("WORLD_SIZE", "1") == "1" or (speaks() and isinstance(error, MercError)):
        return
    time.sleep(_SECONDS)
