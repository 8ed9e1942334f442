"""Judges of triplets: scores of recognition, reasoning and completeness, and their weighted sum (survey, eq. 35)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from merc_bemerc import Fault, Server, ServerTeacher, ask_until, json_object

from merc import Annotation, Annotator, Observation
from merc_annotation.clues import CLUES, by_modality, check_clues, shown_clues
from merc_annotation.describing import check_teacher, suffixed
from merc_annotation.triplet import MODALITIES, NoTriplet, Triplet

if TYPE_CHECKING:
    from merc import AnnotateFunction

Score = Literal["rec", "reason", "cot"]
SCORES: tuple[Score, ...] = ("rec", "reason", "cot")
WEIGHTS: Mapping[Score, float] = {"rec": 0.4, "reason": 0.3, "cot": 0.3}
"""α, β and γ of eq. 35, where a recipe says nothing else."""

PROMPT = """\
You check annotations of emotion. Clues of one utterance:
{clues}
{gold}
The annotation:
{triplet}

Score it from 0 to 1 in three ways: rec, whether the label is right{against}; reason, whether each step follows from \
the clues and leads to the label; cot, whether the evidence of every modality that has clues is used. Answer with one \
JSON object and nothing else: {{"rec": 0.0, "reason": 0.0, "cot": 0.0, "why": "one or two sentences"}}."""


def final_score(scores: Mapping[str, float], weights: Mapping[Score, float]) -> float:
    """S_final = α S_rec + β S_reason + γ S_cot, with α + β + γ = 1 (eq. 35).

    >>> round(final_score({"rec": 1.0, "reason": 0.5, "cot": 0.0}, WEIGHTS), 2)
    0.55
    """
    return sum(weights[name] * scores[name] for name in SCORES)


def check_weights(weights: Mapping[Score, float]) -> None:
    """Raises ValueError for weights that are not three numbers from 0 on whose sum is 1."""
    if set(weights) != set(SCORES) or any(weight < 0 for weight in weights.values()):
        raise ValueError(f"weights gives a number from 0 on for each of rec, reason and cot, not {dict(weights)}")
    if abs(sum(weights.values()) - 1) > 1e-6:
        raise ValueError(f"weights add up to 1 (α + β + γ of eq. 35), not to {sum(weights.values()):g}")


@dataclass(frozen=True, kw_only=True)
class JudgeTeacher(ServerTeacher):
    """Writes ``judgement``: S_rec, S_reason and S_cot of a triplet, S_final, and why, by a model on a server."""

    clues: dict[str, str] = field(default_factory=lambda: dict(CLUES))
    """The clues that it reads, and of which modality each is: visual, audio or text."""
    teacher: str = ""
    """Whose triplet it judges: the name behind ``triplet``, which stands behind ``judgement`` too."""
    weights: dict[Score, float] = field(default_factory=lambda: dict(WEIGHTS))
    """The weights α, β and γ of S_rec, S_reason and S_cot in S_final, together 1."""
    label_guided: bool = False
    """Whether it is told the gold label, so that S_rec is held against it. What comes of it is marked."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_clues(self.clues, MODALITIES)
        check_teacher(self.teacher)
        check_weights(self.weights)

    def fields(self) -> tuple[str, ...]:
        """``judgement``, with the name of the teacher behind it."""
        return (suffixed("judgement", self.teacher),)

    def reads(self) -> tuple[str, ...]:
        """The clues and the triplet."""
        return (*self.clues, suffixed("triplet", self.teacher))

    def sees_label(self) -> bool:
        """As ``label_guided`` says."""
        return self.label_guided

    def identity(self) -> Mapping[str, Any]:
        """What decides the answer: the model, what it is told and asked, and not how the server is reached."""
        return {**super().identity(), "prompt": PROMPT}

    def load(self, device: str) -> AnnotateFunction:
        """Read the key and get the client ready. Raises MercError when the environment has no such variable."""
        server = Server(self, "annotator judge-teacher")

        def judge(one: Observation) -> Annotation:
            triplet = triplet_shown(one, self.teacher)
            if isinstance(triplet, str):
                return Annotation(reason=triplet)
            gold = one.query.target.label if self.label_guided else None
            clues = shown_clues(one, self.clues)
            words = PROMPT.format(
                clues="\n".join(f"- {name} ({self.clues[name]}): {text}" for name, text in clues.items()) or "- none",
                triplet=triplet.text(),
                gold=f"The gold label is {gold!r}." if gold else "",
                against=", held against the gold label" if gold else "",
            )
            return ask_until(
                server,
                [{"role": "user", "content": words}],
                lambda answer, cut, raw: self._read(answer, cut, raw),
                lambda fault: f"This answer cannot be used: {fault}. Answer again with the JSON object alone.",
                self.attempts,
            )

        return self.answering(server, judge)

    def _read(self, answer: str, cut: bool, raw: Any) -> Annotation:
        value = json_object(answer.rpartition("</think>")[2], cut)
        scores: dict[str, float] = {}
        for name in SCORES:
            score = value.get(name)
            if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 1:
                raise Fault(f"{name} should be a number from 0 to 1, not {str(score)[:40]!r}")
            scores[name] = float(score)
        why = value.get("why")
        text = judgement_text(scores, self.weights, " ".join(str(why).split()) if why else "", self.model)
        return Annotation(cues={self.fields()[0]: text}, raw=tuple(raw))


