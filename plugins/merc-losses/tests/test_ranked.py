"""Answers as judges rank them: what is kept of them, and that a judge that is a model is recorded word by word."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from merc_losses.judge import PROMPT, LanguageModelJudge
from merc_losses.ranked import RankedAnswers
from merc_losses.rewards import LabelAccuracy, Length, best_and_worst

import merc
import merc.testing
from merc.model.emotion_model import EmotionModel
from merc.testing import samples
from tests.decoding import SOME, every_query, in_two_processes, plain, predicted
from tests.judging import Judge
from tests.session.test_predicting import model

__all__ = ["model"]


@dataclass(frozen=True, kw_only=True)
class Short(merc.Reward):
    """The fewer letters, the more. ``weight`` is its share."""

    def scores(self, query: merc.Query, answers: Sequence[merc.Generation]) -> Sequence[float]:
        return [1 / (1 + len(answer.text)) for answer in answers]


RANKED = RankedAnswers(rewards=(Short(), Length(most=1, weight=0.5)), count=3, max_new_tokens=4, temperature=1.5)


class TestRankedAnswers(merc.testing.DecoderContract):
    component = RANKED
    name = "ranked"


def test_the_best_and_the_worst_are_a_pair(model: EmotionModel) -> None:
    asked = plain(model)
    pairs = 0
    for one, query in zip(predicted(model, RANKED), every_query(), strict=True):
        (texts,) = asked.generate([query], max_new_tokens=4, count=3, temperature=1.5, seed=0)
        reward = {t.text: 1 / (1 + len(t.text)) + 0.5 * (len(t.text.split()) == 1) for t in texts}
        kept = one.details["answers"]
        assert sorted(answer["text"] for answer in kept) == sorted(text.text for text in texts)
        assert [answer["reward"] for answer in kept] == sorted((answer["reward"] for answer in kept), reverse=True)
        for answer in kept:
            assert answer["reward"] == pytest.approx(reward[answer["text"]])
            assert answer["rewards"]["short"] == pytest.approx(1 / (1 + len(answer["text"])))
        pair = best_and_worst([t.text for t in texts], [reward[t.text] for t in texts])
        shown = one.details.get("unpaired") or (one.details["chosen"], one.details["rejected"])
        assert shown == pair
        pairs += "chosen" in one.details
        assert one.answer == texts[0].text  # not the best: a judge may know the truth
        assert one.details["judges"] == {"short": {"weight": 1.0}, "length": {"weight": 0.5, "least": 1, "most": 1}}
        json.dumps(one.details, allow_nan=False)
    assert pairs > 2


def test_in_any_company(model: EmotionModel) -> None:
    """The same again, in small batches, conversation by conversation, and in two processes."""
    whole = [one.details for one in predicted(model, RANKED)]
    apart = [one for talk in SOME for one in predicted(model, RANKED, talks=[talk])]
    for other in (predicted(model, RANKED, budget=64), apart, *in_two_processes(model, RANKED, None)):
        assert [one.details for one in other] == whole


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"rewards": ()}, "rewards names none"), ({"count": 1}, "count is how many"), ({"temperature": 0.0}, "above 0")],
)
def test_parameters_that_cannot_be(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(RANKED, **fields)


def test_why_there_is_no_pair() -> None:
    assert best_and_worst(["a", "b ", " c", "d"], [0.0, 2.0, -1.0, 2.0]) == ("b", "c")
    assert best_and_worst(["a", "b", "c"], [1, 0, 0]) == ("a", "b")  # the first of equals
    assert best_and_worst(["a", "b", "c"], [1, 1, 0]) == ("a", "c")
    assert best_and_worst(["", " "], [1.0, 2.0]) == "all answers are empty"
    assert best_and_worst(["a", "a "], [1.0, 2.0]) == "the best and the worst answer are the same text"


@pytest.fixture(autouse=True)
def with_consent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judges of these tests are on this machine."""
    monkeypatch.setenv("MERC_ALLOW", "127.0.0.1")


def by_length(prompt: str) -> str:
    """The longer, the better."""
    answers = json.loads(prompt[prompt.index("\n\n{") :])["answers"]
    return json.dumps({"scores": [min(10, len(answer)) for answer in answers], "reason": "By their length."})


