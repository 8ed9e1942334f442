"""How a run tells what it is doing: bars and sentences, without knowing what shows them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

Progress = Callable[[float, str], None]
"""Takes the share done (0 to 1) and a short text."""


def within(progress: Progress, part: int, parts: int) -> Progress:
    """The progress of one of several equal parts, as that of them all.

    >>> within(lambda share, text: print(share, text), 1, 4)(0.5, "half of the second")
    0.375 half of the second
    """
    return lambda share, text: progress((part + share) / parts, text)


class Reporter(Protocol):
    """Something that shows a run's progress to a person."""

    def task(self, title: str) -> AbstractContextManager[Progress]:
        """A bar for one piece of work."""

    def say(self, sentence: str) -> None:
        """One sentence."""


class Silent:
    """Shows nothing: for tests, and for the processes that are not the first."""

    def task(self, title: str) -> AbstractContextManager[Progress]:
        """A bar that nobody sees."""
        return nullcontext(lambda share, text: None)

    def say(self, sentence: str) -> None:
        """Nothing."""
