"""Severities that are shares."""

from __future__ import annotations


def no_share(severity: float) -> str | None:
    """What is wrong with a share, if anything.

    >>> no_share(0.5), no_share(1.5)
    (None, 'is no share from 0 to 1')
    """
    return None if 0 <= severity <= 1 else "is no share from 0 to 1"
