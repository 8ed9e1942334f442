"""The contract of rewards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from merc.components import Generation, Query, Reward
from merc.testing import samples
from merc.testing.contract import ComponentContract, require


class RewardContract(ComponentContract):
    """What a reward must keep. Override ``texts`` for one whose answers look otherwise, and ``queries`` for one that
    wants something of an utterance."""

    kind = "reward"
    component: ClassVar[Reward]

    def texts(self) -> Sequence[str]:
        """Answers to each query of the sample conversation, among them a right and an empty one."""
        return (
            "joy",
            "",
            "anger",
            "She laughs out loud. The emotion is joy, " + "as far as anybody can tell " * 8,
            "neither",
            "joy",
        )

    def queries(self) -> Sequence[Query]:
        """Whom the answers are about."""
        talk = samples.conversation()
        return [Query(conversation=talk, index=i, labels=samples.LABELS) for i in range(len(talk.utterances))]

    def _scores(self, query: Query) -> list[float]:
        answers = [Generation(text, (5, 6), (-0.5, -0.25), ended=True) for text in self.texts()]
        return list(self.component.scores(query, answers))

    def test_takes_beforehand_what_it_judges(self) -> None:
        """``check`` lets queries through that ``scores`` judges."""
        self.component.check(samples.LABELS, self.queries())

    def test_gives_one_finite_number_an_answer(self) -> None:
        """As many as there are answers, for each query; none for none."""
        for query in self.queries():
            scores = self._scores(query)
            require(
                len(scores) == len(self.texts()),
                f"scores() gives {len(scores)} numbers for {len(self.texts())} answers",
            )
            finite = all(isinstance(score, int | float) and math.isfinite(score) for score in scores)
            require(finite, f"scores() gives what are no finite numbers: {scores}")
        require(
            list(self.component.scores(self.queries()[0], [])) == [], "scores() gives numbers where there is no answer"
        )

    def test_tells_answers_apart(self) -> None:
        """Some query's answers get different numbers, without which nothing is learned."""
        require(
            any(len(set(self._scores(query))) > 1 for query in self.queries()),
            f"{self.title} gives all the answers of this check the same number; give texts() that differ for it",
        )

    def test_same_answers_get_the_same_numbers(self) -> None:
        """Asked twice."""
        one, two = self._scores(self.queries()[0]), self._scores(self.queries()[0])
        require(one == two, f"scores() gives {one}, and the second time {two}")
