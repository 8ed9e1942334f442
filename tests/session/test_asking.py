"""What decoders may ask of a model, by toy plugins: samples, and a cache of what a conversation begins with."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import merc.testing
from merc.builtin.prompters import ConversationPrompter
from merc.components import Answer, Generation, Prompt, Prompter, Query, Text, Turn, Verbalizer
from merc.errors import MercError
from merc.model.emotion_model import EmotionModel
from merc.prompting import EncodedPrompt
from merc.session import shared_model
from merc.session.shared_model import SharedModel
from tests.session.test_predicting import LABELS, groups, model, predictor
from tests.toys.live import Live
from tests.toys.self_consistency import SelfConsistency

__all__ = ["model"]

THINKS = SelfConsistency(count=3, temperature=1.5, max_new_tokens=6)


class TestLive(merc.testing.DecoderContract):
    component = Live()


class TestSelfConsistency(merc.testing.DecoderContract):
    component = THINKS


class Chat(Prompter):
    """A conversation in turns."""

    def prompt(self, query: Query) -> Prompt:
        said = query.conversation.utterances[: query.index + 1]
        words = Text("\n".join(utterance.text for utterance in said))
        return Prompt((Turn("system"), Text("Name the emotion."), Turn("user"), words, Answer()), query.target.id)


PROMPTERS = [ConversationPrompter(), Chat()]


def asking(model: EmotionModel, prompter: Prompter = PROMPTERS[0], **more: object) -> SharedModel:
    return SharedModel(model=model, prompter=prompter, labels=LABELS, **more)  # type: ignore[arg-type]


def queries() -> list[Query]:
    return [query for group in groups() for query in group]


@pytest.mark.parametrize("prompter", PROMPTERS)
def test_live_gives_what_the_whole_prompts_give(model: EmotionModel, prompter: Prompter) -> None:
    found = predictor(model, decoder=Live(), prompter=prompter).predict(groups())
    wanted = predictor(model, decoder=Verbalizer(), prompter=prompter).predict(groups())
    for one, other in zip(found, wanted, strict=True):
        assert one.id == other.id and one.probabilities == pytest.approx(other.probabilities, abs=1e-5)


@pytest.mark.parametrize("prompter", PROMPTERS)
def test_self_consistency_is_the_mean_after_each_thought(model: EmotionModel, prompter: Prompter) -> None:
    """Written out: a thought alone, then the labels after it, one prompt at a time."""
    found = predictor(model, decoder=THINKS, prompter=prompter).predict(groups())
    asks = asking(model, prompter)
    texts = set()
    for query, one in zip(queries(), found, strict=True):
        chances = torch.zeros(len(LABELS), dtype=torch.float64)
        for thought in asks.generate([query], max_new_tokens=6, count=3, temperature=1.5)[0]:
            texts.add(thought.text)
            prompt = asks.prompt(query).after(thought.text + "\nSo the emotion is")
            chances += asks.score([query], prompts=[prompt]).values.softmax(-1)[0] / 3
        assert list(one.probabilities.values()) == pytest.approx(chances.tolist(), abs=1e-5)
    assert len(texts) > len(found)


@pytest.mark.parametrize("prompter", PROMPTERS)
def test_thoughts_and_labels_after_them_go_on_from_one_cache(model: EmotionModel, prompter: Prompter) -> None:
    """The prompt's tokens are computed once for its thoughts and for the labels after each of them."""
    asks, query = asking(model, prompter), groups()[1][3]
    seen: list[int] = []
    layer = model.base.model.layers[0]
    hook = layer.register_forward_pre_hook(lambda module, args: seen.append(args[0].shape[0] * args[0].shape[1]))
    how = {"max_new_tokens": 6, "count": 3, "temperature": 1.5}
    wanted = asks.generate([query], **how)
    seen.clear()
    cache = asks.cache([query])
    thoughts = cache.generate([query], **how)
    prompts = [asks.prompt(query).after(thought.text + "\nSo it is") for thought in thoughts[0]]
    scores = cache.score([query] * 3, prompts=prompts)
    hook.remove()
    length = cache.length
    assert length == len(asks.encode(query, None, "none").context)
    assert [one.tokens for one in thoughts[0]] == [one.tokens for one in wanted[0]]
    torch.testing.assert_close(scores.values, asks.score([query] * 3, prompts=prompts).values, rtol=1e-5, atol=1e-5)
    added = sum(len(asks.encode(query, p, "none").context) - length for p in prompts)
    labels = 3 * sum(len(path.tokens) - 1 for path in asks.encode(query).answers)
    assert length < sum(seen) <= length + 3 * 6 + 1 + added + labels


