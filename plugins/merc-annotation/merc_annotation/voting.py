"""Annotators that settle what several teachers say: by votes, or by how reliable each teacher is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from merc import Annotation, Annotator, Observation
from merc_annotation.dawid_skene import Consensus, dawid_skene, majority
from merc_annotation.describing import check_teacher, suffixed
from merc_annotation.judging import triplet_shown
from merc_annotation.triplet import Triplet

if TYPE_CHECKING:
    from merc import AnnotateFunction


@dataclass(frozen=True, kw_only=True)
class MajorityVote(Annotator):
    """Writes ``consensus``, as JSON: the label that most teachers give, the share of each label, who gave which, and
    whether it is ``uncertain``: the share is below ``certain``, or two labels have the same."""

    teachers: list[str]
    """The names of the teachers whose triplets vote, at least two: ``qwen`` for ``triplet_qwen``."""
    certain: float = 0.6
    """The share or probability of the label from which on it is certain."""

    def __post_init__(self) -> None:
        if len(set(self.teachers)) < 2 or len(set(self.teachers)) != len(self.teachers):
            raise ValueError(f"teachers are at least two, each once, not {self.teachers}")
        for name in self.teachers:
            check_teacher(name)
        if not 0 < self.certain <= 1:
            raise ValueError(f"certain is a share above 0 and at most 1, not {self.certain:g}")

    def fields(self) -> tuple[str, ...]:
        """``consensus``."""
        return ("consensus",)

    def reads(self) -> tuple[str, ...]:
        """The triplets."""
        return tuple(suffixed("triplet", name) for name in self.teachers)

    def load(self, device: str) -> AnnotateFunction:
        """Nothing is loaded."""

        def annotate(observations: Iterable[Observation]) -> Iterator[tuple[str, Annotation]]:
            for one in observations:
                yield from self._settle({one.query.target.id: self._votes(one)}, "majority")

        return annotate

    def _votes(self, one: Observation) -> dict[str, str]:
        triplets = {name: triplet_shown(one, name) for name in self.teachers}
        return {name: triplet.label for name, triplet in triplets.items() if isinstance(triplet, Triplet)}

    def _settle(self, votes: Mapping[str, Mapping[str, str]], method: str) -> Iterator[tuple[str, Annotation]]:
        there = {item: labels_by for item, labels_by in votes.items() if labels_by}
        labels = sorted({label for labels_by in there.values() for label in labels_by.values()})
        settled: Consensus = (majority if method == "majority" else dawid_skene)(there, labels)
        for item in votes:
            if item not in there:
                yield item, Annotation(reason="no teacher gave a label")
                continue
            shares = sorted(settled.shares[item].items(), key=lambda pair: (-pair[1], pair[0]))
            label, share = shares[0]
            tied = len(shares) > 1 and abs(shares[1][1] - share) < 1e-9
            whole = {
                "label": label,
                "probability": round(share, 4),
                "uncertain": tied or share < self.certain or len(there[item]) < 2,
                "method": method,
                "shares": {name: round(value, 4) for name, value in shares if value > 5e-5},
                "votes": dict(there[item]),
            }
            yield item, Annotation(cues={"consensus": json.dumps(whole, ensure_ascii=False)})


@dataclass(frozen=True, kw_only=True)
class DawidSkeneVote(MajorityVote):
    """Writes ``consensus`` as ``majority-vote`` does, but weighs each teacher by how reliable it is, which is estimated
    from all utterances together (Dawid and Skene, 1979)."""

    needs_all = True

    def load(self, device: str) -> AnnotateFunction:
        """Nothing is loaded."""

        def annotate(observations: Iterable[Observation]) -> Iterator[tuple[str, Annotation]]:
            votes = {one.query.target.id: self._votes(one) for one in observations}
            yield from self._settle(dict(sorted(votes.items())), "dawid-skene")

        return annotate
