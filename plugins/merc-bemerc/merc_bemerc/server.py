"""A server that speaks chat completions: one question and its answer, retries, deadlines, the budget, and the key."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, Future
from typing import Any, Literal, Protocol
from urllib.parse import urljoin, urlsplit

from merc import MercError, read_variable, require_server

_LONGEST = 200
"""Characters of a server's own message that are passed on."""

ANSWER_BYTES = 64 * 1024
"""Answers up to this size in UTF-8 are taken; a description has some hundred bytes."""
RESPONSE_BYTES = 1024 * 1024
"""Responses up to this size are read: an answer, and what stands around it, such as what the model thought first."""


_HEADERS = {"accept", "accept-encoding", "connection", "content-length", "content-type", "host", "user-agent"}
"""What a request is sent with, beside the key."""


class Reached(Protocol):
    """How a server is reached and asked; the parameters of ``openai-compatible`` of these names say what each means."""

    base_url: str
    model: str
    key: str | None
    json_mode: Literal["none", "object", "schema"]
    temperature: float | None
    max_tokens: int | None
    timeout: float
    deadline: float | None
    retries: int
    budget: int | None


class Passing(Exception):
    """There is no answer, for a reason that may pass; the message says which."""


class TooLong(Passing):
    """The answer is larger than any description; it was not read to its end, and asking again may help."""


class _NoMore(Exception):
    """No further request may be sent."""


class _Late(Exception):
    """A response was not complete at its deadline."""