def test_a_cache_serves_several_prompters_of_one_conversation(model: EmotionModel) -> None:
    """They share the conversation; what is kept is what all begin with, and a fork goes on with one of them."""
    asks, query = asking(model), groups()[1][4]
    base = asks.prompt(query)
    others = [replace(base, segments=(*base.segments[:-2], Text(q), base.answer)) for q in ("\nWhat?", "\nHow so?")]
    cache = asks.cache([query] * 2, others)
    whole = [len(asks.encode(query, p, "none").context) for p in others]
    assert 0 < cache.length < min(whole)
    wanted = asks.score([query] * 2, prompts=others).values
    torch.testing.assert_close(cache.score([query] * 2, prompts=others).values, wanted, rtol=1e-5, atol=1e-5)
    fork = cache.fork()
    fork.extend([query], others[1:])
    assert fork.length == whole[1] and cache.length < whole[1]
    torch.testing.assert_close(fork.score([query], prompts=others[1:]).values, wanted[1:], rtol=1e-5, atol=1e-5)
    assert cache.nbytes > 0 and cache.note == ""
    cache.free()
    assert cache.nbytes == 0 < fork.nbytes


def test_scores_from_a_cache_come_with_states_and_are_checked(model: EmotionModel) -> None:
    asks, own = asking(model, keeps_states=True), groups()[1]
    scores, wanted = asks.cache(own).score(own), asks.score(own)
    assert scores.states is not None and wanted.states is not None
    assert abs(scores.states - wanted.states).max() < 1e-4
    normalized = asks.cache(own).score(own, "tokens").values
    torch.testing.assert_close(normalized, asks.score(own, "tokens").values, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda asks: asks.cache([]), "a prefix cache is of one query at least"),
        (
            lambda asks: asks.cache(queries()[:1], [Prompt((Text("so " * 600), Answer()), "a0")]),
            "longer than the model's context.*a0",
        ),
        (lambda asks: asks.generate(queries(), max_new_tokens=0), "max_new_tokens counts from 1"),
        (lambda asks: asks.cache(queries()[:1]).generate([], max_new_tokens=1, temperature=-1), "temperature is 0"),
        (lambda asks: asks.reference(), "only while a stage trains"),
        (
            lambda asks: asks.cache(queries()[:1]).score(
                queries()[:1], prompts=[Prompt((Text("Say"), Answer("x")), "a")]
            ),
            "asks for a text, not for a label",
        ),
    ],
)
def test_what_cannot_be_asked_is_a_sentence(model: EmotionModel, ask, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(MercError, match=message):
        ask(asking(model))


def test_what_a_model_wrote_goes_on_in_its_own_turn() -> None:
    query = queries()[0]
    plain, chat = (prompter.prompt(query) for prompter in PROMPTERS)
    assert plain.after(" Because").segments[-2:] == (Text(" Because"), plain.answer)
    assert chat.after("Because", Answer("x")).segments[-3:] == (Turn("assistant"), Text(" Because"), Answer("x"))
    twice = chat.after("Because").after("so")
    assert [s.role for s in twice.segments if isinstance(s, Turn)] == ["system", "user", "assistant"]


def test_texts_are_drawn_alike_in_every_budget(model: EmotionModel) -> None:
    how = {"max_new_tokens": 5, "count": 4, "temperature": 1.2, "seed": 3}
    few, many = (asking(model, batch_tokens=size).generate(queries(), **how) for size in (64, 4096))
    assert [[one.tokens for one in texts] for texts in few] == [[one.tokens for one in texts] for texts in many]
    assert all(isinstance(one, Generation) and isinstance(one.tokens, tuple) for texts in few for one in texts)


def test_single_prompts_share_a_tree_where_half_of_them_is_the_same() -> None:
    def asked(target: str, *context: int) -> EncodedPrompt:
        return EncodedPrompt(target, context, ())

    short = [asked("a", 1, 2, 3, 9), asked("b", 1, 2, 3, 8, 7), asked("c", 1, 5, 6)]
    talk = [asked("d", 1, 2, 3, 4), asked("e", 1, 2, 3, 4, 5)]
    groups = shared_model._single_prompts_together([[short[0]], [short[1]], talk, [short[0]], [short[2]]])
    assert [[prompt.target for prompt in group] for group in groups] == [["a", "b"], ["d", "e"], ["a"], ["c"]]