@dataclass(frozen=True, kw_only=True)
class RuleJudge(Annotator):
    """Writes ``judgement`` without a model. S_rec is 1 where the label is the gold label (``label_guided``), else the
    share of ``others`` that give the same label; S_reason the share of steps that repeat words of a clue or name the
    label, and 0 where the last one does not name it; S_cot the share of modalities with clues whose words the steps and
    the evidence take up."""

    clues: dict[str, str] = field(default_factory=lambda: dict(CLUES))
    """The clues that it reads, and of which modality each is: visual, audio or text."""
    teacher: str = ""
    """Whose triplet it judges: the name behind ``triplet``, which stands behind ``judgement`` too."""
    others: list[str] = field(default_factory=list)
    """The names of teachers whose labels S_rec goes by where the gold label is not shown."""
    weights: dict[Score, float] = field(default_factory=lambda: dict(WEIGHTS))
    """The weights α, β and γ of S_rec, S_reason and S_cot in S_final, together 1."""
    label_guided: bool = False
    """Whether S_rec is held against the gold label. What comes of it is marked."""

    def __post_init__(self) -> None:
        check_clues(self.clues, MODALITIES)
        check_weights(self.weights)
        for name in (self.teacher, *self.others):
            check_teacher(name)
        if not self.others and not self.label_guided:
            raise ValueError("S_rec has nothing to go by; name other teachers in others, or set label_guided: true")

    def fields(self) -> tuple[str, ...]:
        """``judgement``, with the name of the teacher behind it."""
        return (suffixed("judgement", self.teacher),)

    def reads(self) -> tuple[str, ...]:
        """The clues and the triplets."""
        triplets = dict.fromkeys(suffixed("triplet", name) for name in (self.teacher, *self.others))
        return (*self.clues, *triplets)

    def sees_label(self) -> bool:
        """As ``label_guided`` says."""
        return self.label_guided

    def load(self, device: str) -> AnnotateFunction:
        """Nothing is loaded."""

        def annotate(observations: Iterable[Observation]) -> Iterator[tuple[str, Annotation]]:
            for one in observations:
                yield one.query.target.id, self._judge(one)

        return annotate

    def _judge(self, one: Observation) -> Annotation:
        triplet = triplet_shown(one, self.teacher)
        if isinstance(triplet, str):
            return Annotation(reason=triplet)
        gold = one.query.target.label
        if gold is not None:
            recognised = float(triplet.label.casefold() == gold.casefold())
            why = f"the gold label is {gold}"
        else:
            others = [t for name in self.others if isinstance(t := triplet_shown(one, name), Triplet)]
            if not others:
                return Annotation(reason="there is no gold label, and none of the other teachers gave a label")
            same = sum(other.label.casefold() == triplet.label.casefold() for other in others)
            recognised, why = same / len(others), f"{same} of {len(others)} others give the same label"
        clues = shown_clues(one, self.clues)
        scores = {"rec": recognised, "reason": soundness(triplet, clues), "cot": coverage(triplet, clues, self.clues)}
        return Annotation(cues={self.fields()[0]: judgement_text(scores, self.weights, why, "rules")})


def triplet_shown(one: Observation, teacher: str) -> Triplet | str:
    """The triplet of a teacher that an observation shows, or why there is none."""
    name = suffixed("triplet", teacher)
    text = one.query.target.cues.get(name)
    if text is None:
        return f"there is no {name}: {one.lacking.get(name, 'nobody wrote it')}"
    try:
        return Triplet.read(text)
    except NoTriplet as error:
        return f"the cue {name} is no triplet: {error}"


def soundness(triplet: Triplet, clues: Mapping[str, str]) -> float:
    """The share of steps that repeat words of a clue or name the label; 0 where the last does not name it."""
    if triplet.label.casefold() not in triplet.steps[-1].casefold():
        return 0.0
    known = [content_words(text) for text in clues.values()]
    follows = [
        triplet.label.casefold() in step.casefold() or any(content_words(step) & words for words in known)
        for step in triplet.steps
    ]
    return sum(follows) / len(follows)


def coverage(triplet: Triplet, clues: Mapping[str, str], modality_of: Mapping[str, str]) -> float:
    """Cross-modal evidence coverage: of the modalities that have clues, the share whose words the steps and the
    evidence take up; 0 where there are no clues.

    >>> triplet = Triplet(label="joy", steps=("She smiles broadly.", "So it is joy."))
    >>> coverage(triplet, {"face": "a broad smile; she smiles", "voice": "loud"}, {"face": "visual", "voice": "audio"})
    0.5
    """
    by = by_modality(clues, modality_of)
    if not by:
        return 0.0
    taken_up = content_words(" ".join([*triplet.steps, *triplet.evidence.values()]))
    return sum(bool(content_words(text) & taken_up) for text in by.values()) / len(by)


_SMALL = frozenset(
    ("the", "and", "that", "this", "with", "from", "for", "are", "was", "its", "his", "her", "their", "they", "she",
     "has", "have", "not", "but", "who", "what")
)  # fmt: skip


def content_words(text: str) -> set[str]:
    """The words of a text that carry meaning, in small letters: three letters or more, or one of another script, and
    none of the smallest words of English."""
    words = re.findall(r"\w+", text.casefold())
    return {
        word for word in words if (len(word) > 2 or not word.isascii()) and word not in _SMALL and not word.isdigit()
    }


def judgement_text(scores: Mapping[str, float], weights: Mapping[Score, float], why: str, judge: str) -> str:
    """A judgement as JSON, as the cue holds it."""
    rounded = {f"S_{name}": round(scores[name], 4) for name in SCORES}
    final = round(final_score(scores, weights), 4)
    whole: dict[str, Any] = {**rounded, "S_final": final, "weights": dict(weights), "why": why, "judge": judge}
    return json.dumps(whole, ensure_ascii=False)
