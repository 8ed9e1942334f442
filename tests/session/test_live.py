"""A conversation that goes on: the answers of the whole conversation, from the tokens of each utterance alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import merc
from merc.model.emotion_model import EmotionModel
from merc.registry import get_registry
from tests.session.test_session import arrays, close, plugin

__all__ = ["plugin"]


@pytest.fixture(scope="module")
def session(trained: Path) -> merc.Session:
    return merc.load(trained)


@pytest.fixture(scope="module")
def talk(senses: Path) -> merc.Conversation:
    read = get_registry().resolve("corpus", "merc/jsonl")(path=senses / "talk.jsonl")  # type: ignore[call-arg]
    conversations: tuple[merc.Conversation, ...] = read.load().conversations  # type: ignore[attr-defined]
    return max(conversations, key=lambda one: len(one.utterances))


def turn(utterance: merc.Utterance) -> dict[str, Any]:
    return {"id": utterance.id, "text": utterance.text, "speaker": utterance.speaker, **arrays(utterance)}


def test_each_answer_is_that_of_the_whole_conversation(session: merc.Session, talk: merc.Conversation) -> None:
    whole = session.predict(talk, clips={one.id: arrays(one) for one in talk.utterances})
    live = session.live(talk.id)
    for utterance, wanted in zip(talk.utterances, whole, strict=True):
        for media in ({}, {"audio": merc.AudioClip(samples=np.full(8_000, 0.9, np.float32), rate=16_000)}):
            nothing_yet = live.predict({**turn(utterance), "text": "not all of", "video": None, **media}, final=False)
            assert nothing_yet.id == wanted.id
        live.predict({**turn(utterance), **media}, final=False)  # the same words, and another voice
        own = live.predict({**turn(utterance), "start": 1.0, "end": 2.5})
        close(own, wanted)
        assert (own.missing, own.start, own.end) == (wanted.missing, 1.0, 2.5)
    assert [one.id for one in live.conversation.utterances] == [one.id for one in talk.utterances]


def test_words_alone_go_on(session: merc.Session) -> None:
    live = session.live()
    texts = ["You came!", "I said that I would.", "So you did."]
    predictions = [live.predict({"text": text, "speaker": "Ann"}) for text in texts]
    assert [one.id for one in predictions] == ["live-1", "live-2", "live-3"]
    utterances = tuple(merc.Utterance(id=f"live-{n + 1}", text=text, speaker="Ann") for n, text in enumerate(texts))
    whole = session.predict(merc.Conversation(id="live", utterances=utterances), clips={u.id: {} for u in utterances})
    for own, wanted in zip(predictions, whole, strict=True):
        close(own, wanted)
        assert own.missing == wanted.missing


def test_what_was_said_is_not_computed_again(session: merc.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    computed: list[int] = []
    score = EmotionModel.score_with_states

    def counted(self: EmotionModel, batch: Any, *more: Any) -> Any:
        computed.append(int(batch.tokens.numel()))
        return score(self, batch, *more)

    monkeypatch.setattr(EmotionModel, "score_with_states", counted)
    live = session.live()
    for number in range(8):
        live.predict({"text": f"Sentence {number}.", "speaker": "Ann"})
    texts = [{"text": f"Sentence {number}.", "speaker": "Ann"} for number in range(8)]
    assert len(computed) == 8
    assert max(computed[1:]) <= 1.5 * min(computed[1:]), computed
    utterances = tuple(merc.Utterance(id=f"u{n}", **text) for n, text in enumerate(texts))  # type: ignore[arg-type]
    session.predict(merc.Conversation(id="whole", utterances=utterances))
    assert computed[7] < computed[8] / 2


def test_what_was_answered_already_is_kept_as_it_is(
    session: merc.Session, talk: merc.Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = session.predict(talk, clips={one.id: arrays(one) for one in talk.utterances})
    live = session.live(talk.id)
    with pytest.raises(merc.MercError, match="no utterance to keep"):
        live.keep()
    for utterance, wanted in zip(talk.utterances, whole, strict=True):
        close(live.predict(turn(utterance), final=False), wanted)
        with monkeypatch.context() as patch:
            patch.setattr(EmotionModel, "score_with_states", None)
            live.keep()
    assert [one.id for one in live.conversation.utterances] == [one.id for one in talk.utterances]
    with pytest.raises(merc.MercError, match="no utterance to keep"):
        live.keep()


def test_a_conversation_of_any_length_keeps_its_last_utterances(session: merc.Session) -> None:
    live = session.live(history=4)
    kept = []
    for number in range(12):
        before = live.conversation.utterances
        kept.append(len(before))
        text = f"Sentence {number}."
        own = live.predict({"text": text})
        assert own.id == f"live-{number + 1}"
        whole = merc.Conversation(id="live", utterances=(*before, merc.Utterance(id=own.id, text=text)))
        close(own, session.predict(whole, clips={one.id: {} for one in whole.utterances})[-1])
    assert kept == [0, 1, 2, 3, 4, 3, 4, 3, 4, 3, 4, 3]
    assert live._features is not None and {name for _, name in live._features.places} == {
        one.id for one in live.conversation.utterances
    }
    with pytest.raises(merc.MercError, match="history counts utterances from 1, not 0"):
        session.live(history=0)


def test_a_prompt_that_would_be_too_long_shows_less(session: merc.Session) -> None:
    long = "It was a long story, and nobody had asked for it. " * 3
    live = session.live(history=20)
    shown = []
    for _ in range(6):
        live.predict({"text": long})
        shown.append(live.context)
    assert shown[:3] == [0, 1, 2] and max(shown) < 5 and min(shown[3:]) >= 1, shown
    with pytest.raises(merc.MercError, match="longer than the model's context; begin a new conversation"):
        live.predict({"text": long * 10})
    endless = session.live()
    with pytest.raises(merc.MercError, match="longer than the model's context"):
        for _ in range(6):
            endless.predict({"text": long})


def test_a_fault_of_a_component_is_named(session: merc.Session, monkeypatch: pytest.MonkeyPatch) -> None:
    from merc.builtin.prompters import ConversationPrompter

    live = session.live()

    def faulty(self: ConversationPrompter, query: merc.Query) -> merc.Prompt:
        raise RuntimeError("out of words")

    monkeypatch.setattr(ConversationPrompter, "prompt", faulty)
    with pytest.raises(RuntimeError) as caught:
        live.predict({"text": "You came!"})
    assert "prompter 'conversation'" in caught.value.__notes__[0]


@pytest.mark.parametrize(
    ("utterance", "words"),
    [
        ({}, ["words", "text"]),
        ({"speaker": "Ann"}, ["words", "text"]),
        ({"text": "Yes.", "sound": 1}, ["'sound'"]),
        ({"text": "Yes.", "video": __file__}, ["files", "merc.VideoClip"]),
        ({"text": "Yes.", "id": "first"}, ["'first'", "before"]),
    ],
)
def test_what_is_no_utterance(session: merc.Session, utterance: dict[str, Any], words: list[str]) -> None:
    live = session.live()
    live.predict({"id": "first", "text": "Hello."})
    with pytest.raises(merc.MercError) as caught:
        live.predict(utterance)
    assert all(word in str(caught.value) for word in words), str(caught.value)
    assert live.predict({"text": "And on."}).id == "live-2"


def test_a_run_that_is_offline_does_not_go_on(trained: Path) -> None:
    offline = merc.load(trained, evaluate={"prompter": {"name": "conversation", "following": 1}})
    assert offline.looks_ahead == 1
    with pytest.raises(merc.MercError, match=r"offline: its prompts show 1 utterance after") as caught:
        offline.live()
    assert "following: 0" in str(caught.value)
    (first, last) = offline.predict([{"text": "You came!"}, {"text": "So I did."}])
    assert offline.record(first)["following"] == 1
    assert "following" in offline.record(last)


def test_labels_of_before_are_not_kept(trained: Path) -> None:
    with pytest.raises(merc.MercError, match=r"label_history"):
        merc.load(trained, evaluate={"label_history": "predicted"}).live()


@pytest.mark.parametrize("whole", [False, True])
def test_an_annotator_is_asked_about_each_utterance_once(
    trained: Path, talk: merc.Conversation, tmp_path: Path, whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    import shutil

    from merc_tiny.parts import Ear  # type: ignore[import-not-found]

    run = Path(shutil.copytree(trained, tmp_path / "run"))
    recipe = run / "recipe.yaml"
    recipe.write_text(recipe.read_text() + "annotators: {ear: {name: ear}}\n")
    session = merc.load(run, evaluate={"prompter": {"name": "conversation", "media": ["seen"], "cues": ["pitch"]}})
    if whole:
        monkeypatch.setattr(Ear, "needs_all", True)
        with pytest.raises(merc.MercError, match=r"annotators.ear \('ear'\) compares an utterance with all others"):
            session.live()
        return
    asked: list[merc.Query] = []
    prompt = type(session.setup.prompter).prompt
    monkeypatch.setattr(
        type(session.setup.prompter), "prompt", lambda self, query: asked.append(query) or prompt(self, query)
    )
    wanted = session.predict(talk, clips={one.id: arrays(one) for one in talk.utterances})
    live = session.live(talk.id)
    for utterance, one in zip(talk.utterances, wanted, strict=True):
        close(live.predict(turn(utterance)), one)
    assert all("crossings" in one.cues["pitch"] for one in asked[-1].conversation.utterances)
