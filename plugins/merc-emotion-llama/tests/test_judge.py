"""The judge of emotion reasoning, asked over real HTTP: a small server on this machine answers as each test says."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from merc_emotion_llama.judge import PROMPT, WHAT, EmerOverlap, read_score

import merc
import merc.testing

LABELS = merc.LabelSpace(())
KEY = "sk-a-secret-0123456789"


class Judge(ThreadingHTTPServer):
    """Answers chat completions with what ``plan`` gives: a text, or a status."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.plan: Callable[[str], str | int] = by_length
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class Handler(BaseHTTPRequestHandler):
    server: Judge

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.asked.append(asked)
            self.server.keys.append(self.headers["Authorization"])
        given = self.server.plan(asked["messages"][0]["content"])
        body: dict[str, Any] = {"error": {"message": "no"}}
        if isinstance(given, str):
            message = {"role": "assistant", "content": given}
            body = {"id": "1", "object": "chat.completion", "created": 1, "model": "m"}
            body["choices"] = [{"index": 0, "finish_reason": "stop", "message": message}]
        content = json.dumps(body).encode()
        self.send_response(200 if isinstance(given, str) else given)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        pass


def by_length(prompt: str) -> str:
    """A score that depends on what is compared and on what was predicted."""
    predicted = json.loads(prompt[prompt.index("\n\n{") :])["predicted"]
    half = 0.5 if WHAT["clue_overlap"] in prompt else 0.0
    return json.dumps({"score": len(predicted) % 10 + half, "reason": "By its  length."})


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
        merc.Prediction(id=f"u{i}", conversation="c", truths={"description": "She smiles, she is glad."}, text=text)
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
    assert set(found["judge"]["prompts"]) == {"clue_overlap", "label_overlap"}
    asked = {one["messages"][0]["content"] for one in judge.asked}
    both = json.dumps({"actual": "She smiles, she is glad.", "predicted": "abcd"}, indent=1)
    assert PROMPT.format(what=WHAT["clue_overlap"], descriptions=both) in asked
    assert found["judge"]["prompts"]["clue_overlap"] == PROMPT.format(what=WHAT["clue_overlap"], descriptions="…")
    json.dumps(found, allow_nan=False)


def test_who_wrote_nothing_scores_0_unasked(ask, judge: Judge) -> None:
    found = ask(" \n")
    assert (found["clue_overlap"], found["label_overlap"], judge.asked) == (0.0, 0.0, [])


def test_an_answer_that_does_not_fit_is_asked_for_again_with_its_fault(ask, judge: Judge) -> None:
    answers = iter(["Seven.", '{"score": 11, "reason": "r"}', '{"score": 7, "reason": "r"}'] * 2)
    judge.plan = lambda prompt: next(answers)
    found = ask("abc", concurrency=1)
    assert found["clue_overlap"] == found["label_overlap"] == 7.0
    assert [m["content"] for m in judge.asked[2]["messages"][1:]] == [
        "Seven.",
        "That does not fit: the answer has no JSON object. Answer with the JSON object alone.",
        '{"score": 11, "reason": "r"}',
        "That does not fit: 'score' is not from 0 to 10. Answer with the JSON object alone.",
    ]


def test_what_never_fits_is_in_no_mean_and_counted(ask, judge: Judge) -> None:
    judge.plan = lambda prompt: by_length(prompt) if "abcd" in prompt else "Seven."
    found = ask("abc", "abcd", attempts=2)
    assert (found["label_overlap"], found["samples"], found["scored"]) == (4.0, 2, 1)
    assert found["unscored"] == {"no answer of 2 fitted: the answer has no JSON object": 2}


def test_a_server_that_fails_is_named_and_given_up(ask, judge: Judge) -> None:
    judge.plan = lambda prompt: 503
    found = ask("a", "b", "c", give_up=2, concurrency=1)
    assert (found["clue_overlap"], found["scored"], len(judge.asked)) == (None, 0, 2)
    assert found["unscored"]["not asked, since 2 in a row had failed"] == 4
    assert any("HTTP 503" in reason for reason in found["unscored"])


def test_a_budget_is_kept(ask, judge: Judge) -> None:
    found = ask("a", "b", "c", budget=3)
    assert len(judge.asked) == 3
    assert found["unscored"] == {"the budget of 3 requests is spent": 3}


def test_the_key_is_taken_from_the_environment_and_written_nowhere(ask, judge: Judge, monkeypatch) -> None:
    with pytest.raises(merc.MercError, match="metric emer-overlap: the environment has no variable JUDGE_KEY"):
        ask("a", key="JUDGE_KEY")
    monkeypatch.setenv("JUDGE_KEY", KEY)
    assert KEY not in json.dumps(ask("a", key="JUDGE_KEY"))
    assert judge.keys == [f"Bearer {KEY}"] * 2


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
    with pytest.raises(merc.MercError, match=r"prediction of 'u0' has no text to judge; set evaluate\.decode=generate"):
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


def test_what_a_judge_thought_first_is_left_out() -> None:
    assert read_score('<think>{"score": 1}</think>{"score": 2, "reason": "r"}')["score"] == 2.0
