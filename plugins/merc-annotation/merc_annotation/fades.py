"""Where one shot goes over into the next little by little: dissolves, and fades through black, white or one colour."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from merc_embedded import is_cut, is_plain

Grey = npt.NDArray[np.uint8]

_WIDTHS = (0.4, 0.6, 0.9, 1.35, 2.0)
"""The seconds over which pictures are held against each other."""
_BLEND = 0.2
"""A picture on the way is the blend of both ends up to this share of their difference: the rest is noise and motion."""
_SAME_VIEW = 0.9
"""From this correlation on two pictures show the same, one of them brighter: no shot has ended."""
_APART = 0.5
"""Seconds between two findings that belong to one transition."""


class Transition(NamedTuple):
    """Where one shot goes over into the next, in seconds."""

    start: float
    """Where it has begun."""
    middle: float
    """Where the next shot begins, if one moment must be named."""
    end: float
    """Where it is over."""


class _Found(NamedTuple):
    time: float
    start: float
    end: float
    from_plain: bool
    to_plain: bool


class GradualTransitions:
    """Finds the transitions among pictures that come one after the other.

    A dissolve from a picture a to a picture b shows, after the share s of its time, (1 - s) a + s b. So over a stretch
    whose ends are as unlike as those of a cut, the pictures after a quarter, a half and three quarters are held
    against the blends of its ends. What moves, and a camera that turns, is no blend. A fade is a dissolve to one
    colour; the shot ends in the middle between a fade to one colour and the next fade from one.

    >>> found = GradualTransitions()
    >>> one, two = np.tile(np.arange(0, 100, dtype=np.uint8), (60, 1)), np.full((60, 100), 180, np.uint8)
    >>> two[:, ::2] = 240
    >>> for at in range(41):  # a second of one, a second of dissolving, two seconds of two, ten pictures a second
    ...     share = min(1.0, max(0.0, (at - 10) / 10))
    ...     found.see(at / 10, ((1 - share) * one + share * two).astype(np.uint8))
    >>> [round(one.middle, 1) for one in found.transitions()]
    [1.5]
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[float, Grey]] = deque()
        self._found: list[_Found] = []

    def see(self, time: float, picture: Grey) -> None:
        """The next picture in grey (``merc_embedded.small_grey``), and its time in seconds."""
        self._seen.append((time, picture))
        while self._seen[0][0] < time - _WIDTHS[-1] - 0.2:
            self._seen.popleft()
        times = np.array([one for one, _ in self._seen])
        for width in _WIDTHS:
            if times[0] > time - width:
                return
            places = [int(np.abs(times - (time - width * (1 - share))).argmin()) for share in (0, 0.25, 0.5, 0.75)]
            if len(set(places)) < len(places):  # too few pictures a second
                continue
            first, *between = (self._seen[place][1] for place in places)
            if _is_dissolve(first, between, picture):
                middle = float(times[places[2]])
                self._found.append(_Found(middle, float(times[places[0]]), time, is_plain(first), is_plain(picture)))

    def transitions(self) -> Iterator[Transition]:
        """Those among the pictures that were seen, in order."""
        faded: Transition | None = None
        for group in self._groups():
            middle = sum(one.time for one in group) / len(group)
            whole = Transition(min(one.start for one in group), middle, max(one.end for one in group))
            if any(one.to_plain for one in group):
                faded = whole
            elif not any(one.from_plain for one in group):
                yield whole
            elif faded is not None:
                yield Transition(faded.start, (faded.middle + middle) / 2, whole.end)
                faded = None

    def _groups(self) -> Iterator[list[_Found]]:
        group: list[_Found] = []
        for one in sorted(self._found):
            if group and (one.time - group[-1].time > _APART or not _fits(group, one)):
                yield group
                group = []
            group.append(one)
        if group:
            yield group


def _fits(group: Sequence[_Found], one: _Found) -> bool:
    """Whether a finding may belong to a transition: none goes both to one colour and from one."""
    return not any((one.to_plain and other.from_plain) or (one.from_plain and other.to_plain) for other in group)


def _is_dissolve(first: Grey, between: Sequence[Grey], last: Grey) -> bool:
    if not is_cut(first, last):
        return False
    plain = is_plain(first) or is_plain(last)
    if not plain and np.corrcoef(first.ravel(), last.ravel())[0, 1] > _SAME_VIEW:
        return False
    one, two = first.astype(np.float32), last.astype(np.float32)
    most = _BLEND * float(np.abs(two - one).mean())
    blends = (one + share * (two - one) for share in (0.25, 0.5, 0.75))
    return all(float(np.abs(picture - blend).mean()) <= most for picture, blend in zip(between, blends, strict=True))
