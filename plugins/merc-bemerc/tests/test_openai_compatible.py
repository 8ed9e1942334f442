"""The teacher behind a server, asked over real HTTP: a small server on this machine answers as each test says."""

import base64
import io
import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
from merc_bemerc.openai_compatible import OpenAICompatible
from PIL import Image

import merc
import merc.testing
from tests.chat_server import GOOD, ChatServer, Handler, Reply

CUES = {"face": "She smiles.", "body": "She waves.", "posture": "She sits upright."}
KEY = "sk-a-secret-that-nobody-may-read-0123456789"


@pytest.fixture
def server() -> Iterator[ChatServer]:
    made = ChatServer()
    yield made
    made.shutdown()
    made.server_close()


@pytest.fixture
def ask(server, observe, monkeypatch) -> Callable[..., dict[str, merc.Annotation]]:
    """Annotate ``count`` utterances (ids u0, u1, ...), with two small frames each."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    def run(count=1, **params) -> dict[str, merc.Annotation]:
        params = {"base_url": server.url, "model": "m", "frames": 2, "retries": 0, "timeout": 5.0, **params}
        return dict(OpenAICompatible(**params).load("cpu")(many(observe, count)))

    return run


def many(observe, count) -> list[merc.Observation]:
    shown = []
    for number in range(count):
        said = (merc.Utterance(id=f"u{number}", text=f"Line {number}.", speaker="Ann"),)
        talk = merc.Conversation(id=f"c{number}", utterances=said)
        shown.append(observe(0, frames=np.full((2, 40, 60, 3), 90 + number, np.uint8), conversation=talk))
    return shown


def line_of(asked: dict[str, Any]) -> str:
    """The line that a request is about."""
    text = asked["messages"][0]["content"][-1]["text"]
    return text.split('Ann: "')[-1].split('"')[0]


# what is sent


def test_good_answers(ask, server):
    found = ask(3)
    assert {name: one.cues for name, one in found.items()} == {f"u{n}": CUES for n in range(3)}
    assert {one.raw for one in found.values()} == {(GOOD,)}
    assert len(server.asked) == 3


def test_frames_and_prompt_are_sent(ask, server, observe):
    frames = np.zeros((2, 90, 160, 3), np.uint8)
    frames[1, :, :80] = 200
    teacher = OpenAICompatible(base_url=server.url, model="some/model", longest=80, temperature=0.3, max_tokens=77)
    list(teacher.load("cpu")([observe(2, frames=frames)]))
    (asked,) = server.asked
    assert (asked["model"], asked["temperature"], asked["max_tokens"]) == ("some/model", 0.3, 77)
    assert "response_format" not in asked
    (message,) = asked["messages"]
    *shown, told = message["content"]
    pictures = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(p["image_url"]["url"].split(",")[1])))) for p in shown
    ]
    assert [p.shape for p in pictures] == [(45, 80, 3)] * 2
    assert pictures[0].max() < 10
    assert (pictures[1][:, :36] > 180).all() and (pictures[1][:, 44:] < 20).all()
    assert all(p["image_url"]["url"].startswith("data:image/jpeg;base64,") for p in shown)
    for part in (
        "# Title",
        "# Context",
        'Ben: "Again? I can\'t believe it."',
        "# Objective",
        "# Constraint",
        "at 0.0, 0.2",
    ):
        assert part in told["text"]


def test_structure_history_and_what_is_not_sent(ask, server):
    ask(structured=False, before=0, temperature=None, max_tokens=None)
    (asked,) = server.asked
    assert "temperature" not in asked and "max_tokens" not in asked
    assert "# Title" not in asked["messages"][0]["content"][-1]["text"]


@pytest.mark.parametrize(("mode", "kind"), [("object", "json_object"), ("schema", "json_schema")])
def test_json_is_asked_for_where_the_server_can(ask, server, mode, kind):
    ask(json_mode=mode)
    form = server.asked[0]["response_format"]
    assert form["type"] == kind
    if mode == "schema":
        assert form["json_schema"]["schema"]["required"] == ["face", "body", "posture"]
        assert form["json_schema"]["schema"]["additionalProperties"] is False


def test_an_utterance_without_video_is_not_asked_about(ask, server, observe):
    teacher = OpenAICompatible(base_url=server.url, model="m")
    found = dict(teacher.load("cpu")([observe(0), observe(1, frames=np.zeros((1, 8, 8, 3)))]))
    assert found["talk_u0"] == merc.Annotation(reason="the file is missing")
    assert found["talk_u1"].cues == CUES
    assert len(server.asked) == 1


# answers that do not fit

BAD = {
    "prose": ("She smiles and waves.", "prose without a JSON object"),
    "half of a field": ('{"face": "She smiles.", "body": "She wav', "breaks off within the JSON object"),
    "half of the fields": ('{"face": "She smiles."}', "body is missing; posture is missing"),
    "another language": (
        json.dumps({"face": "Sie lächelt und das Gesicht ist mir zugewandt.", "body": None, "posture": None}),
        "not in English",
    ),
    "nothing": ("", "the answer is empty"),
}


@pytest.mark.parametrize("what", BAD)
def test_an_answer_that_does_not_fit_is_asked_for_again_and_the_fault_named(ask, server, what):
    text, fault = BAD[what]
    server.plan = lambda number, asked: Reply(text if number == 0 else GOOD)
    (found,) = ask().values()
    assert found.cues == CUES
    assert found.raw == (text, GOOD)
    roles = [message["role"] for message in server.asked[1]["messages"]]
    assert roles == ["user", "assistant", "user"]
    assert fault in server.asked[1]["messages"][2]["content"]


@pytest.mark.parametrize("what", BAD)
def test_when_no_answer_fits_the_reason_is_final_and_the_answers_kept(ask, server, what):
    text, fault = BAD[what]
    server.plan = lambda number, asked: Reply(text)
    (found,) = ask(attempts=2).values()
    assert found.raw == (text, text)
    assert "none of the teacher's 2 answers fit" in found.reason and fault in found.reason
    assert not found.retry
    assert len(server.asked) == 2


def test_no_content_and_an_answer_cut_off(ask, server):
    server.plan = lambda number, asked: Reply(None) if number == 0 else Reply('{"face": 1 2', finish="length")
    (found,) = ask(attempts=2).values()
    assert found.raw == ("", '{"face": 1 2')
    assert "breaks off" in found.reason


# a server in trouble


@pytest.mark.parametrize("trouble", [Reply(status=500), Reply(status=429), Reply(dies=True), Reply(wait=1.0)])
def test_what_passes_is_asked_again(ask, server, trouble):
    server.plan = lambda number, asked: trouble if number == 0 else Reply()
    (found,) = ask(retries=1, timeout=0.5).values()
    assert found.cues == CUES
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (Reply("overloaded", status=500), r"answered HTTP 500 \(asked 2 times\): overloaded"),
        (Reply("slow down", status=429), r"answered HTTP 429 \(asked 2 times\): slow down"),
        (Reply("too many pictures", status=400), "answered HTTP 400: too many pictures"),
        (Reply(dies=True), r"the connection to .* failed \(asked 2 times\): "),
        (Reply(wait=0.6), r"gave no answer within 0.3 s \(asked 2 times\)"),
        (Reply(body=b"{}"), "answered what is no chat completion"),
        (Reply(body=b"<html>"), "answered what is no chat completion"),
        (Reply(body=b"<html>", headers={"Content-Type": "text/html"}), "answered what is no chat completion"),
    ],
)
def test_what_lasts_is_listed_and_may_be_asked_next_time(ask, server, trouble, reason):
    server.plan = lambda number, asked: trouble if line_of(asked) == "Line 1." else Reply()
    found = ask(3, retries=1, timeout=0.3)
    assert found["u0"].cues == found["u2"].cues == CUES
    assert found["u1"].retry
    with pytest.raises(AssertionError, match=reason):
        raise AssertionError(found["u1"].reason)


def test_retry_after_is_kept_to(ask, server):
    times = []

    def plan(number, asked):
        times.append(time.monotonic())
        return Reply(status=429, headers={"Retry-After": "1.2"}) if number == 0 else Reply()

    server.plan = plan
    (found,) = ask(retries=1).values()
    assert found.cues == CUES
    # the client's own first wait is half a second
    assert times[1] - times[0] > 1.1


def test_a_server_that_is_not_there(observe):
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as gone:
        url = f"http://127.0.0.1:{gone.server_address[1]}/v1"
    (found,) = dict(OpenAICompatible(base_url=url, model="m", retries=0).load("cpu")(many(observe, 1))).values()
    assert found.retry and f"the connection to {url} failed" in found.reason


def test_a_server_that_dies_midway(ask, server):
    server.plan = lambda number, asked: Reply() if number < 3 else Reply(dies=True)
    found = ask(8, concurrency=1, give_up=2)
    assert [name for name, one in found.items() if one.cues] == ["u0", "u1", "u2"]
    # after two in a row it does not try the others, which stay unasked
    assert [name for name, one in found.items() if one.retry] == ["u3", "u4"]
    assert len(found) == 5


def test_failures_now_and_then_do_not_end_the_pass(ask, server):
    server.plan = lambda number, asked: Reply() if number % 2 else Reply(status=500)
    found = ask(6, concurrency=1, give_up=2)
    assert len(found) == 6 and sum(bool(one.cues) for one in found.values()) == 3


def test_the_budget_counts_every_request(ask, server):
    server.plan = lambda number, asked: Reply("prose") if number == 0 else Reply(status=500) if number == 2 else Reply()
    found = ask(8, concurrency=1, retries=2, budget=5)
    # u0 takes two, u1 two with its retry, u2 one
    assert len(server.asked) == 5
    assert [name for name, one in found.items() if one.cues] == ["u0", "u1", "u2"]
    assert found["u3"] == merc.Annotation(reason="the budget of 5 requests is spent", retry=True)
    assert len(found) == 4


def test_what_an_utterance_had_answered_before_the_budget_ended_is_kept(ask, server):
    server.plan = lambda number, asked: Reply("prose")
    (found,) = ask(budget=1).values()
    assert found == merc.Annotation(reason="the budget of 1 requests is spent", retry=True, raw=("prose",))


@pytest.mark.parametrize("concurrency", [1, 3])
def test_so_many_requests_at_once(ask, server, concurrency):
    server.plan = lambda number, asked: Reply(wait=0.1)
    assert len(ask(6, concurrency=concurrency)) == 6
    assert server.most_at_once == concurrency


def test_media_are_taken_no_sooner_than_they_are_needed(server, observe):
    taken = []

    def observations():
        for one in many(observe, 9):
            taken.append(one.query.target.id)
            yield one

    given = OpenAICompatible(base_url=server.url, model="m", concurrency=2).load("cpu")(observations())
    next(given)
    assert len(taken) <= 3
    given.close()
    assert len(taken) <= 3


# mistakes of the user


@pytest.mark.parametrize(
    ("status", "key", "message"),
    [
        (401, "TEACHER_KEY", r"wants another key \(HTTP 401\); check the key in TEACHER_KEY"),
        (403, None, r"wants another key \(HTTP 403\); name the variable that holds a key in 'key'"),
        (404, None, r"has no model 'm', or no chat completions at this base_url \(HTTP 404: unknown\)"),
    ],
)
def test_what_no_waiting_mends_stops_the_pass(ask, server, monkeypatch, status, key, message):
    monkeypatch.setenv("TEACHER_KEY", KEY)
    server.plan = lambda number, asked: Reply("unknown", status=status)
    with pytest.raises(merc.MercError, match=message):
        ask(3, key=key, retries=3)


def test_what_was_done_before_a_mistake_showed_stays_done(server, observe):
    server.plan = lambda number, asked: Reply() if number < 2 else Reply(status=401)
    given = OpenAICompatible(base_url=server.url, model="m", concurrency=1).load("cpu")(many(observe, 5))
    assert [next(given)[0], next(given)[0]] == ["u0", "u1"]
    with pytest.raises(merc.MercError, match="wants another key"):
        next(given)


def test_a_key_that_is_not_in_the_environment(monkeypatch):
    monkeypatch.delenv("TEACHER_KEY", raising=False)
    with pytest.raises(merc.MercError, match="the environment has no variable TEACHER_KEY, which 'key' names"):
        OpenAICompatible(base_url="http://localhost:1/v1", model="m", key="TEACHER_KEY").load("cpu")


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"base_url": "localhost:8000"}, "base_url is an address such as http://localhost:8000/v1"),
        ({"base_url": "http://me:secret@host/v1"}, "base_url holds a user, a password or a query"),
        ({"base_url": "http://host/v1?key=secret"}, "base_url holds a user, a password or a query"),
        ({"key": KEY}, "key is the name of an environment variable"),
        ({"frames": 0}, "frames counts from 1, not 0"),
        ({"attempts": 0}, "attempts counts from 1, not 0"),
        ({"concurrency": 0}, "concurrency counts from 1, not 0"),
        ({"retries": -1}, "retries counts from 0, not -1"),
        ({"before": -1}, "before counts from 0, not -1"),
        ({"budget": 0}, "budget counts from 1, or is null for no limit; it is 0"),
        ({"timeout": 9.0, "deadline": 5.0}, r"deadline \(5 s\) is at least timeout \(9 s\)"),
        ({"timeout": 0.0}, "timeout is a time in seconds above 0, not 0"),
    ],
)
def test_parameters_are_checked(params, message):
    with pytest.raises(ValueError, match=message) as error:
        OpenAICompatible(**{"base_url": "http://host/v1", "model": "m", **params})
    assert "secret" not in str(error.value)


# the key


def test_the_key_goes_to_the_server_and_nowhere_else(ask, server, monkeypatch, caplog, tmp_path):
    monkeypatch.setenv("TEACHER_KEY", KEY)
    # a server that repeats the key in all that it says
    replies = [Reply(f"your key is {KEY}"), Reply(f"bad request with {KEY}", status=400), Reply(KEY, status=401)]
    server.plan = lambda number, asked: replies[number]
    shown = []
    with caplog.at_level(logging.DEBUG):
        shown += ask(key="TEACHER_KEY", attempts=2).values()
        with pytest.raises(merc.MercError) as error:
            ask(key="TEACHER_KEY")
    assert [one["authorization"] for one in server.headers] == [f"Bearer {KEY}"] * 3
    teacher = OpenAICompatible(base_url=server.url, model="m", key="TEACHER_KEY")
    told = [str(error.value), repr(error.value), repr(shown), caplog.text, repr(teacher), repr(teacher.identity())]
    assert "[key]" in repr(shown)
    assert not [text for text in told if KEY in text or KEY[:12] in text]


def test_without_a_key_none_is_sent(ask, server, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    teacher = OpenAICompatible(base_url=server.url, model="m")
    assert teacher.key is None
    ask()
    assert KEY not in repr(server.headers)


def test_answers_are_kept_by_what_they_depend_on(talk):
    def identity(**params):
        return OpenAICompatible(**{"base_url": "http://host/v1", "model": "m", **params}).identity()

    same = [{"key": "A"}, {"budget": 3}, {"concurrency": 9}, {"retries": 1}, {"timeout": 3.0}, {"give_up": 2}]
    same += [{"deadline": 900.0}, {"base_url": "http://other/v1"}, {"max_tokens": 99}, {"attempts": 7}]
    assert all(identity(**params) == identity() for params in same)
    other = [
        {"model": "n"},
        {"frames": 3},
        {"structured": False},
        {"temperature": 1.0},
    ]
    assert all(identity(**params) != identity() for params in other)
    assert "# Constraint" in identity()["prompt"]
    query = merc.Query(conversation=talk, index=2, labels=merc.LabelSpace(()))
    teacher = OpenAICompatible(base_url="http://host/v1", model="m", before=1)
    assert teacher.context(query) == [["Ben", "Again? I can't believe it."]]


def test_a_refusal_is_final_for_the_limits_that_it_reached(ask, server):
    server.plan = lambda number, asked: Reply("prose")
    assert ask(attempts=2)["u0"].reached == ("attempts",)
    server.plan = lambda number, asked: Reply('{"face": 1 2', finish="length")
    assert ask(attempts=1)["u0"].reached == ("attempts", "max_tokens")
    server.plan = lambda number, asked: Reply('{"face": 1 2', finish="length") if number % 2 else Reply()
    assert ask(attempts=2)["u0"].reached == ()


def test_the_function_may_be_called_again_and_the_budget_counts_on(server, observe):
    annotate = OpenAICompatible(base_url=server.url, model="m", budget=3, concurrency=1).load("cpu")
    assert [one.cues for _, one in annotate(many(observe, 2))] == [CUES, CUES]
    found = dict(annotate(many(observe, 3)))
    assert found["u0"].cues == CUES and "budget of 3" in found["u1"].reason
    assert len(server.asked) == 3


def test_a_pass_that_is_left_ends_what_is_on_its_way(server, observe):
    server.plan = lambda number, asked: Reply() if number == 0 else Reply(wait=20)
    given = OpenAICompatible(base_url=server.url, model="m", concurrency=2).load("cpu")(many(observe, 9))
    next(given)
    before = time.monotonic()
    given.close()
    while any(one.name.startswith("teacher") for one in threading.enumerate()):
        assert time.monotonic() - before < 5
        time.sleep(0.01)


class TestContract(merc.testing.AnnotatorContract):
    name = "openai-compatible"
    component = OpenAICompatible(base_url="http://127.0.0.1:1/v1", model="m")

    @classmethod
    def setup_class(cls) -> None:
        cls.server = ChatServer()
        cls.component = OpenAICompatible(base_url=cls.server.url, model="m", retries=0)

    @classmethod
    def teardown_class(cls) -> None:
        cls.server.shutdown()
        cls.server.server_close()


def test_a_budget_is_of_the_whole_pass():
    teacher = OpenAICompatible(base_url="http://localhost:1/v1", model="m")
    assert teacher.may_be_divided() and not replace(teacher, budget=5).may_be_divided()
