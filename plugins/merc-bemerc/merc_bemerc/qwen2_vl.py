"""Annotator ``qwen2-vl``: behaviour described by Qwen2-VL, the teacher of BeMERC (section 4.3)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from merc import Annotation, Annotator, Frames, Missing, Observation, Query, VideoClip
from merc_bemerc.answers import Fault, accepted, ask_again, read, refused
from merc_bemerc.behaviour import (
    BEHAVIOUR,
    DESCRIPTION,
    FIELDS,
    MEANINGS,
    PLACES,
    pictures,
    teacher_prompt,
    utterances_before,
    wording,
)
from merc_bemerc.template import check_template

if TYPE_CHECKING:
    from merc import AnnotateFunction
    from merc_bemerc.qwen2_vl_model import Teacher


@dataclass(frozen=True, kw_only=True)
class Qwen2VL(Annotator):
    """Shows the frames of the utterance as a video, and the prompt T_b, to a Qwen2-VL such as
    ``Qwen/Qwen2-VL-7B-Instruct``. Frames are sampled uniformly; of an answer the likeliest token is taken each time."""

    path: str
    """A folder, or a name on the Hugging Face hub."""
    dtype: Literal["float32", "bfloat16", "float16"] = "bfloat16"
    """What the weights are held in."""
    frames: int = 8
    """Frames of an utterance."""
    pixels: int = 200_704
    """The most pixels of a frame. 28 × 28 of them make half a token, since two frames share one."""
    before: int | None = None
    """How many utterances before it are shown; null shows all."""
    structured: bool = True
    """Whether T_b has its headings; ``false`` runs it together as one paragraph."""
    batch: int = 4
    """Utterances that are asked about at once."""
    max_tokens: int = 256
    """The most tokens of an answer."""
    attempts: int = 3
    """How often an answer that does not fit the schema is asked for; after the first time the fault is named."""
    template: dict[str, str] = field(default_factory=lambda: dict(BEHAVIOUR))
    """The text of T_b, by part."""
    describes: dict[str, str] = field(default_factory=lambda: {name: MEANINGS[name] for name in FIELDS})
    """The fields that are asked for, and what each is about."""

    history = True

    def __post_init__(self) -> None:
        if not self.path.strip():
            raise ValueError("path is empty; give a folder, or a name such as Qwen/Qwen2-VL-7B-Instruct")
        for name in ("frames", "batch", "max_tokens", "attempts"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} counts from 1, not {getattr(self, name)}")
        if self.pixels < 56 * 56:
            raise ValueError(f"pixels is at least 3136 (56 × 56), not {self.pixels}")
        if self.before is not None and self.before < 0:
            raise ValueError(f"before counts utterances from 0, not {self.before}")
        check_template(self.template, PLACES, ["conversation", "json"])
        if not self.describes:
            raise ValueError("describes names no field; give some, as in {description: what happens in the video}")

    def fields(self) -> tuple[str, ...]:
        """The keys of ``describes``: by default ``face``, ``body`` and ``posture``."""
        return tuple(self.describes)

    def video(self) -> Frames:
        """Frames in the video's own size: they keep its shape when they are made smaller."""
        return Frames(count=self.frames)

    def identity(self) -> Mapping[str, Any]:
        """Its parameters but ``batch``, and the words of T_b. ``max_tokens`` and ``attempts`` count for answers that
        reached them alone."""
        aside = {"batch", "max_tokens", "attempts"}
        parameters = {name: value for name, value in super().identity().items() if name not in aside}
        return {**parameters, "prompt": wording(self.template, self.describes, self.structured)}

    def context(self, query: Query) -> Any:
        """The utterances before the target that the prompt tells."""
        return [[utterance.speaker, utterance.text] for utterance in utterances_before(query, self.before)]

    def load(self, device: str) -> AnnotateFunction:
        """Load the model. Raises MercError when there is none at ``path``, or another kind of model."""
        from merc import computed_in
        from merc_bemerc.qwen2_vl_model import Teacher

        teacher = Teacher.load(self.path, computed_in(self.dtype, device), device, pixels=self.pixels)

        def annotate(observations: Iterable[Observation]) -> Iterator[tuple[str, Annotation]]:
            source = iter(observations)
            while taken := list(islice(source, self.batch)):
                requests = []
                for one in taken:
                    if isinstance(one.video, Missing):
                        yield one.query.target.id, Annotation(reason=one.video.reason)
                    else:
                        requests.append(_Request(one.query.target.id, one.video, self._prompt(one.query, one.video)))
                yield from self._ask(teacher, requests)

        return annotate

    def _prompt(self, query: Query, clip: VideoClip) -> str:
        media = pictures(clip.times.tolist())
        return teacher_prompt(
            query, self.template, self.describes, before=self.before, media=media, structured=self.structured
        )

    def _ask(self, teacher: Teacher, requests: Sequence[_Request]) -> Iterator[tuple[str, Annotation]]:
        """Ask about a batch; those whose answers do not fit are asked about together once more."""
        for attempt in range(1, self.attempts + 1):
            if not requests:
                return
            answers = teacher.answer([(one.clip.frames, one.messages) for one in requests], self.max_tokens)
            left = []
            for one, (answer, cut) in zip(requests, answers, strict=True):
                one.raw.append(answer)
                one.cut = one.cut or cut
                try:
                    yield one.name, accepted(read(answer, cut, self.fields()), one.raw)
                except Fault as fault:
                    if attempt == self.attempts:
                        yield one.name, refused(fault, one.raw, one.cut)
                    else:
                        one.messages += [answer, ask_again(fault, self.fields())]
                        left.append(one)
            requests = left


@dataclass(frozen=True, kw_only=True)
class VideoDescription(Qwen2VL):
    """The plain description of a video that the paper sets against behaviour (figures 1 and 6), in the field
    ``description``: Qwen2-VL as of ``qwen2-vl``, asked with another template.

    A server gives the same with ``openai-compatible`` and this ``template`` and ``describes``.
    """

    template: dict[str, str] = field(default_factory=lambda: dict(DESCRIPTION))
    describes: dict[str, str] = field(default_factory=lambda: {"description": MEANINGS["description"]})


@dataclass
class _Request:
    """What is asked about an utterance: the messages so far, of the user and the model in turn, and the answers."""

    name: str
    clip: VideoClip
    prompt: str
    messages: list[str] = field(init=False)
    raw: list[str] = field(default_factory=list)
    cut: bool = False

    def __post_init__(self) -> None:
        self.messages = [self.prompt]
