"""Decoder ``openai-compatible``: a model on a server answers, with probabilities where the server gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from merc_bemerc import Passing, Server, check_asking

import merc
from merc.answers import read_answer, vocabulary_of_labels
from merc_omni.kept_answers import KeptAnswers
from merc_omni.label_tokens import label_shares

_WHO = "decoder openai-compatible"


@dataclass(frozen=True, kw_only=True)
class Served(merc.Decoder):
    """Asks a model on an OpenAI-compatible server (a hosted one, vLLM, llama.cpp) instead of the recipe's own, which is
    not needed then. The server is shown words and cues; it is sent neither pictures nor sound.

    With ``probabilities: top`` a label's probability is what the server's likeliest tokens say of the answer's first
    tokens, shared among the labels that they may begin; how much of all they cover is kept as ``covered``. With
    ``exact`` every word of every label is scored as a whole, which vLLM's server does (``prompt_logprobs``): a request
    a word.
    """

    answers: ClassVar[Literal["labels", "none"]] = "none"
    asks_model: ClassVar[bool] = False
    base_url: str
    """The address of the server, such as ``http://localhost:8000/v1``."""
    model: str
    """The model's name on the server."""
    key: str | None = None
    """The *name* of the environment variable that holds the key; null sends none. The key itself is read when the
    server is asked, and written nowhere."""
    probabilities: Literal["top", "exact", "none"] = "none"
    """Where the labels' probabilities come from: ``top`` the likeliest tokens of an answer, ``exact`` the scores of
    every label; ``none`` asks for no probabilities, and metrics that need some cannot be had."""
    top: int = 20
    """How many likeliest tokens the server is asked for; 20 is the most that most give."""
    instruction: str = "Answer with one of these words and nothing else: {labels}."
    """What follows the prompt, with the labels in the place of ``{labels}``; empty adds nothing."""
    temperature: float | None = 0.0
    """The temperature that is sent; null sends none, for models that take none."""
    max_tokens: int | None = 16
    """The most tokens of an answer; null sends none, for models that take none."""
    concurrency: int = 4
    """Requests that are on their way at once."""
    timeout: float = 120.0
    """Seconds without a byte after which a request has failed."""
    deadline: float | None = None
    """Seconds after which a response that is not complete is given up; null is twice ``timeout``."""
    retries: int = 5
    """How often a failed request is sent again."""
    budget: int | None = None
    """The most requests of one pass, retries included; null is no limit."""
    give_up: int = 10
    """After so many utterances in a row that failed, the pass ends with an error; what was answered is kept."""
    keep: bool = True
    """Whether answers are kept on this machine, so that no question is paid for twice."""

    json_mode: ClassVar[Literal["none", "object", "schema"]] = "none"

    def __post_init__(self) -> None:
        check_asking(self, ("top", "concurrency", "give_up"))
        merc.check_placeholder("instruction", self.instruction, "labels")

    @property
    def gives(self) -> frozenset[str]:  # type: ignore[override]
        """A text, and probabilities where they are asked for."""
        return frozenset({"text"} if self.probabilities == "none" else {"text", "probabilities"})

    def servers(self) -> Sequence[str]:
        """The server at ``base_url``."""
        return (self.base_url,)

    def variables(self) -> Sequence[str]:
        """The variable that holds the key."""
        return (self.key,) if self.key else ()

    def decode(self, model: merc.Model, queries: Sequence[merc.Query]) -> Sequence[merc.Decoded]:
        """The answers of the server. Raises MercError where it cannot be asked, and where it gives no probabilities
        that are wanted."""
        server = Server(self, _WHO)
        server.start()
        asks = _Asks(self, server, KeptAnswers(self.base_url, self.model) if self.keep else None)
        questions = [(query, messages_of(model.prompt(query), query, self.instruction)) for query in queries]
        decoded: list[merc.Decoded] = []
        failed = 0
        ask = merc.in_threads(lambda one: asks.answer(*one), questions, self.concurrency, server.stop)
        with closing(ask) as answers:
            for _, one in answers:
                decoded.append(one)
                failed = failed + 1 if "unanswered" in one.details else 0
                if failed >= self.give_up or (failed and server.spent):
                    raise merc.MercError(
                        f"{_WHO}: {failed} utterances in a row got no answer, of {len(queries)}: "
                        f"{one.details['unanswered']}; what was answered is {'kept' if self.keep else 'lost'}, so "
                        "mend the server or evaluate.decoder, and start again"
                    )
        return decoded


