"""How long a piece of work will go on, from the shares of it that were done and when."""

from __future__ import annotations

_TOGETHER_SECONDS = 0.5


class TimeLeft:
    """Takes shares with the times at which they were done, and says how many seconds are left.

    What comes before the first share (loading, or what a resumed stage has done already) is no sign of how quick the
    work is, so the pace is counted from there. Shares that come together, as those of a batch do, count as one.

    >>> left = TimeLeft(0.0)
    >>> left.seconds(5.0) is None
    True
    >>> for now, share in ((20.0, 0.1), (30.0, 0.2)):
    ...     left.report(now, share)
    >>> round(left.seconds(30.0), 3), round(left.seconds(33.0), 3)
    (80.0, 77.0)
    """

    def __init__(self, started: float) -> None:
        self._started = started
        self._first: tuple[float, float] | None = None
        self._last = (started, 0.0)

    def report(self, now: float, share: float) -> None:
        """A share from 0 to 1 is done now, in seconds of a clock that does not go back."""
        self._last = (now, share)
        if share > 0 and (self._first is None or now - self._first[0] < _TOGETHER_SECONDS):
            # The time of the first and the share of the last of those that come together.
            self._first = (now if self._first is None else self._first[0], share)

    def seconds(self, now: float) -> float | None:
        """How many seconds are left; None where nothing is known."""
        if self._first is None:
            return None
        at, share = self._last
        since, done_before = self._first
        if share <= done_before:  # one report as yet
            since, done_before = self._started, 0.0
        pace = (share - done_before) / max(at - since, 1e-9)
        return max(0.0, (1 - share) / pace - (now - at))


def clock(seconds: float) -> str:
    """Seconds as hours, minutes and seconds.

    >>> clock(3725.4)
    '1:02:05'
    """
    whole = round(seconds)
    return f"{whole // 3600}:{whole % 3600 // 60:02}:{whole % 60:02}"
