"""Annotators that put clues together: a triplet of label, steps and evidence, and a multimodal description."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from merc_bemerc import Fault, Server, ServerTeacher, ask_until, json_object, other_language

from merc import Annotation, Annotator, Observation
from merc_annotation.audio_tone import arousal
from merc_annotation.clues import CLUES, by_modality, check_clues, shown_clues, why_none
from merc_annotation.peak_frame import table_of
from merc_annotation.prototypes import EMOTIONS, aroused, label_of_face
from merc_annotation.triplet import MODALITIES, NoTriplet, Triplet, triplet_of

if TYPE_CHECKING:
    from merc import AnnotateFunction

INSTRUCTION = (
    "Identify the most prominent emotion, provide intermediate steps, and highlight modality-specific evidence."
)
"""The instruction of the survey (section 4.1)."""

PROMPT = """\
Clues of one utterance in a recorded conversation:
{clues}

{asks}{guided} Go by these clues alone. Where two modalities contradict each other, name it in conflicts and say how \
you settle it. Answer with one JSON object and nothing else: {{"label": one of {labels}, "labels": further ones or [], \
"intensity": 0 to 1, "steps": ["...", ...], "evidence": {{"visual": "...", "audio": "...", "text": "..."}} with null \
where there is none, "conflicts": ["..."] or [], "certainty": 0 to 1, "description": two to four plain English \
sentences that put the evidence together}}."""


def suffixed(field_name: str, teacher: str) -> str:
    """A field of one of several teachers.

    >>> suffixed("triplet", "qwen"), suffixed("triplet", "")
    ('triplet_qwen', 'triplet')
    """
    return f"{field_name}_{teacher}" if teacher else field_name


def check_teacher(teacher: str) -> None:
    """Raises ValueError for a name that no field can have."""
    if teacher and not teacher.replace("_", "").isalnum():
        raise ValueError(f"teacher is a name of letters, digits and _, such as qwen, not {teacher!r}")


@dataclass(frozen=True, kw_only=True)
class DescriptionTeacher(ServerTeacher):
    """Writes ``triplet`` (label, steps, evidence by modality and conflicts, as JSON) and ``description`` (a multimodal
    description, C_md of Algorithm 1), by a language model on a server that reads the clues. Several stand side by side
    where each has its own ``teacher``."""

    labels: list[str] = field(default_factory=lambda: list(EMOTIONS))
    """The labels that it may give."""
    clues: dict[str, str] = field(default_factory=lambda: dict(CLUES))
    """The clues that it reads, and of which modality each is: visual, audio or text."""
    teacher: str = ""
    """A name that stands behind its fields, as in ``triplet_qwen``; empty where it is the only one."""
    label_guided: bool = False
    """Whether it is told the gold label and explains it. What comes of it is marked, and no prompt may show it."""
    asks: str = INSTRUCTION
    """What the model is asked to do."""
    max_tokens: int | None = 1200
    """The most tokens of an answer that are asked for; null sends none, for models that take none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_clues(self.clues, MODALITIES)
        check_teacher(self.teacher)
        if len(self.labels) < 2:
            raise ValueError(f"labels are at least two, not {self.labels}")

    def fields(self) -> tuple[str, ...]:
        """``triplet`` and ``description``, with the name of the teacher behind them."""
        return (suffixed("triplet", self.teacher), suffixed("description", self.teacher))

    def reads(self) -> tuple[str, ...]:
        """The clues."""
        return tuple(self.clues)

    def sees_label(self) -> bool:
        """As ``label_guided`` says."""
        return self.label_guided

    def identity(self) -> Mapping[str, Any]:
        """What decides the answer: the model, what it is told and asked, and not how the server is reached."""
        return {**super().identity(), "prompt": PROMPT}

    def load(self, device: str) -> AnnotateFunction:
        """Read the key and get the client ready. Raises MercError when the environment has no such variable."""
        server = Server(self, "annotator description-teacher")

        def describe(one: Observation) -> Annotation:
            clues, gold = shown_clues(one, self.clues), one.query.target.label
            if not clues:
                return Annotation(reason=why_none(one, self.clues))
            if self.label_guided and gold is None:
                return Annotation(reason="it is guided by the gold label, and the utterance has none")
            words = PROMPT.format(
                clues="\n".join(f"- {name} ({self.clues[name]}): {text}" for name, text in clues.items()),
                asks=self.asks,
                guided=f" The emotion is {gold!r}: explain it." if self.label_guided else "",
                labels=json.dumps(self.labels, ensure_ascii=False),
            )
            return ask_until(
                server,
                [{"role": "user", "content": words}],
                lambda answer, cut, raw: self._read(answer, cut, raw, gold),
                lambda fault: f"This answer cannot be used: {fault}. Answer again with the JSON object alone.",
                self.attempts,
            )

        return self.answering(server, describe)

    def _read(self, answer: str, cut: bool, raw: Any, gold: str | None) -> Annotation:
        """The annotation of an answer. Raises Fault."""
        value = json_object(answer.rpartition("</think>")[2], cut)
        description = value.pop("description", None)
        if not isinstance(description, str) or not description.strip():
            raise Fault("description should be a text with words in it")
        try:
            triplet = triplet_of(value, self.labels)
        except NoTriplet as error:
            raise Fault(str(error)) from None
        if self.label_guided and gold is not None and triplet.label.casefold() != gold.casefold():
            raise Fault(f"label is {triplet.label!r}; the emotion is {gold!r}, which it should explain")
        if other := other_language(" ".join([description, *triplet.steps])):
            raise Fault(f"the answer is not in English ({other})")
        texts = dict(zip(self.fields(), (triplet.text(), " ".join(description.split())), strict=True))
        return Annotation(cues=texts, raw=tuple(raw))


