"""What tests of long use share: how long they are, and what a process takes."""

from __future__ import annotations

import os
from pathlib import Path

_MEGABYTE = 2**20


def minutes() -> float:
    """How many minutes are spoken: ``MERC_ENDURANCE_MINUTES``, by default 30."""
    return float(os.environ.get("MERC_ENDURANCE_MINUTES", "30"))


def requests() -> int:
    """How many requests are sent: ``MERC_ENDURANCE_REQUESTS``, by default 10,000."""
    return int(os.environ.get("MERC_ENDURANCE_REQUESTS", "10000"))


def memory() -> float:
    """What this process holds in memory now, in megabytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / _MEGABYTE


def open_files() -> int:
    """How many files and sockets this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))
