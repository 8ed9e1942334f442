"""Annotator ``openai-compatible``: behaviour described by any server that speaks chat completions with images."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

from merc import Annotation, Annotator, Frames, Missing, Observation, Query, VideoClip
from merc_bemerc.answers import Fault, accepted, ask_again, read, refused, schema_of
from merc_bemerc.behaviour import (
    BEHAVIOUR,
    FIELDS,
    MEANINGS,
    PLACES,
    pictures,
    teacher_prompt,
    utterances_before,
    wording,
)
from merc_bemerc.server import ANSWER_BYTES, Passing, Server, TooLong
from merc_bemerc.template import check_template

if TYPE_CHECKING:
    from merc import AnnotateFunction


@dataclass(frozen=True, kw_only=True)
class OpenAICompatible(Annotator):
    """Shows frames of the utterance and the prompt T_b to ``model`` at ``base_url`` (vLLM, llama.cpp, a hosted one).

    ``key`` is the *name* of the environment variable that holds the key; ``null`` sends none. The key itself is read
    when the teacher is asked, and written nowhere.

    ``frames`` pictures are sampled uniformly and sent as JPEG, their longer side at most ``longest`` pixels.
    ``before`` is how many utterances before it are shown (``null``: all); ``structured`` false runs T_b together as one
    paragraph. ``template`` holds the text of T_b, and ``describes`` the fields that it asks for and what each is about
    (``{description: what happens in the video}`` for something else than behaviour).

    ``attempts`` is how often an answer that does not fit the schema is asked for, the fault named each time but the
    first. ``json_mode`` asks the server for JSON: ``object``, ``schema``, or ``none`` where it knows neither.
    ``temperature`` and ``max_tokens`` go to the server as they are (``null`` sends none, for models that take none).

    ``concurrency`` requests are on their way at once. One that fails for a passing reason (429, 5xx, no byte within
    ``timeout`` seconds, a connection that breaks) is sent up to ``retries`` times more, with growing waits, or the
    server's own Retry-After up to two minutes. A response that is not complete ``deadline`` seconds after its request
    (``null``: twice ``timeout``) is given up. ``budget`` is how many requests one pass may send, retries included
    (``null``: no limit). What failed so is asked again in the next pass; after ``give_up`` utterances in a row that
    failed so, this one ends.
    """

    base_url: str
    model: str
    key: str | None = None
    frames: int = 8
    longest: int = 512
    before: int | None = None
    structured: bool = True
    attempts: int = 3
    json_mode: Literal["none", "object", "schema"] = "none"
    temperature: float | None = 0.0
    max_tokens: int | None = 400
    concurrency: int = 4
    timeout: float = 120.0
    deadline: float | None = None
    retries: int = 5
    budget: int | None = None
    give_up: int = 10
    template: dict[str, str] = field(default_factory=lambda: dict(BEHAVIOUR))
    describes: dict[str, str] = field(default_factory=lambda: {name: MEANINGS[name] for name in FIELDS})

    def __post_init__(self) -> None:
        parts = urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("base_url is an address such as http://localhost:8000/v1, with http or https")
        if parts.username or parts.password or parts.query:
            raise ValueError(
                "base_url holds a user, a password or a query; name the variable that holds the key in 'key' instead"
            )
        if self.key is not None and not re.fullmatch("[A-Z_][A-Z0-9_]*", self.key):
            raise ValueError("key is the name of an environment variable, such as OPENAI_API_KEY, not the key itself")
        for name in ("frames", "longest", "attempts", "concurrency", "give_up"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} counts from 1, not {getattr(self, name)}")
        if self.retries < 0 or (self.before or 0) < 0:
            raise ValueError(f"retries and before count from 0, not {self.retries} and {self.before}")
        for name in ("budget", "max_tokens"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"{name} counts from 1, or is null for no limit; it is {getattr(self, name)}")
        if self.timeout <= 0:
            raise ValueError(f"timeout is a time in seconds above 0, not {self.timeout:g}")
        if self.deadline is not None and self.deadline < self.timeout:
            raise ValueError(f"deadline ({self.deadline:g} s) is at least timeout ({self.timeout:g} s), or null")

        check_template(self.template, PLACES, ["conversation", "json"])
        if not self.describes:
            raise ValueError("describes names no field; give some, as in {description: what happens in the video}")

    history = True

    def servers(self) -> Sequence[str]:
        """The server at ``base_url``."""
        return (self.base_url,)

    def variables(self) -> Sequence[str]:
        """The variable that holds the key."""
        return (self.key,) if self.key else ()

    def fields(self) -> tuple[str, ...]:
        """The keys of ``describes``: by default ``face``, ``body`` and ``posture``."""
        return tuple(self.describes)

    def video(self) -> Frames:
        """Frames in the video's own size: they keep its shape when they are made smaller."""
        return Frames(count=self.frames)

    def identity(self) -> Mapping[str, Any]:
        """Its parameters but those that say where the server is, how it is reached and how often, and the words of T_b.
        ``max_tokens`` and ``attempts`` count for answers that reached them alone."""
        aside = {
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
        kept = {name: value for name, value in super().identity().items() if name not in aside}
        return {**kept, "prompt": wording(self.template, self.describes, self.structured)}

    def context(self, query: Query) -> Any:
        """The utterances before the target that the prompt tells."""
        return [[utterance.speaker, utterance.text] for utterance in utterances_before(query, self.before)]

    def load(self, device: str) -> AnnotateFunction:
        """Read the key and get the client ready. Raises MercError when the environment has no such variable."""
        server = Server(self, schema=schema_of(self.fields()))

        def annotate(observations: Iterable[Observation]) -> Iterator[tuple[str, Annotation]]:
            source = iter(observations)
            server.start()
            pool = ThreadPoolExecutor(self.concurrency, thread_name_prefix="teacher")
            pending: dict[Future[Annotation], str] = {}
            failed_in_a_row = 0
            more = True
            try:
                while more or pending:
                    while more and len(pending) < self.concurrency:
                        one = next(source, None)
                        more = one is not None
                        if one is None:
                            break
                        if isinstance(one.video, Missing):
                            yield one.query.target.id, Annotation(reason=one.video.reason)
                        else:
                            pending[pool.submit(self._describe, server, one.query, one.video)] = one.query.target.id
                    done, _ = wait(pending, return_when=FIRST_COMPLETED)
                    # those that went well first: an error of another must not cost them
                    for future in sorted(done, key=lambda future: future.exception() is not None):
                        name = pending.pop(future)
                        annotation = future.result()
                        failed_in_a_row = failed_in_a_row + 1 if annotation.retry else 0
                        more = more and failed_in_a_row < self.give_up and not server.spent
                        yield name, annotation
            finally:
                server.stop()
                pool.shutdown(wait=True, cancel_futures=True)  # a moment: what was on its way has been cancelled

        return annotate

    def _describe(self, server: Server, query: Query, clip: VideoClip) -> Annotation:
        """Ask until an answer fits, at most ``attempts`` times."""
        shown_as, fields = pictures(clip.times.tolist()), self.fields()
        prompt = teacher_prompt(
            query, self.template, self.describes, before=self.before, shown=shown_as, structured=self.structured
        )
        shown = [{"type": "image_url", "image_url": {"url": as_jpeg(frame, self.longest)}} for frame in clip.frames]
        messages: list[dict[str, Any]] = [{"role": "user", "content": [*shown, {"type": "text", "text": prompt}]}]
        raw: list[str] = []
        fault, any_cut = Fault(""), False
        for _ in range(self.attempts):
            try:
                answer, cut = server.ask(messages)
            except TooLong as error:
                fault = Fault(str(error))
                raw.append(f"(not kept: {error}; at most {ANSWER_BYTES:,} are)")
                messages += [
                    {"role": "assistant", "content": "(far too long)"},
                    {"role": "user", "content": ask_again(fault, fields)},
                ]
                continue
            except Passing as error:
                return Annotation(reason=str(error), retry=True, raw=tuple(raw))
            raw.append(answer)
            any_cut = any_cut or cut
            try:
                return accepted(read(answer, cut, fields), raw)
            except Fault as error:
                fault = error
            messages += [
                {"role": "assistant", "content": answer or "(nothing)"},
                {"role": "user", "content": ask_again(fault, fields)},
            ]
        return refused(fault, raw, any_cut)


def as_jpeg(frame: npt.NDArray[np.uint8], longest: int) -> str:
    """A frame ``[height, width, 3]`` as a data URL, its longer side at most ``longest`` pixels."""
    from PIL import Image

    picture = Image.fromarray(frame)
    picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