@dataclass(frozen=True, kw_only=True)
class ComposedDescription(Annotator):
    """Writes ``triplet`` and ``description`` without a model, by rules that anybody can follow: the label is the
    emotion whose prototype of action units (after EMFACS) is nearest to what the face shows, the steps quote the clues
    one after the other, and a voice whose arousal contradicts that label is named as a conflict."""

    labels: list[str] = field(default_factory=lambda: list(EMOTIONS))
    """The labels that it may give; each must be one of which a prototype is known, or a synonym of one."""
    clues: dict[str, str] = field(default_factory=lambda: {k: v for k, v in CLUES.items() if k != "visual_objective"})
    """The clues that it reads and quotes, and of which modality each is: visual, audio or text."""
    teacher: str = ""
    """A name that stands behind its fields, as in ``triplet_rules``; empty where it is the only one."""
    compare_voice: bool = True
    """Whether the arousal of the voice is compared with the label, by the cue ``audio_measures`` of ``audio-tone``."""
    label_guided: bool = False
    """Whether the gold label is the label. What comes of it is marked, and no prompt may show it."""

    def __post_init__(self) -> None:
        check_clues(self.clues, MODALITIES)
        check_teacher(self.teacher)
        label_of_face(None, self.labels)

    def fields(self) -> tuple[str, ...]:
        """``triplet`` and ``description``, with the name of the teacher behind them."""
        return (suffixed("triplet", self.teacher), suffixed("description", self.teacher))

    def reads(self) -> tuple[str, ...]:
        """The clues, and the measures behind them."""
        return (*self.clues, "action_units", *(("audio_measures",) if self.compare_voice else ()))

    def sees_label(self) -> bool:
        """As ``label_guided`` says."""
        return self.label_guided

    def load(self, device: str) -> AnnotateFunction:
        """Nothing is loaded."""

        def annotate(observations: Iterable[Observation]) -> Iterator[tuple[str, Annotation]]:
            for one in observations:
                yield one.query.target.id, self._compose(one)

        return annotate

    def _compose(self, one: Observation) -> Annotation:
        clues, gold = shown_clues(one, self.clues), one.query.target.label
        table = table_of(one)
        face = None if isinstance(table, str) else label_of_face(table, self.labels)
        if not clues:
            return Annotation(reason=why_none(one, self.clues))
        if self.label_guided and gold is None:
            return Annotation(reason="it is guided by the gold label, and the utterance has none")
        if gold is None and face is None:
            return Annotation(reason=f"its rules go by the face, and {table}")
        label, share = (gold, None) if gold is not None else face or ("", None)
        evidence = by_modality(clues, self.clues)
        steps = [_STEPS[modality].format(evidence[modality]) for modality in MODALITIES if modality in evidence]
        conflicts = self._conflicts(one, label, face)
        steps += [f"These disagree: {conflict}" for conflict in conflicts]
        steps.append(f"Together this points to {label}.")
        triplet = Triplet(
            label=label,
            steps=tuple(steps),
            evidence=evidence,
            conflicts=tuple(conflicts),
            certainty=share,
            intensity=None if isinstance(table, str) else round(min(1.0, float(table.total().max()) / 15), 2),
        )
        description = " ".join([*evidence.values(), *conflicts, f"The emotion is {label}."])
        texts = dict(zip(self.fields(), (triplet.text(), description), strict=True))
        return Annotation(cues=texts)

    def _conflicts(self, one: Observation, label: str, face: tuple[str, float] | None) -> list[str]:
        conflicts: list[str] = []
        if face is not None and face[0] != label:
            conflicts.append(f"visual: the face is nearest to {face[0]}, and the label is {label}.")
        voice, expected = arousal(one.query.target.cues.get("audio_measures")), aroused(label)
        if voice is not None and expected is not None and voice * expected < 0:
            how = {1: "aroused", -1: "calm"}
            conflicts.append(f"audio: the voice sounds {how[voice]}, and {label} is usually {how[expected]}.")
        return conflicts


_STEPS = {"visual": "Seen: {}", "audio": "Heard: {}", "text": "Said: {}"}
