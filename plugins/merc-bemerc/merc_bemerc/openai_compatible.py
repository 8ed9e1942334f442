"""Annotator ``openai-compatible``: behaviour described by any server that speaks chat completions with images."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from merc import Annotation, Frames, Missing, Observation, Query, Utterance
from merc_bemerc.answers import accepted, ask_again, read, schema_of
from merc_bemerc.asking import ask_until
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
from merc_bemerc.server import Server
from merc_bemerc.server_teacher import ServerTeacher, picture_tokens
from merc_bemerc.template import check_template

if TYPE_CHECKING:
    from merc import AnnotateFunction


@dataclass(frozen=True, kw_only=True)
class OpenAICompatible(ServerTeacher):
    """Shows frames of the utterance and the prompt T_b to a model on an OpenAI-compatible server (vLLM, llama.cpp,
    a hosted one). Frames are sampled uniformly and sent as JPEG."""

    frames: int = 8
    """Pictures of an utterance that are sent."""
    longest: int = 512
    """The most pixels of a picture's longer side."""
    before: int | None = None
    """How many utterances before it are shown; null shows all."""
    structured: bool = True
    """Whether T_b has its headings; ``false`` runs it together as one paragraph."""
    template: dict[str, str] = field(default_factory=lambda: dict(BEHAVIOUR))
    """The text of T_b, by part."""
    describes: dict[str, str] = field(default_factory=lambda: {name: MEANINGS[name] for name in FIELDS})
    """The fields that are asked for, and what each is about, such as ``{description: what happens in the video}``."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("frames", "longest"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} counts from 1, not {getattr(self, name)}")
        if (self.before or 0) < 0:
            raise ValueError(f"before counts from 0, not {self.before}")
        check_template(self.template, PLACES, ["conversation", "json"])
        if not self.describes:
            raise ValueError("describes names no field; give some, as in {description: what happens in the video}")

    history = True

    def fields(self) -> tuple[str, ...]:
        """The keys of ``describes``: by default ``face``, ``body`` and ``posture``."""
        return tuple(self.describes)

    def video(self) -> Frames:
        """Frames in the video's own size: they keep its shape when they are made smaller."""
        return Frames(count=self.frames)

    def identity(self) -> Mapping[str, Any]:
        """Its parameters but those that say where the server is, how it is reached and how often, and the words of T_b.
        ``max_tokens`` and ``attempts`` count for answers that reached them alone."""
        return {**super().identity(), "prompt": wording(self.template, self.describes, self.structured)}

    def media_tokens(self, utterance: Utterance) -> float:
        """Those of its frames."""
        return self.frames * picture_tokens(self.longest)

    def context(self, query: Query) -> Any:
        """The utterances before the target that the prompt tells."""
        return [[utterance.speaker, utterance.text] for utterance in utterances_before(query, self.before)]

    def load(self, device: str) -> AnnotateFunction:
        """Read the key and get the client ready. Raises MercError when the environment has no such variable."""
        server = Server(self, schema=schema_of(self.fields()))

        return self.answering(server, lambda one: self._describe(server, one))

    def _describe(self, server: Server, one: Observation) -> Annotation:
        """Ask until an answer fits, at most ``attempts`` times."""
        clip, fields = one.video, self.fields()
        if isinstance(clip, Missing):
            return Annotation(reason=clip.reason)
        prompt = teacher_prompt(
            one.query,
            self.template,
            self.describes,
            before=self.before,
            media=pictures(clip.times.tolist()),
            structured=self.structured,
        )
        images = [{"type": "image_url", "image_url": {"url": as_jpeg(frame, self.longest)}} for frame in clip.frames]
        return ask_until(
            server,
            [{"role": "user", "content": [*images, {"type": "text", "text": prompt}]}],
            lambda answer, cut, raw: accepted(read(answer, cut, fields), raw),
            lambda fault: ask_again(fault, fields),
            self.attempts,
        )


def as_jpeg(frame: npt.NDArray[np.uint8], longest: int) -> str:
    """A frame ``[height, width, 3]`` as a data URL, its longer side at most ``longest`` pixels."""
    from PIL import Image

    picture = Image.fromarray(frame)
    picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=90)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
