"""The settings of a sweep: what is swept over, and every combination of values or some that are drawn."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

import merc

Setting = Mapping[str, str]
"""The values of one run: texts by key, as the command line of ``merc run`` takes them."""


@dataclass(frozen=True)
class Axis:
    """One or several keys that change together, and the values that they take, each a setting of all its keys."""

    keys: tuple[str, ...]
    values: tuple[Setting, ...]

    def draw(self, draw: random.Random) -> Setting:
        """One of the values."""
        return draw.choice(self.values)


@dataclass(frozen=True)
class Range:
    """A key whose value is drawn from ``low`` to ``high``, evenly or with ``log`` evenly in its logarithm; whole
    numbers where both are ints."""

    key: str
    low: float
    high: float
    log: bool

    @property
    def keys(self) -> tuple[str, ...]:
        """The key, as an axis has it."""
        return (self.key,)

    def draw(self, draw: random.Random) -> Setting:
        """A value, with five digits."""
        low, high = self.low, self.high
        if isinstance(low, int) and isinstance(high, int):
            return {self.key: str(self._whole(draw, low, high))}
        value = self._logarithmic(draw, low, high) if self.log else draw.uniform(low, high)
        return {self.key: f"{value:.5g}"}

    def _whole(self, draw: random.Random, low: int, high: int) -> int:
        """A whole number; both ends are as likely as those between them are."""
        if not self.log:
            return draw.randint(low, high)
        # Each number stands for what is rounded to it, half a number beyond the ends too.
        return min(max(round(self._logarithmic(draw, low - 0.5, high + 0.5)), low), high)

    @staticmethod
    def _logarithmic(draw: random.Random, low: float, high: float) -> float:
        return math.exp(draw.uniform(math.log(low), math.log(high)))


def read_changes(changes: Sequence[str]) -> tuple[list[str], list[Axis | Range]]:
    """The changes that all runs share, and the axes: ``key=[a, b]``, ``one,other=[[a, b], [c, d]]`` for keys that
    change together, and ``key={low: a, high: b}``, with ``log: true`` where wanted, for a range to draw from.

    A list that is a value itself stands in a list. Raises merc.MercError for what is none of these.

    >>> shared, axes = read_changes(["strategy.device=cpu", "lr=[1e-4, 1e-3]", "r,alpha=[[4, 8], [8, 16]]"])
    >>> shared, [axis.values for axis in axes]
    (['strategy.device=cpu'], [({'lr': '1e-4'}, {'lr': '1e-3'}), ({'r': '4', 'alpha': '8'}, {'r': '8', 'alpha': '16'})])
    """
    shared: list[str] = []
    axes: list[Axis | Range] = []
    for change in changes:
        name, equals, text = change.partition("=")
        keys = tuple(key.strip() for key in name.split(","))
        if not equals or not all(keys):
            raise merc.MercError(f"{change!r}: key=value or key=[value, value] was expected")
        node = _parsed(change, text)
        limits = _limits(node)
        if len(keys) == 1 and limits is not None:
            axes.append(_range(change, keys[0], limits))
        elif isinstance(node, yaml.SequenceNode):
            items = [_value(change, text, keys, item) for item in node.value]
            if len(items) == 1 and len(keys) == 1 and isinstance(node.value[0], yaml.SequenceNode):
                shared.append(f"{keys[0]}={items[0][keys[0]]}")
            elif len(items) < 2:
                raise merc.MercError(
                    f"{change!r}: several values are tried, and it lists {len(items)}; write {name}=VALUE for all "
                    f"runs, or {name}=[[...]] where a list is the value itself"
                )
            elif twice := next((item for item in items if items.count(item) > 1), None):
                value = ", ".join(twice.values())
                raise merc.MercError(
                    f"{change!r}: {value} stands there twice, and its runs would be the same; write each value once, "
                    "and several seeds as seed=[0, 1, 2]"
                )
            else:
                axes.append(Axis(keys, tuple(items)))
        elif len(keys) > 1:
            raise merc.MercError(f"{change!r}: keys that change together want a list of lists, one value for each key")
        else:
            shared.append(change)
    named = [key for axis in axes for key in axis.keys] + [change.partition("=")[0] for change in shared]
    if again := next((key for key in named if named.count(key) > 1), None):
        raise merc.MercError(f"{again} is named twice; give it once")
    return shared, axes


def settings(axes: Sequence[Axis | Range], count: int | None, seed: int) -> list[Setting]:
    """Every combination of the axes' values, or ``count`` different ones that are drawn, the same for a seed; more of
    them begin with the same.

    An axis of ``seed`` is never drawn from: every setting has all of its seeds. Raises merc.MercError for a range
    without ``count``, and for more settings than there are.
    """
    seeds = next((axis for axis in axes if axis.keys == ("seed",) and isinstance(axis, Axis)), None)
    others = [axis for axis in axes if axis is not seeds]
    if count is None:
        if ranges := [axis.keys[0] for axis in others if isinstance(axis, Range)]:
            raise merc.MercError(f"{ranges[0]} has a range, which is drawn from; add --random N, or list its values")
        drawn = [
            _joined(some) for some in itertools.product(*(axis.values for axis in others if isinstance(axis, Axis)))
        ]
    else:
        drawn = _drawn(others, count, seed)
    return [{**setting, **own} for setting in drawn for own in (seeds.values if seeds else ({},))]


def _drawn(axes: Sequence[Axis | Range], count: int, seed: int) -> list[Setting]:
    if not axes:
        raise merc.MercError("--random draws values, and no key has several but the seed; name some: key=[a, b]")
    if count < 1:
        raise merc.MercError(f"--random counts settings from 1, not {count}")
    if all(isinstance(axis, Axis) for axis in axes):
        most = math.prod(len({*map(str, axis.values)}) for axis in axes if isinstance(axis, Axis))
        if count > most:
            raise merc.MercError(f"--random {count}: there are {most} settings; leave it out to run them all")
    draw = random.Random(seed)
    drawn: dict[str, Setting] = {}
    for _ in range(1000 * count):
        setting = _joined([axis.draw(draw) for axis in axes])
        drawn.setdefault(str(setting), setting)
        if len(drawn) == count:
            return list(drawn.values())
    raise merc.MercError(f"--random {count}: only {len(drawn)} different settings were drawn; ask for fewer")


def _joined(some: Sequence[Setting]) -> Setting:
    return {key: value for one in some for key, value in one.items()}


def _parsed(change: str, text: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.YAMLError:
        raise merc.MercError(
            f"{change!r}: the value is no YAML; quote what has blanks or signs: key='[a, b]'"
        ) from None


def _value(change: str, text: str, keys: tuple[str, ...], node: yaml.Node) -> Setting:
    """One value of an axis, as it is written."""
    parts = [node] if len(keys) == 1 else node.value if isinstance(node, yaml.SequenceNode) else []
    if len(parts) != len(keys):
        raise merc.MercError(f"{change!r}: each item wants {len(keys)} values, one for each of {', '.join(keys)}")
    return {k: text[p.start_mark.index : p.end_mark.index] for k, p in zip(keys, parts, strict=True)}


def _limits(node: yaml.Node | None) -> dict[str, Any] | None:
    """What a range says, for a mapping that has ``low`` and ``high``."""
    if not isinstance(node, yaml.MappingNode):
        return None
    held = {key.value: value.value for key, value in node.value if isinstance(key, yaml.ScalarNode)}
    return held if {"low", "high"} <= held.keys() <= {"low", "high", "log"} else None


def _range(change: str, key: str, limits: Mapping[str, Any]) -> Range:
    log = str(limits.get("log", "false")).lower() == "true"
    try:
        low, high = _number(limits["low"]), _number(limits["high"])
    except (TypeError, ValueError):
        raise merc.MercError(f"{change!r}: low and high are numbers") from None
    if not (math.isfinite(low) and math.isfinite(high)) or low >= high or (log and low <= 0):
        raise merc.MercError(f"{change!r}: low is below high{', and above 0 with log' if log else ''}")
    return Range(key, low, high, log)


def _number(text: str) -> float:
    """A number, an int where it is written as one. Raises ValueError for what is none."""
    value = float(text)
    return int(text) if text.lstrip("+-").isdigit() and math.isfinite(value) else value
