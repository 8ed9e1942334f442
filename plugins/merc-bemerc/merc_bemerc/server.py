"""A server that speaks chat completions: one question and its answer, retries, the budget, and the key."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Any, Literal, Protocol

from merc import MercError

_LONGEST = 200
"""Characters of a server's own message that are passed on."""


class Reached(Protocol):
    """How a server is reached and asked; the parameters of ``openai-compatible`` of these names say what each means."""

    base_url: str
    model: str
    key: str | None
    json_mode: Literal["none", "object", "schema"]
    temperature: float | None
    max_tokens: int | None
    timeout: float
    retries: int
    budget: int | None


class Passing(Exception):
    """There is no answer, for a reason that may pass; the message says which."""


class _NoMore(Exception):
    """No further request may be sent."""


class Server:
    """Asks one server; may be used by several threads. Retries and their waits are the ``openai`` client's own."""

    def __init__(self, teacher: Reached, who: str = "annotator openai-compatible") -> None:
        """``who`` is the component that asks, for messages. Raises MercError when the variable that holds the key is
        not set."""
        import openai

        self._teacher, self._who = teacher, who
        self._key = _key_in(teacher.key, who) if teacher.key else ""
        self._lock = threading.Lock()
        self._sent = 0
        self._stopped = False
        self.spent = False
        http = openai.DefaultHttpxClient(event_hooks={"request": [self._count]})
        self._client = openai.OpenAI(
            base_url=teacher.base_url,
            # the client would take a key from OPENAI_API_KEY by itself, for a server that it is not meant for
            api_key=self._key or "none",
            timeout=teacher.timeout,
            max_retries=teacher.retries,
            http_client=http,
        )

    def stop(self) -> None:
        """Let no further request go out."""
        self._stopped = True

    def ask(self, messages: Sequence[dict[str, Any]]) -> tuple[str, bool]:
        """The answer, and whether it was cut off at ``max_tokens``. Raises Passing, and MercError where the recipe or
        the key is wrong."""
        import openai

        teacher = self._teacher
        asked: dict[str, Any] = {"model": teacher.model, "messages": list(messages)}
        if teacher.temperature is not None:
            asked["temperature"] = teacher.temperature
        if teacher.max_tokens is not None:
            asked["max_tokens"] = teacher.max_tokens
        if teacher.json_mode != "none":
            asked["response_format"] = _response_format(teacher.json_mode)
        where = f"the server at {teacher.base_url}"
        try:
            given = self._client.chat.completions.create(**asked)
        except _NoMore:
            budget = f"the budget of {teacher.budget} requests is spent"
            raise Passing(budget if self.spent else "asking was stopped") from None
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            # such a server likes to repeat the key, or half of it, so its own message is not passed on
            mend = f"check the key in {teacher.key}" if teacher.key else "name the variable that holds a key in 'key'"
            raise MercError(f"{where} wants another key (HTTP {error.status_code}); {mend}") from None
        except openai.NotFoundError as error:
            raise MercError(
                f"{where} has no model {teacher.model!r}, or no chat completions at this base_url (HTTP 404: "
                f"{self._told(error)}); check base_url and model of {self._who}"
            ) from None
        except openai.APITimeoutError:
            raise Passing(f"{where} gave no answer within {teacher.timeout:g} s{self._tries()}") from None
        except openai.APIStatusError as error:
            again = self._tries() if error.status_code in (408, 409, 429) or error.status_code >= 500 else ""
            raise Passing(f"{where} answered HTTP {error.status_code}{again}: {self._told(error)}") from None
        except openai.APIConnectionError as error:
            cause = self._clean(str(error.__cause__ or error))
            raise Passing(f"the connection to {teacher.base_url} failed{self._tries()}: {cause}") from None
        except (openai.APIError, ValueError) as error:
            raise Passing(f"{where} answered what is no chat completion: {self._clean(str(error))}") from None
        choices = getattr(given, "choices", None)
        if not choices or getattr(choices[0], "message", None) is None:
            raise Passing(f"{where} answered what is no chat completion: {self._clean(str(given))}")
        said = choices[0].message
        answer = said.content if isinstance(said.content, str) else ""
        refusal = getattr(said, "refusal", None)
        return self._without_key(answer or refusal or ""), choices[0].finish_reason == "length"

    def _count(self, request: object) -> None:
        """Called before each request goes out, retries among them."""
        with self._lock:
            budget = self._teacher.budget
            if budget is not None and self._sent >= budget:
                self.spent = True
            if self.spent or self._stopped:
                raise _NoMore
            self._sent += 1

    def _tries(self) -> str:
        retries = self._teacher.retries
        return f" (asked {retries + 1} times)" if retries else ""

    def _told(self, error: Any) -> str:
        """What the server said of an error."""
        body = error.body
        message = body.get("message") if isinstance(body, dict) else None
        return self._clean(str(message or body or error))

    def _clean(self, text: str) -> str:
        text = " ".join(self._without_key(text).split())
        return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "[key]") if self._key else text


def _key_in(variable: str, who: str) -> str:
    key = os.environ.get(variable, "").strip()
    if not key:
        raise MercError(
            f"{who}: the environment has no variable {variable}, which 'key' names; "
            f"set it to the server's key: export {variable}=…"
        )
    return key


def _response_format(mode: str) -> dict[str, Any]:
    if mode == "object":
        return {"type": "json_object"}
    from merc_bemerc.answers import Behaviour

    schema = {"name": "behaviour", "schema": Behaviour.model_json_schema(), "strict": True}
    return {"type": "json_schema", "json_schema": schema}
