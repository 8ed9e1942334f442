"""Decoders: what they are given, what of theirs is checked, and how the work is shared."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import pytest

from merc.builtin.decoders import Generate
from merc.builtin.prompters import ConversationPrompter
from merc.components import Decoded, Decoder, Text, Verbalizer, likeliest
from merc.errors import MercError
from merc.model.emotion_model import EmotionModel
from merc.recipe import Evaluate
from merc.session.predicting import Predictor
from merc.training.strategy import TorchStrategy
from tests.session.test_predicting import LABELS, TALK, groups, model, predictor
from tests.toys.live import Live
from tests.toys.self_consistency import SelfConsistency

__all__ = ["model"]


@dataclass(frozen=True, kw_only=True)
class Stubborn(Decoder):
    """Gives always the same."""

    gives: ClassVar[frozenset[str]] = frozenset({"probabilities"})
    given: Any = None
    times: int = 8

    def decode(self, model, queries):
        return [self.given] * self.times


@dataclass(frozen=True, kw_only=True)
class Both(Decoder):
    """Scores, scores again without the conversation, and lets the model write where it is not sure."""

    gives: ClassVar[frozenset[str]] = frozenset({"probabilities", "text", "states"})

    def decode(self, model, queries):
        prompts = [model.prompt(query) for query in queries]
        alone = [replace(p, segments=(Text("Label:"), p.answer)) for p in prompts]
        scores, prior = model.score(queries), model.score(queries, prompts=alone)
        found = likeliest(queries, scores.values - prior.values, model.labels, scores.states)
        # The same query twice, in another order.
        written = model.generate([*reversed(queries), *queries], max_new_tokens=2)
        texts = [one.text for (one,) in written]
        assert texts[: len(queries)] == texts[: len(queries) - 1 : -1]
        return [replace(one, text=text) for one, text in zip(found, texts[len(queries) :], strict=True)]


THINKS = SelfConsistency(count=3, temperature=1.5, max_new_tokens=3)
SURE = {"joy": 1.0, "anger": 0.0, "sadness": 0.0}


@pytest.mark.parametrize(
    ("decoder", "holds"),
    [
        (Stubborn(given=Decoded(label="joy", probabilities=SURE), times=3), "gave 3 answers to 8 queries"),
        (
            Stubborn(given=Decoded(label="rage", probabilities=SURE)),
            "gave for 'a0' 'rage', which is none of",
        ),
        (Stubborn(given={"label": "joy"}), "gave for 'a0' dict; it must give merc.Decoded"),
        (Stubborn(given=Decoded(label="joy")), "gave for 'a0' no probabilities; its 'gives' says that it does"),
        (Stubborn(given=Decoded(label="joy", probabilities={"joy": 1.0})), "gave for 'a0' probabilities of joy; its"),
        (Stubborn(given=Decoded(label="joy", probabilities={**SURE, "anger": 0.5})), "do not add up to 1"),
        (Stubborn(given=Decoded(label="joy", probabilities={**SURE, "anger": float("nan")})), "not from 0 to 1"),
    ],
)
def test_what_a_decoder_gives_is_checked(model: EmotionModel, decoder: Decoder, holds: str) -> None:
    with pytest.raises(MercError) as caught:
        predictor(model, decoder=decoder).predict(groups())
    assert str(caught.value).startswith("decoder 'Stubborn' gave ") and holds in str(caught.value)


def test_states_that_are_not_given_are_missed(model: EmotionModel) -> None:
    asks = predictor(model, decoder=Verbalizer())
    assert asks.states is None and asks.predict(groups())

    @dataclass(frozen=True, kw_only=True)
    class Without(Verbalizer):
        def decode(self, model, queries):
            return [replace(one, state=None) for one in super().decode(model, queries)]

    asks = predictor(model, decoder=Without())
    asks.states = {}
    with pytest.raises(MercError, match="decoder 'Without' gave for 'a0' no states"):
        asks.predict(groups())


def test_a_decoder_may_ask_several_times_and_by_other_prompts(model: EmotionModel) -> None:
    asks = predictor(model, decoder=Both())
    asks.states = {}
    found = asks.predict(groups())
    written = predictor(model, decoder=Generate(max_new_tokens=2)).predict(groups())
    assert [p.answer for p in found] == [p.answer for p in written]
    plain = predictor(model).predict(groups())
    assert [p.probabilities for p in found] != [p.probabilities for p in plain]
    assert list(asks.states) == [u.id for talk in TALK for u in talk.utterances]


def test_another_prompt_that_is_too_long_is_an_error(model: EmotionModel) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Long(Verbalizer):
        def decode(self, model, queries):
            long = [replace(p, segments=(Text("so " * 600), p.answer)) for p in map(model.prompt, queries)]
            return likeliest(queries, model.score(queries, prompts=long).values, model.labels)

    with pytest.raises(MercError, match="a0"):
        predictor(model, decoder=Long()).predict(groups())


class Halves:
    """Two strategies that share work as processes do, a thread each, and send each other JSON alone."""

    def __init__(self, lockstep: bool) -> None:
        self.lockstep, self.sent, self.barrier = lockstep, ["", ""], threading.Barrier(2, timeout=60)

    def strategy(self, which: int) -> Any:
        strategy = object.__new__(TorchStrategy)
        strategy.rank, strategy.world, strategy.lockstep = which, 2, self.lockstep

        def collect(items: list[Any]) -> list[Any]:
            self.sent[which] = json.dumps(items)
            self.barrier.wait()
            found = [item for text in self.sent for item in json.loads(text)]
            self.barrier.wait()
            return found

        strategy.collect = collect
        return strategy


@pytest.mark.parametrize("lockstep", [False, True])
@pytest.mark.parametrize("decoder", [Verbalizer(), Generate(max_new_tokens=2), Both(), THINKS, Live()])
def test_processes_share_the_work_and_have_all_of_it(model: EmotionModel, decoder: Decoder, lockstep: bool) -> None:
    halves, found = Halves(lockstep), {}

    def predict(which: int) -> None:
        states: dict[str, Any] = {}
        asks = Predictor(
            model,
            ConversationPrompter(),
            LABELS,
            Evaluate(decoder=decoder),
            64,
            strategy=halves.strategy(which),
        )
        asks.states = states
        found[which] = asks.predict(groups()), states

    threads = [threading.Thread(target=predict, args=(which,)) for which in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone = predictor(model, budget=64, decoder=decoder)
    alone.states = {}
    wanted = [replace(p, missing={}) for p in alone.predict(groups())]
    assert found[0][0] == found[1][0] == wanted
    for _, states in found.values():
        assert states.keys() == alone.states.keys()
        assert all((states[name] == alone.states[name]).all() for name in states)
