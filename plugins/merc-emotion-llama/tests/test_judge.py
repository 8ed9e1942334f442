"""The judge of emotion reasoning, asked over real HTTP: a small server on this machine answers as each test says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from merc_emotion_llama.judge import PROMPT, WHAT, EmerOverlap, read_score

import merc
import merc.testing
from tests.judging import Judge, by_length

LABELS = merc.LabelSpace(())
KEY = "sk-a-secret-0123456789"


@pytest.fixture
def judge() -> Iterator[Judge]:
    made = Judge()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def ask(judge: Judge) -> Callable[..., dict[str, Any]]:
    def compute(*said: str | None, **parameters: Any) -> dict[str, Any]:
        metric = EmerOverlap(**{"base_url": judge.url, "model": "m", "retries": 0, **parameters})
        return metric.compute(rows(*said), LABELS)

    return compute


def rows(*said: str | None) -> list[merc.Prediction]:
    return [
        merc.Prediction(id=f"u{i}", conversation="c", truths={"description": "She smiles, she is glad."}, answer=text)
        for i, text in enumerate(said)
    ]


class TestEmerOverlap(merc.testing.MetricContract):
    name = "emer-overlap"

    @pytest.fixture(autouse=True)
    def _made(self, judge: Judge) -> None:
        type(self).component = EmerOverlap(base_url=judge.url, model="m")

    def predictions(self):
        return [replace(p, text="x" * i) for i, p in enumerate(rows(*[""] * 5))]


def test_both_overlaps_are_means_and_the_judge_is_recorded(ask, judge: Judge) -> None:
    found = ask("<think>abc</think>", "abcd")
    assert (found["clue_overlap"], found["label_overlap"]) == (4.0, 3.5)
    assert (found["samples"], found["scored"], found["unscored"]) == (2, 2, {})
    assert found["judgements"]["c/u1"]["label_overlap"] == {"score": 4.0, "reason": "By its length."}
    assert found["judge"]["model"] == "m"
    assert set(found["judge"]["prompts"]) == set(WHAT)
    asked = {one["messages"][0]["content"] for one in judge.asked}
    both = json.dumps({"actual": "She smiles, she is glad.", "predicted": "abcd"}, indent=1)
    for name, what in WHAT.items():
        assert PROMPT.replace("{what}", what).replace("{descriptions}", both) in asked
        assert what in found["judge"]["prompts"][name]
    json.dumps(found, allow_nan=False)


def test_reasoning_across_modalities_is_a_score_of_its_own(ask, judge: Judge) -> None:
    judge.plan = lambda prompt: json.dumps({"score": 9 if "across modalities" in prompt else 2, "reason": "r"})
    found = ask("abc")
    assert (found["clue_overlap"], found["label_overlap"], found["reasoning_completeness"]) == (2.0, 2.0, 9.0)


def test_a_prompt_of_ones_own_with_braces_and_the_papers_form_of_answer(ask, judge: Judge) -> None:
    judge.plan = lambda prompt: "'Predicted Score': 8; 'Reason': They agree."
    own = "Score {the overlap}.\nActual: {actual}\nPredicted: {predicted}"
    found = ask("abc {actual}", prompts=(own,), dimensions=("label_overlap",))
    assert (found["label_overlap"], "clue_overlap" in found) == (8.0, False)
    (asked,) = judge.asked
    assert asked["messages"][0]["content"] == (
        "Score {the overlap}.\nActual: She smiles, she is glad.\nPredicted: abc {actual}"
    )


def test_a_prompt_for_each_dimension(ask, judge: Judge) -> None:
    judge.plan = lambda prompt: json.dumps({"score": int(prompt[0]), "reason": "r"})
    found = ask("abc", prompts=("1 {descriptions}", "2 {descriptions}"), dimensions=("label_overlap", "clue_overlap"))
    assert (found["label_overlap"], found["clue_overlap"]) == (1.0, 2.0)


def test_who_wrote_nothing_scores_0_unasked(ask, judge: Judge) -> None:
    found = ask(" \n")
    assert (found["clue_overlap"], found["label_overlap"], judge.asked) == (0.0, 0.0, [])


def test_an_answer_that_does_not_fit_is_asked_for_again_with_its_fault(ask, judge: Judge) -> None:
    answers = iter(["Seven.", '{"score": 11, "reason": "r"}', '{"score": 7, "reason": "r"}'] * 3)
    judge.plan = lambda prompt: next(answers)
    found = ask("abc", concurrency=1)
    assert found["clue_overlap"] == found["label_overlap"] == 7.0
    assert [m["content"] for m in judge.asked[2]["messages"][1:]] == [
        "Seven.",
        "That does not fit: the answer has no JSON object. Answer in the form that was asked for.",
        '{"score": 11, "reason": "r"}',
        "That does not fit: 'score' is not from 0 to 10. Answer in the form that was asked for.",
    ]


def test_what_never_fits_is_in_no_mean_and_counted(ask, judge: Judge) -> None:
    judge.plan = lambda prompt: by_length(prompt) if "abcd" in prompt else "Seven."
    found = ask("abc", "abcd", attempts=2)
    assert (found["label_overlap"], found["samples"], found["scored"]) == (4.0, 2, 1)
    assert found["unscored"] == {"no answer of 2 fitted: the answer has no JSON object": 3}


def test_a_server_that_fails_is_named_and_given_up(ask, judge: Judge) -> None:
    judge.plan = lambda prompt: 503
    found = ask("a", "b", "c", give_up=2, concurrency=1)
    assert (found["clue_overlap"], found["scored"], len(judge.asked)) == (None, 0, 2)
    assert found["unscored"]["not asked, since 2 in a row had failed"] == 7
    assert any("HTTP 503" in reason for reason in found["unscored"])


def test_a_budget_is_kept(ask, judge: Judge) -> None:
    found = ask("a", "b", "c", budget=3)
    assert len(judge.asked) == 3
    assert found["unscored"] == {"the budget of 3 requests is spent": 6}


def test_the_key_is_taken_from_the_environment_and_written_nowhere(ask, judge: Judge, monkeypatch) -> None:
    with pytest.raises(merc.MercError, match="metric emer-overlap: the environment has no variable JUDGE_KEY"):
        ask("a", key="JUDGE_KEY")
    monkeypatch.setenv("JUDGE_KEY", KEY)
    assert KEY not in json.dumps(ask("a", key="JUDGE_KEY"))
    assert judge.keys == [f"Bearer {KEY}"] * 3


@pytest.mark.parametrize(("status", "message"), [(401, "wants another key"), (404, "of metric emer-overlap")])
def test_what_no_waiting_mends_is_an_error(ask, judge: Judge, status: int, message: str) -> None:
    judge.plan = lambda prompt: status
    with pytest.raises(merc.MercError, match=message):
        ask("a", "b")


def test_truths_and_the_key_are_checked_without_asking(judge: Judge) -> None:
    metric = EmerOverlap(base_url=judge.url, model="m", key="JUDGE_KEY_THAT_IS_NOT_SET")
    with pytest.raises(merc.MercError, match="the environment has no variable JUDGE_KEY_THAT_IS_NOT_SET"):
        metric.check(rows(None), LABELS)
    replace(metric, key=None).check(rows(None), LABELS)
    with pytest.raises(merc.MercError, match="utterance 'u0': 'other' is None; a description was expected"):
        replace(metric, key=None, truth="other").check(rows(None), LABELS)
    assert judge.asked == []


def test_predictions_without_text_cannot_be_judged(ask) -> None:
    with pytest.raises(
        merc.MercError, match=r"prediction of 'u0' has no text to judge; set evaluate\.decoder=\{name: generate\}"
    ):
        ask(None)
    with pytest.raises(merc.MercError, match="utterance 'u0': 'other' is None; a description was expected"):
        ask("a", truth="other")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"base_url": "localhost:8000"}, "base_url is an address such as"),
        ({"base_url": "http://me:x@host/v1"}, "without user or query"),
        ({"key": "sk-secret"}, "key is the name of an environment variable"),
        ({"attempts": 0}, "attempts counts from 1, not 0"),
        ({"dimensions": ()}, "dimensions names at least one"),
        ({"prompts": ("a {what}",)}, "prompts.0 holds neither {descriptions} nor {actual} and {predicted}"),
        ({"prompts": ("{actual} {predicted}",)}, "prompts.0 serves 3 dimensions and does not hold {what}"),
        ({"prompts": ("{what} {descriptions}",) * 2}, "one for each of clue_overlap, label_overlap, reasoning_compl"),
    ],
)
def test_parameters_are_checked(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EmerOverlap(**{"base_url": "http://localhost/v1", "model": "m", **parameters})


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ("7", "no JSON object"),
        ('{"score": 7', "is broken"),
        ('{"score": "7", "reason": "r"}', "'score' is no number"),
        ('{"score": NaN, "reason": "r"}', "'score' is no number"),
        ('{"score": -1, "reason": "r"}', "not from 0 to 10"),
        ('{"score": 7}', "'reason' is no text"),
    ],
)
def test_what_does_not_fit_is_named(answer: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        read_score(answer)


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("'Predicted Score': 6.5; 'Reason': Much is the same.", 6.5),
        ("Predicted Score: 6\nReason: Much is the same.", 6.0),
        ('{"Predicted Score": 6, "Reason": "Much is the same."}', 6.0),
        ("{'Predicted Score': 6, 'Reason': 'Much is the same.'}", 6.0),
        ("'预测分数'：7；'原因'：大致相同。", 7.0),
        ('{"score": 3, "reason": "It says Predicted Score: 10; Reason: none."}', 3.0),
    ],
)
def test_the_papers_own_form_of_a_score_is_read(answer: str, score: float) -> None:
    found = read_score(answer)
    assert found["score"] == score and found["reason"]


def test_an_answer_that_is_nested_too_deep_does_not_fit() -> None:
    with pytest.raises(ValueError, match=r"no JSON object|is broken"):
        read_score('{"score": ' + "[" * 100_000)


def test_what_a_judge_thought_first_is_left_out() -> None:
    assert read_score('<think>{"score": 1}</think>{"score": 2, "reason": "r"}')["score"] == 2.0
