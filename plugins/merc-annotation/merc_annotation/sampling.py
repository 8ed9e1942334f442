"""Which records of a set people check."""

from __future__ import annotations

import random
from collections.abc import Sequence

from merc_annotation.records import Record


def draw_sample(records: Sequence[Record], count: int, seed: int, uncertain_first: bool = False) -> list[Record]:
    """``count`` records of each data set (all of one that has fewer), drawn so that each label has as many as can be;
    with ``uncertain_first`` those that are uncertain before others. The same seed draws the same."""
    by_set: dict[str, list[Record]] = {}
    for record in records:
        by_set.setdefault(record["dataset"] or "", []).append(record)
    chosen: list[Record] = []
    for name, some in sorted(by_set.items()):
        draw = random.Random(f"{seed}/{name}")
        by_label: dict[str, list[Record]] = {}
        for record in draw.sample(some, len(some)):
            by_label.setdefault(record["label"] or "", []).append(record)
        if uncertain_first:
            for several in by_label.values():
                several.sort(key=lambda record: not record["uncertain"])
        mine: list[Record] = []
        while len(mine) < min(count, len(some)):
            for label in sorted(by_label):
                if by_label[label] and len(mine) < count:
                    mine.append(by_label[label].pop(0))
        chosen += mine
    return chosen
