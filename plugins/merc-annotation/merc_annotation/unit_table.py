"""Intensities of action units by frame: the text of the cue ``action_units``, and what is had from it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from merc_annotation.face_units import UNITS

PEAK_WITHOUT = ("AU45",)
"""A blink is no expression: it counts in no sum."""
BLINK = 2.5
"""By how much more than usual in the clip eyes are closed in a blink."""


@dataclass(frozen=True, eq=False)
class UnitTable:
    """Intensities from 0 to 5 by unit (``AU12``), each ``[frames]``, at ``times`` ``[frames]`` in seconds from the
    start of the utterance; ``source`` says who measured."""

    source: str
    times: npt.NDArray[np.float64]
    values: Mapping[str, npt.NDArray[np.float64]]

    def text(self, decimals: int = 2) -> str:
        """The table as JSON, which ``read`` takes.

        >>> table = UnitTable("proxies", np.array([0.1, 0.2]), {"AU12": np.array([0.0, 3.456])})
        >>> table.text()
        '{"source": "proxies", "times": [0.1, 0.2], "units": {"AU12": [0.0, 3.46]}}'
        """
        units = {name: np.round(values, decimals).tolist() for name, values in self.values.items()}
        return json.dumps({"source": self.source, "times": np.round(self.times, 3).tolist(), "units": units})

    @staticmethod
    def read(text: str) -> UnitTable:
        """The table of a text. Raises ValueError for another text, saying what is wrong."""
        try:
            whole = json.loads(text)
            times = np.array(whole["times"], float)
            values = {str(name): np.array(numbers, float) for name, numbers in whole["units"].items()}
            source = str(whole["source"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"it is no table of action units ({error})") from None
        if times.ndim != 1 or not len(times) or any(one.shape != times.shape for one in values.values()):
            raise ValueError("its units have not one value for each of its times")
        return UnitTable(source, times, values)

    def total(self) -> npt.NDArray[np.float64]:
        """The sum of all intensities in each frame ``[frames]``, blinks left out: line 4 of Algorithm 1."""
        counted = [values for name, values in self.values.items() if name not in PEAK_WITHOUT]
        return np.sum(counted, axis=0) if counted else np.zeros(len(self.times))

    def peak(self) -> int:
        """The frame with the highest sum, the first of several: lines 1 to 9 of Algorithm 1 of Emotion-LLaMAv2. Frames
        of a blink and those beside them do not count, unless there are no others: lids that close move the whole face.

        >>> shut = {"AU12": np.array([1.0, 4.0, 3.0, 2.0]), "AU45": np.array([5.0, 0.0, 0.0, 0.0])}
        >>> UnitTable("proxies", np.arange(4.0), shut).peak()
        2
        """
        counted = ~self.blinking()
        total = self.total()
        return int(np.argmax(np.where(counted, total, -1.0) if counted.any() else total))

    def blinking(self) -> npt.NDArray[np.bool_]:
        """Which frames are of a blink or beside one ``[frames]``: the eyes are closed more than usual in the clip."""
        closed = self.values.get("AU45")
        if closed is None:
            return np.zeros(len(self.times), bool)
        shut = closed - np.median(closed) >= BLINK
        return np.asarray(shut | np.append(shut[1:], False) | np.append(False, shut[:-1]), bool)

    def strongest(self, at: int, least: float = 1.0) -> list[tuple[str, float]]:
        """The units of a frame from ``least`` on, the strongest first."""
        here = [(name, float(values[at])) for name, values in self.values.items() if values[at] >= least]
        return sorted(here, key=lambda pair: (-pair[1], pair[0]))


def meaning(name: str) -> str:
    """What a unit is called in words; its name where it is not known here.

    >>> meaning("AU12"), meaning("AU99")
    ('lip corners pulled up', 'AU99')
    """
    return UNITS[name].meaning if name in UNITS else name
