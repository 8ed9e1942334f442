"""What all annotators share that ask a server which speaks chat completions."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import urlsplit

from merc import AnnotateFunction, Annotation, Annotator, Cost, Observation, Utterance
from merc_bemerc.asking import answers_of
from merc_bemerc.server import Server

CLUE_TOKENS, WORD_TOKENS, SECONDS_OF_SOUND = 60, 1.4, 4.0
"""Assumed: tokens of a clue that is not written yet, tokens of a word, and seconds of an utterance whose times are not
known."""
PATCH, SOUND_TOKENS = 28, 25
"""Pixels of a side of what becomes a token of a picture, and tokens of a second of sound, as in Qwen's models."""


def picture_tokens(longest: int) -> int:
    """The tokens of a picture of four by three, whose longer side has so many pixels.

    >>> picture_tokens(512)
    266
    """
    return math.ceil(longest / PATCH) * math.ceil(0.75 * longest / PATCH)


def sound_tokens(utterance: Utterance) -> float:
    """The tokens of an utterance's sound.

    >>> sound_tokens(Utterance(id="u", text="So.", start=1.0, end=3.0))
    50.0
    """
    known = utterance.start is not None and utterance.end is not None
    return SOUND_TOKENS * (utterance.end - utterance.start if known else SECONDS_OF_SOUND)


_ASIDE = {
    "base_url",
    "max_tokens",
    "attempts",
    "key",
    "concurrency",
    "timeout",
    "deadline",
    "retries",
    "budget",
    "give_up",
}


@dataclass(frozen=True, kw_only=True)
class ServerTeacher(Annotator):
    """An annotator that asks a model on an OpenAI-compatible server (vLLM, llama.cpp, a hosted one).

    A request that fails for a passing reason (429, 5xx, a time-out, a connection that breaks) is sent again with
    growing waits, or the server's own Retry-After up to two minutes. What failed all the same is asked again in the
    next pass.
    """

    base_url: str
    """The address of the server, such as ``http://localhost:8000/v1``."""
    model: str
    """The model's name on the server."""
    key: str | None = None
    """The *name* of the environment variable that holds the key; null sends none. The key itself is read when the
    server is asked, and written nowhere."""
    attempts: int = 3
    """How often an answer that does not fit the schema is asked for; after the first time the fault is named."""
    json_mode: Literal["none", "object", "schema"] = "none"
    """How the server is asked for JSON: as an ``object``, by a ``schema``, or not at all where it knows neither."""
    temperature: float | None = 0.0
    """The temperature that is sent; null sends none, for models that take none."""
    max_tokens: int | None = 400
    """The most tokens of an answer that are asked for; null sends none, for models that take none."""
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
    """After so many utterances in a row that failed, the pass ends."""

    def __post_init__(self) -> None:
        check_asking(self, ("attempts", "concurrency", "give_up"))

    def servers(self) -> Sequence[str]:
        """The server at ``base_url``."""
        return (self.base_url,)

    def variables(self) -> Sequence[str]:
        """The variable that holds the key."""
        return (self.key,) if self.key else ()

    def cost(self, utterance: Utterance) -> Cost:
        """Its prompt in words, clues that are not written yet by a guess, and ``media_tokens``."""
        words = len(str(self.identity()).split()) + 3 * len(utterance.text.split())
        tokens = words * WORD_TOKENS + CLUE_TOKENS * len(self.reads()) + self.media_tokens(utterance)
        return Cost(
            model=self.model, tokens_in=round(tokens), tokens_out=self.max_tokens or 0, at_once=self.concurrency
        )

    def media_tokens(self, utterance: Utterance) -> float:
        """Tokens of the pictures and the sound of a request, about; by default none."""
        return 0.0

    def may_be_divided(self) -> bool:
        """Not where a budget of requests holds for the whole pass."""
        return super().may_be_divided() and self.budget is None

    def identity(self) -> Mapping[str, Any]:
        """Its parameters but those that say where the server is, how it is reached and how often. ``max_tokens`` and
        ``attempts`` count for answers that reached them alone."""
        return {name: value for name, value in super().identity().items() if name not in _ASIDE}

    def answering(self, server: Server, describe: Callable[[Observation], Annotation]) -> AnnotateFunction:
        """What ``load`` gives: ``describe`` called for each observation, ``concurrency`` at once, as ``answers_of`` has
        it."""

        def annotate(observations: Iterable[Observation]) -> Iterator[tuple[str, Annotation]]:
            return answers_of(server, observations, describe, self.concurrency, self.give_up)

        return annotate


def check_asking(settings: Any, from_one: Sequence[str]) -> None:
    """See that parameters can say how a server is asked: those of a ``ServerTeacher`` but ``attempts``.

    Args:
        settings: The component that has them.
        from_one: Its parameters that count from 1.

    Raises:
        ValueError: One of them cannot be; the text says which and what it may be.
    """
    parts = urlsplit(settings.base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("base_url is an address such as http://localhost:8000/v1, with http or https")
    if parts.username or parts.password or parts.query:
        raise ValueError(
            "base_url holds a user, a password or a query; name the variable that holds the key in 'key' instead"
        )
    if settings.key is not None and not re.fullmatch("[A-Z_][A-Z0-9_]*", settings.key):
        raise ValueError("key is the name of an environment variable, such as OPENAI_API_KEY, not the key itsettings")
    for name in from_one:
        if getattr(settings, name) < 1:
            raise ValueError(f"{name} counts from 1, not {getattr(settings, name)}")
    if settings.retries < 0:
        raise ValueError(f"retries counts from 0, not {settings.retries}")
    for name in ("budget", "max_tokens"):
        if getattr(settings, name) is not None and getattr(settings, name) < 1:
            raise ValueError(f"{name} counts from 1, or is null for no limit; it is {getattr(settings, name)}")
    if settings.timeout <= 0:
        raise ValueError(f"timeout is a time in seconds above 0, not {settings.timeout:g}")
    if settings.deadline is not None and settings.deadline < settings.timeout:
        raise ValueError(f"deadline ({settings.deadline:g} s) is at least timeout ({settings.timeout:g} s), or null")
