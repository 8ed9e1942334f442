"""A model behind a server answers: asked over real HTTP, with a small server on this machine that follows a script."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from merc_omni.served import Served
from typer.testing import CliRunner

import merc
import merc.testing
from merc.cli.main import app
from merc.consent import forget
from merc.errors import MercError
from merc.recipe import load_recipe
from tests.judging import Judge

LABELS = ("joy", "anger", "sadness")
TALK = {
    "id": "talk",
    "split": "test",
    "utterances": [
        {"id": "u0", "speaker": "Ann", "text": "We won!", "label": "joy"},
        {"id": "u1", "speaker": "Bo", "text": "Get out.", "label": "anger"},
        {"id": "u2", "speaker": "Ann", "text": "He is gone.", "label": "sadness"},
    ],
}
RECIPE = """\
corpus: {name: jsonl, path: talk.jsonl}
labels: [joy, anger, sadness]
evaluate:
  splits: [test]
  prompter: {name: conversation}
  decoder: {name: openai-compatible, base_url: URL, model: m, retries: 0, timeout: 5}
  metrics: [classification]
"""
ANSWERS = {"We won!": "joy", "Get out.": "Anger.", "He is gone.": "sadness"}


class Chat(Judge):
    """Knows the answer by the last words that were said, and gives log-probabilities where it is told to."""

    logprobs = True
    status: int | None = None

    def respond(self, asked: dict[str, Any]) -> str | int | dict[str, Any]:
        if self.status is not None:
            return self.status
        text = asked["messages"][-1]["content"]
        if asked["messages"][-1]["role"] == "assistant":  # vLLM scores the prompt that is given
            ids = [("9", " the"), ("7", text[:2]), ("8", text[2:])]
            steps = [{key: {"logprob": -0.5 * len(text), "rank": 1, "decoded_token": part}} for key, part in ids]
            return {"text": "", "prompt_logprobs": [None, *steps] if self.logprobs else None}
        said = max(ANSWERS, key=text.rfind)
        first = {"We won!": "j", "Get out.": "An", "He is gone.": "sad"}[said]
        if not (asked.get("logprobs") and self.logprobs):
            return ANSWERS[said]
        top = [{"token": t, "logprob": math.log(p)} for t, p in ((first, 0.6), ("joy", 0.2), ("the", 0.1))]
        step = {"token": first, "logprob": math.log(0.6), "top_logprobs": top}
        return {"text": ANSWERS[said], "logprobs": {"content": [step]}}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Chat]:
    monkeypatch.setenv("MERC_ALLOW", "127.0.0.1,env:CHAT_KEY")
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "cache"))
    forget()
    chat = Chat()
    yield chat
    chat.shutdown()
    chat.server_close()


@pytest.fixture
def recipe(tmp_path: Path, server: Chat) -> Path:
    (tmp_path / "talk.jsonl").write_text(json.dumps(TALK) + "\n")
    (tmp_path / "served.yaml").write_text(RECIPE.replace("URL", server.url))
    return tmp_path / "served.yaml"


def run(recipe: Path, *changes: str, command: str = "run") -> Any:
    more = ["--run-dir", str(recipe.parent / "run")] if command == "run" else []
    return CliRunner().invoke(app, [command, str(recipe), *changes, *more])


def predictions(recipe: Path) -> list[dict[str, Any]]:
    lines = (recipe.parent / "run/predictions.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_a_recipe_without_a_backbone_is_evaluated_over_a_server(recipe: Path, server: Chat) -> None:
    done = run(recipe)
    assert done.exit_code == 0, done.output
    assert [one["label"] for one in predictions(recipe)] == ["joy", "anger", "sadness"]
    assert [one["text"] for one in predictions(recipe)] == ["joy", "Anger.", "sadness"]
    asked = server.asked[-1]["messages"]
    assert len(server.asked) == 3 and [one["role"] for one in asked] == ["user"]
    assert asked[0]["content"].endswith("feels\nAnswer with one of these words and nothing else: joy, anger, sadness.")
    counted = run(recipe, "--json", command="params")
    assert counted.exit_code == 0 and json.loads(counted.stdout)["total"] == 0


def test_nothing_is_asked_twice(recipe: Path, server: Chat) -> None:
    run(recipe)
    (recipe.parent / "run").rename(recipe.parent / "first")
    done = run(recipe)
    assert done.exit_code == 0 and len(server.asked) == 3
    again = run(recipe, "evaluate.decoder.max_tokens=8", "evaluate.decoder.keep=false")
    assert again.exit_code != 0  # another recipe than that of the run


def test_probabilities_come_from_the_likeliest_tokens(recipe: Path, server: Chat) -> None:
    done = run(recipe, "evaluate.decoder.probabilities=top")
    assert done.exit_code == 0, done.output
    assert all(one["logprobs"] is True and one["top_logprobs"] == 20 for one in server.asked)
    joy, anger, sadness = predictions(recipe)
    assert joy["probabilities"] == pytest.approx({"joy": 1, "anger": 0, "sadness": 0})
    assert anger["probabilities"] == pytest.approx({"joy": 0.25, "anger": 0.75, "sadness": 0})
    assert (sadness["label"], sadness["details"]["covered"]) == ("sadness", pytest.approx(0.8))


def test_vllm_scores_every_label_exactly(recipe: Path, server: Chat) -> None:
    done = run(recipe, "evaluate.decoder.probabilities=exact")
    assert done.exit_code == 0, done.output
    scored = [one for one in server.asked if one["messages"][-1]["role"] == "assistant"]
    assert len(scored) == 3 * 3 and len(server.asked) == 3 * 4
    assert all(one["continue_final_message"] and not one["add_generation_prompt"] for one in scored)
    scores = [math.exp(-len(word)) for word in LABELS]  # two tokens of -len / 2 each
    expected = {label: score / sum(scores) for label, score in zip(LABELS, scores, strict=True)}
    assert predictions(recipe)[0]["probabilities"] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("way", "word"), [("top", "gives no logprobs for 'm'"), ("exact", "gives no scores of a prompt")]
)
def test_a_server_without_logprobs_is_one_sentence(recipe: Path, server: Chat, way: str, word: str) -> None:
    server.logprobs = False
    done = run(recipe, f"evaluate.decoder.probabilities={way}")
    assert done.exit_code == 2 and word in done.output.replace("\n", " "), done.output
    assert "evaluate.decoder.probabilities=" in done.output and "Traceback" not in done.output


def test_what_got_no_answer_has_no_label_and_many_end_the_run(recipe: Path, server: Chat) -> None:
    server.status = 503
    done = run(recipe)
    assert done.exit_code == 0, done.output
    assert [one["label"] for one in predictions(recipe)] == [None] * 3
    assert all("HTTP 503" in one["details"]["unanswered"] for one in predictions(recipe))
    (recipe.parent / "run").rename(recipe.parent / "first")
    done = run(recipe, "evaluate.decoder.give_up=2")
    assert done.exit_code == 2 and "2 utterances in a row got no answer, of 3" in done.output.replace("\n", " ")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("evaluate.decoder.base_url=localhost:8000", "base_url is an address"),
        ("evaluate.decoder.key=sk-abc", "name of an environment variable"),
        ("evaluate.decoder.top=0", "top counts from 1"),
        ("evaluate.decoder.deadline=1", "deadline (1 s) is at least timeout"),
        ("evaluate.decoder.instruction='{x}'", "instruction may hold {labels}"),
    ],
)
def test_a_parameter_that_cannot_be_is_one_sentence(recipe: Path, change: str, words: str) -> None:
    done = run(recipe, change, command="validate")
    assert done.exit_code == 2 and words in done.output, done.output


def test_a_decoder_that_asks_the_model_needs_a_backbone(recipe: Path) -> None:
    with pytest.raises(MercError, match="backbone: is missing, and evaluate needs one"):
        load_recipe(str(recipe), ["evaluate.decoder={name: verbalizer}"])


@pytest.mark.parametrize(
    ("segments", "words"),
    [
        ((merc.Slot("video", "u"), merc.Answer()), "shows video, and a server is sent words alone"),
        ((merc.Control("<|im_end|>"), merc.Answer()), "control tokens '<|im_end|>'"),
        (
            (merc.Turn("user"), merc.Text("Hi"), merc.Turn("assistant"), merc.Text("So"), merc.Answer()),
            "begins the answer itself",
        ),
    ],
)
def test_what_a_server_cannot_be_shown_is_one_sentence(segments: Any, words: str) -> None:
    from merc_omni.served import messages_of

    talk = merc.Conversation(id="c", utterances=(merc.Utterance(id="u", text="Hi"),))
    query = merc.Query(conversation=talk, index=0, labels=merc.LabelSpace(LABELS))
    with pytest.raises(MercError) as error:
        messages_of(merc.Prompt(segments, "u"), query, "")
    assert words in str(error.value)


class TestServed(merc.testing.DecoderContract):
    name = "openai-compatible"
    component = Served(base_url="http://127.0.0.1:1/v1", model="m")

    @pytest.fixture(autouse=True)
    def _asked(self, server: Chat) -> None:
        server.respond = lambda asked: "joy"  # type: ignore[method-assign]
        type(self).component = Served(base_url=server.url, model="m")
