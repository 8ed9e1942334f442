"""Lists in sentences about a pass."""

from __future__ import annotations

from collections.abc import Sequence

_NAMED = 5


def first_of(names: Sequence[str]) -> str:
    """The first names of a list, and how many more there are.

    >>> first_of(["a", "b"]), first_of(list("abcdefg"))
    ('a, b', 'a, b, c, d, e and 2 more')
    """
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