@pytest.fixture
def judge() -> Iterator[Judge]:
    made = Judge()
    made.plan = by_length
    yield made
    made.shutdown()
    made.server_close()


class TestLanguageModelJudge(merc.testing.RewardContract):
    name = "judge"

    @pytest.fixture(autouse=True)
    def _made(self, judge: Judge) -> None:
        type(self).component = LanguageModelJudge(base_url=judge.url, model="m")


def query() -> merc.Query:
    return merc.Query(conversation=samples.conversation(), index=1, labels=samples.LABELS)


def written(*texts: str) -> list[merc.Generation]:
    return [merc.Generation(text, (1, 2), (-0.5, -1.5), True) for text in texts]


def test_a_judge_is_asked_once_and_kept_word_by_word(judge: Judge) -> None:
    one = LanguageModelJudge(base_url=judge.url, model="m", retries=0)
    given = one.judge(query(), written("joy", "anger ", "", "joy"))
    assert given.scores == [0.3, 0.5, 0.0, 0.3]
    (asked,) = judge.asked
    assert asked["messages"] == [{"role": "user", "content": given.prompt}] and asked["model"] == "m"
    said = [{"speaker": u.speaker, "text": u.text} for u in query().conversation.utterances[:2]]
    material = json.dumps({"conversation": said, "answers": ["joy", "anger"]}, ensure_ascii=False, indent=1)
    assert given.prompt == PROMPT.replace("{count}", "2").replace("{material}", material)
    assert given.raw == (by_length(given.prompt),)
    assert one.judge(query(), written("", " ")).scores == [0.0, 0.0] and len(judge.asked) == 1


def test_what_a_judge_said_is_kept_with_the_pair(judge: Judge, model: EmotionModel) -> None:
    decoder = replace(RANKED, rewards=(LanguageModelJudge(base_url=judge.url, model="m"), LabelAccuracy(weight=0.0)))
    for one in predicted(model, decoder):
        assert one.details["judges"]["language-model-judge"]["model"] == "m"
        assert one.details["judged"]["language-model-judge"]["raw"] == [
            by_length(one.details["judged"]["language-model-judge"]["prompt"])
        ]


def test_an_answer_that_does_not_fit_is_asked_for_again(judge: Judge) -> None:
    said = iter(["I like them.", '{"scores": [1]}', '{"scores": [1, 11]}', '{"scores": [1, 2]}'])
    judge.plan = lambda prompt: next(said)
    one = LanguageModelJudge(base_url=judge.url, model="m", attempts=4, retries=0)
    given = one.judge(query(), written("a", "b"))
    assert given.scores == [0.1, 0.2] and len(given.raw) == 4
    faults = [asked["messages"][-1]["content"] for asked in judge.asked[1:]]
    for fault, what in zip(faults, ("no JSON object", "no list of 2 numbers", "holds 11"), strict=True):
        assert what in fault


def test_a_judge_needs_consent(judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MERC_ALLOW")
    with pytest.raises(merc.MercError, match=r"reward judge wants to send to .*--allow 127\.0\.0\.1"):
        LanguageModelJudge(base_url=judge.url, model="m").scores(query(), written("a", "b"))
    assert not judge.asked


@pytest.mark.parametrize(
    ("plan", "what"), [("no", r"utterance '.*': no answer of 2 fitted"), (503, r"utterance '.*': .*503.*--resume")]
)
def test_a_judge_that_fails(judge: Judge, plan: str | int, what: str) -> None:
    judge.plan = lambda prompt: plan
    with pytest.raises(merc.MercError, match=what):
        LanguageModelJudge(base_url=judge.url, model="m", attempts=2, retries=0).scores(query(), written("a", "b"))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"base_url": "ftp://x"}, "base_url is an address"),
        ({"key": "sk-123"}, "key is the name of an environment variable"),
        ({"prompt": "Which?"}, "prompt does not hold {material}"),
        ({"attempts": 0}, "attempts counts from 1"),
    ],
)
def test_parameters_of_a_judge_that_cannot_be(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LanguageModelJudge(**{"base_url": "http://localhost:1/v1", "model": "m", **fields})