class _Asks:
    """What is asked about one utterance, from any thread."""

    def __init__(self, how: Served, server: Server, answers: KeptAnswers | None) -> None:
        self._how, self._server, self._kept = how, server, answers

    def answer(self, query: merc.Query, messages: Sequence[Mapping[str, Any]]) -> merc.Decoded:
        """The answer to one query; without a label, and with the reason, where there is none."""
        how = self._how
        try:
            response = self._ask(messages, self._options())
            text = text_of(response)
            label = _label(text, query.labels)
            if how.probabilities == "none":
                return merc.Decoded(label=label, text=text)
            if how.probabilities == "exact":
                shares, details = self._exact(query.labels, messages), {}
            else:
                shares, covered = label_shares(_steps(response, how), query.labels)
                details = {"covered": round(covered, 6)}
        except Passing as error:
            if how.probabilities != "none":
                remedy = "what was answered is kept, so start again" if how.keep else "start again"
                raise merc.MercError(
                    f"{_WHO}: {query.target.id!r} got no answer, and so has no probabilities: {error}; {remedy}"
                ) from None
            return merc.Decoded(label=None, text="", details={"unanswered": str(error)})
        if shares is None:
            raise merc.MercError(
                f"{_WHO}: none of the {how.top} likeliest tokens of the answer {text!r} about {query.target.id!r} "
                "begins a label; ask for labels alone in evaluate.decoder.instruction, or set "
                "evaluate.decoder.probabilities=none"
            )
        return merc.Decoded(label=max(shares, key=shares.__getitem__), probabilities=shares, text=text, details=details)

    def _options(self) -> dict[str, Any]:
        return {"logprobs": True, "top_logprobs": self._how.top} if self._how.probabilities == "top" else {}

    def _ask(self, messages: Sequence[Mapping[str, Any]], more: Mapping[str, Any]) -> Mapping[str, Any]:
        """A response as plain values, kept or asked for now."""
        how = self._how
        question = {"messages": list(messages), "temperature": how.temperature, "max_tokens": how.max_tokens, **more}
        known = self._kept.read(question) if self._kept is not None else None
        if known is not None:
            return known
        response = self._server.complete([dict(message) for message in messages], more)
        if self._kept is not None:
            self._kept.write(question, response)
        return response

    def _exact(self, labels: merc.LabelSpace, messages: Sequence[Mapping[str, Any]]) -> dict[str, float]:
        """The softmax over labels of the log-probability of their words as answers."""
        import numpy as np

        scores = []
        for label in labels.labels:
            words = []
            for word in labels.words_of(label):
                # The answer begins as the model's own would, and goes on with nothing.
                turn = {"role": "assistant", "content": word}
                more = {"prompt_logprobs": 0, "add_generation_prompt": False, "continue_final_message": True}
                words.append(prompt_score(self._ask([*messages, turn], more), word, self._how.base_url))
            scores.append(np.logaddexp.reduce(words))
        shares = np.exp(np.asarray(scores) - np.logaddexp.reduce(scores))
        return dict(zip(labels.labels, (float(one) for one in shares), strict=True))


def messages_of(prompt: merc.Prompt, query: merc.Query, instruction: str) -> list[dict[str, Any]]:
    """A prompt as the messages of a chat. One without turns is one message of the user. Raises MercError for a prompt
    that shows media, or ends within the model's own turn."""
    streams = sorted({segment.stream for segment in prompt.segments if isinstance(segment, merc.Slot)})
    if streams:
        raise merc.MercError(
            f"{_WHO}: evaluate.prompter shows {', '.join(streams)}, and a server is sent words alone; take the streams "
            "out of the prompter (media=[]), and show what they hold as cues"
        )
    messages: list[dict[str, Any]] = []
    for segment in prompt.segments[:-1]:
        if isinstance(segment, merc.Turn):
            messages.append({"role": segment.role, "content": ""})
        elif isinstance(segment, merc.Text):
            messages = messages or [{"role": "user", "content": ""}]
            messages[-1]["content"] += segment.text
        else:
            raise merc.MercError(
                f"{_WHO}: evaluate.prompter writes the control tokens {getattr(segment, 'text', '')!r}, which are "
                "another model's; choose a prompter without them"
            )
    if messages and messages[-1]["role"] == "assistant":
        last = messages.pop()
        if last["content"].strip():
            raise merc.MercError(
                f"{_WHO}: evaluate.prompter begins the answer itself ({last['content'][:40]!r}), which a chat server "
                "does not go on from; choose a prompter that asks in the user's turn"
            )
    if instruction:
        words = [query.labels.words_of(label)[0] for label in query.labels.labels]
        messages[-1]["content"] = f"{messages[-1]['content'].rstrip()}\n{instruction.format(labels=', '.join(words))}"
    return messages


def text_of(response: Mapping[str, Any]) -> str:
    """What a response says."""
    message = response["choices"][0]["message"]
    return str(message.get("content") or message.get("refusal") or "")


def _label(text: str, labels: merc.LabelSpace) -> str | None:
    """The one label that an answer names."""
    read = read_answer(text, vocabulary_of_labels(labels)).labels
    return read[0] if len(read) == 1 else None


def _steps(response: Mapping[str, Any], how: Served) -> list[tuple[str, dict[str, float]]]:
    """The tokens of an answer, each with the likeliest ones at its place and their log-probabilities."""
    logprobs = response["choices"][0].get("logprobs") or {}
    steps = [
        (str(step["token"]), {str(one["token"]): float(one["logprob"]) for one in step.get("top_logprobs") or ()})
        for step in logprobs.get("content") or ()
    ]
    if not any(top for _, top in steps):
        raise merc.MercError(
            f"{_WHO}: the server at {how.base_url} gives no logprobs for {how.model!r}; set "
            "evaluate.decoder.probabilities=none, and measure without what needs probabilities"
        )
    return steps


def prompt_score(response: Mapping[str, Any], word: str, server: str) -> float:
    """The log-probability of the word that a prompt ends with, by vLLM's ``prompt_logprobs``."""
    tail, score = "", 0.0
    for step in reversed(response.get("prompt_logprobs") or ()):
        if not step:
            break
        one = next(iter(step.values()))
        tail, score = f"{one.get('decoded_token', '')}{tail}", score + float(one["logprob"])
        if tail.strip() == word.strip():
            return score
        if len(tail.strip()) > len(word.strip()):
            break
    raise merc.MercError(
        f"{_WHO}: the server at {server} gives no scores of a prompt that end with {word!r} (prompt_logprobs, as "
        "vLLM's server has them); set evaluate.decoder.probabilities=top, or none"
    )
