"""Where a stretch of sound is cut."""

from __future__ import annotations


def windows(count: int, size: int, least: int) -> list[tuple[int, int]]:
    """The windows of ``count`` samples, ``size`` each, as (begin, end). They cover every sample once: what is left over
    at the end is a window of its own if it has ``least`` samples, and belongs to the window before it if it has fewer.

    >>> windows(70, 20, 5), windows(84, 20, 5), windows(3, 20, 5), windows(0, 20, 5)
    ([(0, 20), (20, 40), (40, 60), (60, 70)], [(0, 20), (20, 40), (40, 60), (60, 84)], [(0, 3)], [])
    """
    begins = list(range(0, count, size))
    if len(begins) > 1 and count - begins[-1] < least:
        begins.pop()
    return list(zip(begins, [*begins[1:], count], strict=True)) if begins else []
