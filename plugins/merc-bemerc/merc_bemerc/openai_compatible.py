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
    """Shows frames of the utterance and the prompt T_b to a model on an OpenAI-compatible server (vLLM, llama.cpp,
    a hosted one). Frames are sampled uniformly and sent as JPEG.

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
    frames: int = 8
    """Pictures of an utterance that are sent."""
    longest: int = 512
    """The most pixels of a picture's longer side."""
    before: int | None = None
    """How many utterances before it are shown; null shows all."""
    structured: bool = True
    """Whether T_b has its headings; ``false`` runs it together as one paragraph."""
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
    template: dict[str, str] = field(default_factory=lambda: dict(BEHAVIOUR))
    """The text of T_b, by part."""
    describes: dict[str, str] = field(default_factory=lambda: {name: MEANINGS[name] for name in FIELDS})
    """The fields that are asked for, and what each is about, such as ``{description: what happens in the video}``."""

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
        parameters = {name: value for name, value in super().identity().items() if name not in aside}
        return {**parameters, "prompt": wording(self.template, self.describes, self.structured)}

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
        media, fields = pictures(clip.times.tolist()), self.fields()
        prompt = teacher_prompt(
            query, self.template, self.describes, before=self.before, media=media, structured=self.structured
        )
        images = [{"type": "image_url", "image_url": {"url": as_jpeg(frame, self.longest)}} for frame in clip.frames]
        messages: list[dict[str, Any]] = [{"role": "user", "content": [*images, {"type": "text", "text": prompt}]}]
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
