"""Decoders tried on a small model: in any company, in two processes, and beside prompts that are asked one by one."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from typing import Any

import torch

import merc
from merc.builtin.prompters import ConversationPrompter
from merc.model.emotion_model import EmotionModel
from merc.recipe import Evaluate
from merc.session.data import queries
from merc.session.predicting import Predictor
from merc.session.shared_model import SharedModel
from tests.session.test_decoders import Halves
from tests.session.test_predicting import LABELS, TALK

SOME = TALK[:2]
"""Two conversations, of two and of five utterances."""


def predicted(
    model: EmotionModel, decoder: merc.Decoder, prompter: merc.Prompter | None = None, **how: Any
) -> list[merc.Prediction]:
    """What a decoder says of all utterances."""
    budget, strategy = how.pop("budget", 4096), how.pop("strategy", None)
    talks = how.pop("talks", SOME)
    asks = Predictor(
        model,
        prompter or ConversationPrompter(),
        LABELS,
        Evaluate(decoder=decoder, **how),
        budget,
        strategy=strategy,
    )
    return asks.predict(queries(talks, LABELS))


def every_query() -> list[merc.Query]:
    return [query for group in queries(SOME, LABELS) for query in group]


def plain(model: EmotionModel, prompter: merc.Prompter | None = None) -> SharedModel:
    """The model, to be asked about one prompt at a time."""
    return SharedModel(model=model.eval(), prompter=prompter or ConversationPrompter(), labels=LABELS)


def alone(model: merc.Model, query: merc.Query, prompt: merc.Prompt, normalize: Any = "none") -> list[float]:
    """The probabilities of the labels after one prompt that is computed alone."""
    scores = model.score([query], normalize, [prompt]).values[0].tolist()
    whole = sum(torch.tensor(scores).exp().tolist())
    return [torch.tensor(one).exp().item() / whole for one in scores]


def rows(predictions: Sequence[merc.Prediction]) -> list[list[float]]:
    return [[(one.probabilities or {})[label] for label in LABELS.labels] for one in predictions]


def check_of_no_company(model: EmotionModel, decoder: merc.Decoder, prompter: merc.Prompter | None = None) -> None:
    """The same answers again, in small batches, conversation by conversation, and in two processes."""
    whole = predicted(model, decoder, prompter)
    assert predicted(model, decoder, prompter) == whole
    apart = [one for talk in SOME for one in predicted(model, decoder, prompter, talks=[talk])]
    for other in (predicted(model, decoder, prompter, budget=64), apart, *in_two_processes(model, decoder, prompter)):
        assert [(one.id, one.label, one.answer) for one in other] == [(one.id, one.label, one.answer) for one in whole]
        torch.testing.assert_close(torch.tensor(rows(other)), torch.tensor(rows(whole)), rtol=1e-4, atol=1e-6)
        assert [_texts(one.details) for one in other] == [_texts(one.details) for one in whole]


def _texts(details: Any) -> str:
    """Details with numbers to four places."""
    return json.dumps(json.loads(json.dumps(details), parse_float=lambda text: round(float(text), 4)))


def in_two_processes(
    model: EmotionModel, decoder: merc.Decoder, prompter: merc.Prompter | None
) -> list[list[merc.Prediction]]:
    halves, found = Halves(lockstep=False), {}

    def predict(which: int) -> None:
        found[which] = predicted(model, decoder, prompter, budget=64, strategy=halves.strategy(which))

    threads = [threading.Thread(target=predict, args=(which,)) for which in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] == found[1]
    return [found[0], found[1]]