class Server:
    """Asks one server; may be used by several threads. Retries and their waits are the ``openai`` client's own.

    Requests run in one thread with an event loop, so that each of them can be ended at any time: at its deadline, and
    by ``stop``.
    """

    def __init__(
        self,
        teacher: Reached,
        who: str = "annotator openai-compatible",
        schema: Mapping[str, Any] | None = None,
    ) -> None:
        """``who`` is the component that asks, for messages; ``schema`` is what ``json_mode: schema`` asks for. Raises
        MercError when the variable that holds the key is not set."""
        self._teacher, self._who, self._schema = teacher, who, schema
        require_server(teacher.base_url, who)
        self._key = _key_in(teacher.key, who) if teacher.key else ""
        self._lock = threading.Lock()
        self._sent = 0
        self._stopped = False
        self.spent = False
        # twice the time in which the server has to begin, unless the user says how long
        self._deadline = teacher.deadline or 2 * teacher.timeout
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: Any = None

    def start(self) -> None:
        """Let requests go out again after ``stop``; what was sent before counts in the budget."""
        with self._lock:
            self._stopped = False

    def stop(self) -> None:
        """Let no further request go out, and end those on their way: whoever waits for one gets Passing."""
        with self._lock:
            if self._loop is not None:
                asyncio.run_coroutine_threadsafe(_end(self._client), self._loop)
            self._loop = self._client = None
            self._stopped = True

    def ask(self, messages: Sequence[dict[str, Any]]) -> tuple[str, bool]:
        """The answer, and whether it was cut off at ``max_tokens``. Raises Passing (TooLong for an answer above
        ANSWER_BYTES), and MercError where the recipe or the key is wrong."""
        answer, first, _ = self._answer(messages, {})
        return answer, getattr(first, "finish_reason", None) == "length"

    def complete(self, messages: Sequence[dict[str, Any]], more: Mapping[str, Any]) -> dict[str, Any]:
        """The whole response as plain values, the key taken out of its answer.

        Args:
            messages: The chat.
            more: What is asked for beside an answer, by the names of the request's fields: ``logprobs``, say.

        Raises:
            Passing: As ``ask``.
            MercError: As ``ask``.
        """
        answer, _, response = self._answer(messages, more)
        plain: dict[str, Any] = response.model_dump(mode="json")
        plain["choices"][0]["message"]["content"] = answer
        return plain

    def _answer(self, messages: Sequence[dict[str, Any]], more: Mapping[str, Any]) -> tuple[str, Any, Any]:
        """The answer, the choice that it stands in, and the response."""
        import openai

        teacher = self._teacher
        request: dict[str, Any] = {"model": teacher.model, "messages": list(messages)}
        if teacher.temperature is not None:
            request["temperature"] = teacher.temperature
        if teacher.max_tokens is not None:
            request["max_tokens"] = teacher.max_tokens
        if teacher.json_mode != "none":
            request["response_format"] = self._response_format()
        if more:
            request["extra_body"] = dict(more)
        where = f"the server at {teacher.base_url}"
        try:
            response = self._submit(request).result()
        except (_NoMore, CancelledError):
            budget = f"the budget of {teacher.budget} requests is spent"
            raise Passing(budget if self.spent else "asking was stopped") from None
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            # such a server likes to repeat the key, or half of it, so its own message is not passed on
            mend = f"check the key in {teacher.key}" if teacher.key else "name the variable that holds a key in 'key'"
            raise MercError(f"{where} wants another key (HTTP {error.status_code}); {mend}") from None
        except openai.NotFoundError as error:
            raise MercError(
                f"{where} has no model {teacher.model!r}, or no chat completions at this base_url (HTTP 404: "
                f"{self._error_text(error)}); check base_url and model of {self._who}"
            ) from None
        except _Late:
            raise Passing(f"{where} had not answered in full within {self._deadline:g} s ('deadline')") from None
        except openai.APITimeoutError:
            raise Passing(f"{where} gave no answer within {teacher.timeout:g} s{self._tries()}") from None
        except openai.APIStatusError as error:
            if 300 <= error.status_code < 400:
                raise MercError(self._redirected(error.response)) from None
            again = self._tries() if error.status_code in (408, 409, 429) or error.status_code >= 500 else ""
            raise Passing(f"{where} answered HTTP {error.status_code}{again}: {self._error_text(error)}") from None
        except openai.APIConnectionError as error:
            cause = self._clean(str(error.__cause__ or error))
            raise Passing(f"the connection to {teacher.base_url} failed{self._tries()}: {cause}") from None
        except (openai.APIError, ValueError, RecursionError) as error:
            raise Passing(f"{where} answered what is no chat completion: {self._clean(_text_of(error))}") from None
        # the client checks no types, so anything may stand anywhere
        choices = getattr(response, "choices", None)
        first = choices[0] if isinstance(choices, list) and choices else None
        message = getattr(first, "message", None)
        fault = getattr(first, "error", None) or getattr(response, "error", None)
        if fault or getattr(first, "finish_reason", None) == "error":
            raise Passing(f"{where} answered with an error: {self._clean(_text_of(fault or first))}")
        if message is None:
            raise Passing(f"{where} answered what is no chat completion: {self._clean(_text_of(response))}")
        content, refusal = getattr(message, "content", None), getattr(message, "refusal", None)
        if not isinstance(content, str | None):
            raise Passing(f"{where} answered what is no text: {self._clean(_text_of(content))}")
        answer = content or (refusal if isinstance(refusal, str) else "")
        if len(answer.encode("utf-8", "surrogatepass")) > ANSWER_BYTES:
            raise TooLong(f"the answer has more than {ANSWER_BYTES:,} bytes")
        return self._without_key(answer), first, response

    def _response_format(self) -> dict[str, Any]:
        if self._teacher.json_mode == "object" or self._schema is None:
            return {"type": "json_object"}
        return {"type": "json_schema", "json_schema": {"name": "answer", "schema": self._schema, "strict": True}}

    def _submit(self, request: dict[str, Any]) -> Future[Any]:
        with self._lock:
            if self._stopped:
                raise _NoMore
            if self._loop is None:
                self._client = self._make_client()
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="server", daemon=True).start()
            return asyncio.run_coroutine_threadsafe(self._client.chat.completions.create(**request), self._loop)

    def _make_client(self) -> Any:
        import openai

        deadline = self._deadline

        class Bounded(openai.DefaultAsyncHttpxClient):
            """A client that reads each response whole, within the deadline and up to RESPONSE_BYTES."""

            async def send(self, request: Any, **options: Any) -> Any:
                try:
                    async with asyncio.timeout(deadline):
                        options["stream"] = True
                        response = await super().send(request, **options)
                        try:
                            content = await _read(response)
                        finally:
                            await response.aclose()
                except TimeoutError:
                    raise _Late from None
                return type(response)(response.status_code, headers=response.headers, content=content, request=request)

        return openai.AsyncOpenAI(
            base_url=self._teacher.base_url,
            # the client would take a key from OPENAI_API_KEY by itself, for a server that it is not meant for
            api_key=self._key or "none",
            timeout=self._teacher.timeout,
            max_retries=self._teacher.retries,
            # a compressed response could be a thousand times as large as what is counted
            default_headers={"Accept-Encoding": "identity"},
            # another host must not be sent the key, nor pictures that were meant for this one
            http_client=Bounded(follow_redirects=False, event_hooks={"request": [self._count]}),
        )

    async def _count(self, request: Any) -> None:
        """Called before each request goes out, retries among them."""
        # the client adds headers of its own: what OPENAI_CUSTOM_HEADERS, OPENAI_ORG_ID and OPENAI_PROJECT_ID hold, that
        # are meant for another server, and a description of this machine
        for name in set(request.headers) - _HEADERS:
            del request.headers[name]
        if self._key:
            request.headers["authorization"] = f"Bearer {self._key}"
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

    def _error_text(self, error: Any) -> str:
        """What the server said of an error."""
        body = error.body
        message = body.get("message") if isinstance(body, dict) else None
        return self._clean(_text_of(message or body or error))

    def _redirected(self, response: Any) -> str:
        place = urlsplit(urljoin(str(response.request.url), response.headers.get("location", "")))
        target = self._clean(f"{place.scheme}://{place.netloc.rpartition('@')[2]}{place.path}")
        return (
            f"the server at {self._teacher.base_url} redirects to {target} (HTTP {response.status_code}), and no "
            f"redirect is followed; if {self._who} is meant to ask there, set base_url to it, without /chat/completions"
        )

    def _clean(self, text: str) -> str:
        """A server's own words, short and on one line, without the key and without what a terminal would obey."""
        printable = "".join(one if one.isprintable() else " " for one in self._without_key(text[: 10 * _LONGEST]))
        text = " ".join(printable.split())
        return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "[key]") if self._key else text


async def _end(client: Any) -> None:
    """Cancel what is on its way, and end the loop that this runs in."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await client.close()
    # One that was done in this very turn of the loop has not yet been given to whoever waits for it.
    await asyncio.sleep(0)
    asyncio.get_running_loop().stop()


async def _read(response: Any) -> bytes:
    """The body of a response. Raises TooLong, and Passing for a compressed one, which was not asked for."""
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise Passing(f"the server at {response.request.url.host} answered in an encoding that was not asked for")
    content = bytearray()
    async for part in response.aiter_raw():
        content += part
        if len(content) > RESPONSE_BYTES:
            if response.status_code != 200:  # no answer, and its beginning says what is wrong
                break
            raise TooLong(f"the response has more than {RESPONSE_BYTES:,} bytes")
    return bytes(content)


def _text_of(value: Any) -> str:
    try:
        return str(value)
    except RecursionError:
        return "(nested too deeply to be shown)"


def _key_in(variable: str, who: str) -> str:
    key = (read_variable(variable, who) or "").strip()
    if not key:
        raise MercError(
            f"{who}: the environment has no variable {variable}, which 'key' names; "
            f"set it to the server's key: export {variable}=…"
        )
    return key
