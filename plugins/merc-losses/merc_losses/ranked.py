"""A decoder that keeps the model's answers as judges rank them: where files of preference pairs come from."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any, ClassVar, Literal

import merc
from merc.answers import read_answer, vocabulary_of_labels
from merc_losses.judge import Judge, Judgement
from merc_losses.rewards import added_up, best_and_worst, check_rewards, check_sampling, names_of


@dataclass(frozen=True, kw_only=True)
class RankedAnswers(merc.Decoder):
    """Lets the model write several answers, and keeps them as judges rank them, for the corpus ``preferences``. What a
    prediction has under ``details``: ``chosen`` and ``rejected``, the best and the worst answer, or ``unpaired``, why
    there are none; ``answers``, all that was written, the best first, each with its rewards by judge; ``judges``, by
    name and with their parameters; and ``judged``, what a judge that is a model was asked and what it said.

    ``merc predict RUN talks.jsonl --output pairs.jsonl 'evaluate.decoder={name: ranked, rewards: [...]}'`` writes such
    a file and goes on with it by ``--resume``; ``merc evaluate RUN --split train --name pairs`` writes one for the
    run's own corpus. The prediction itself is the first answer that was drawn, whatever the judges know of the truth.
    """

    answers: ClassVar[Literal["labels", "none"]] = "none"
    gives: ClassVar[frozenset[str]] = frozenset({"text"})
    rewards: tuple[merc.Reward, ...]
    """The judges; an answer's rank goes by the sum of their rewards, each times its weight."""
    count: int = 4
    """How many answers are drawn for each query."""
    max_new_tokens: int = 64
    """The most tokens of an answer."""
    temperature: float = 1.0
    """The temperature at which answers are drawn."""
    top_p: float = 1.0
    """Answers are drawn from the likeliest tokens that together have this probability; 1 draws from all."""
    seed: int = 0
    """What is drawn."""

    def __post_init__(self) -> None:
        check_rewards(self.rewards, self.count)
        check_sampling(self.max_new_tokens, self.temperature, self.top_p)

    def new_tokens(self) -> int:
        """``max_new_tokens``."""
        return self.max_new_tokens

    def decode(self, model: merc.Model, queries: Sequence[merc.Query]) -> Sequence[merc.Decoded]:
        """The first answer to each query, with the ranks of all."""
        written = model.generate(
            queries,
            max_new_tokens=self.max_new_tokens,
            count=self.count,
            temperature=self.temperature,
            top_p=self.top_p,
            seed=self.seed,
        )
        decoded = []
        for query, texts in zip(queries, written, strict=True):
            labels = read_answer(texts[0].text, vocabulary_of_labels(query.labels)).labels
            label = labels[0] if len(labels) == 1 else None
            decoded.append(merc.Decoded(label=label, text=texts[0].text, details=self._ranks(query, texts)))
        return decoded

    def _ranks(self, query: merc.Query, texts: Sequence[merc.Generation]) -> dict[str, Any]:
        names = names_of(self.rewards)
        judgements = {name: _judged(one, query, texts) for name, one in zip(names, self.rewards, strict=True)}
        scores_of = {name: one.scores for name, one in judgements.items()}
        total, by_name = added_up(self.rewards, scores_of, query, texts)
        pair = best_and_worst([text.text for text in texts], total)
        best_first = sorted(range(len(texts)), key=lambda number: -total[number])
        return {
            **({"unpaired": pair} if isinstance(pair, str) else {"chosen": pair[0], "rejected": pair[1]}),
            "answers": [
                {
                    "text": texts[number].text,
                    "ended": texts[number].ended,
                    "reward": total[number],
                    "rewards": {name: by_name[name][number] for name in names},
                }
                for number in best_first
            ],
            "judges": {name: _plain(one) for name, one in zip(names, self.rewards, strict=True)},
            "judged": {
                name: {"prompt": one.prompt, "raw": list(one.raw)} for name, one in judgements.items() if one.raw
            },
        }


def _judged(reward: merc.Reward, query: merc.Query, texts: Sequence[merc.Generation]) -> Judgement:
    return reward.judge(query, texts) if isinstance(reward, Judge) else Judgement(reward.scores(query, texts))


def _plain(reward: merc.Reward) -> dict[str, Any]:
    values = {field.name: getattr(reward, field.name) for field in dataclasses.fields(reward)}
    return {name: str(value) if isinstance(value, PurePath) else value for name, value in values.items()}
