"""A reward by emotion wheels, as AffectGPT-R1 learns from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import merc
from merc.answers import Block, Sentences, read_answer
from merc_emotion_llama.wheel_metrics import words_of_wheels
from merc_emotion_llama.wheels import WHEELS, Wheels, read_wheels


@dataclass(frozen=True, kw_only=True)
class WheelHit(merc.Reward):
    """How far an answer's labels and the true ones lie in the same clusters of AffectGPT's emotion wheels: the F
    measure of their clusters, 2 |A ∩ B| / (|A| + |B|), the mean over the wheels on which a true label lies. For one
    label of either side that is the share of these wheels on which both are in one cluster."""

    wheels: Path
    """The folder of the emotion wheels' tables."""
    truth: str = "label"
    """The name of the true label, or of a list of them (``open_labels``)."""
    block: Block = "answer-or-rest"
    """Which part of an answer is read (``merc.answers``): what stands in <answer>, or the rest without one; <answer>
    alone; all of it."""
    sentences: Sentences = "search"
    """Whether labels are looked for within sentences (``search``) or not (``drop``)."""

    def check(self, labels: merc.LabelSpace, queries: Sequence[merc.Query]) -> None:
        """Raise MercError for wheels that cannot be read, and for an utterance whose truth lies on no wheel."""
        tables = read_wheels(self.wheels)
        for query in queries:
            self._clusters(tables, query)

    def scores(self, query: merc.Query, answers: Sequence[merc.Generation]) -> Sequence[float]:
        """From 0 to 1 for each answer. Raises MercError for an utterance whose truth lies on no wheel."""
        tables = read_wheels(self.wheels)
        clusters = self._clusters(tables, query)
        known = words_of_wheels(tables, query.labels)
        scores = []
        for answer in answers:
            labels = read_answer(answer.text, known, self.block, self.sentences).labels
            scores.append(
                fmean(
                    2 * len(own & tables.map(labels, wheel)) / (len(own) + len(tables.map(labels, wheel)))
                    for wheel, own in enumerate(clusters)
                    if own
                )
            )
        return scores

    def _clusters(self, tables: Wheels, query: merc.Query) -> list[frozenset[str]]:
        """By wheel, the clusters of what is true of a query's utterance."""
        target = query.target
        true = target.label if self.truth == "label" else target.true(self.truth)
        true = [true] if isinstance(true, str) else list(true or ())
        clusters = [tables.map(true, wheel) for wheel in range(len(WHEELS))]
        if not any(clusters):
            raise merc.MercError(
                f"reward 'wheel-hit': no wheel knows {self.truth} of utterance {target.id!r} "
                f"({', '.join(true) or 'none'}); leave it out of the stage's data, or name another truth"
            )
        return clusters
