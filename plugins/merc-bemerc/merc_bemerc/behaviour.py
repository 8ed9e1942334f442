"""The prompt for behaviour, T_b of BeMERC (section 3.2, appendix A.1): title, context, objective, constraint.

The paper describes the four parts and prints no text that can be read; the words here are merc's own. A teacher is
given them together with pictures, alignment tuning (section 3.3) without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from merc import Conversation, LabelSpace, Query, Utterance

FIELDS = ("face", "body", "posture")
"""The three behaviours of the paper: facial expression, body language, posture."""

WORDS = 40
"""How many words a description is asked to have at most."""

TITLE = "You are an expert who notices, in conversations between people, the small signs that tell how somebody feels."

CONSTRAINT = (
    'Answer with one JSON object and nothing else: {"face": "...", "body": "...", "posture": "..."}. Each value is '
    f"one or two plain English sentences of at most {WORDS} words together. Write null for what cannot be seen, and do "
    "not guess it. Describe what is visible; do not name an emotion label."
)


@dataclass(frozen=True)
class BehaviourPrompt:
    """The four parts of T_b for one utterance.

    >>> prompt = BehaviourPrompt("You are an expert.", "Ann says: \\"Hi.\\"", "Describe Ann.", "Answer in JSON.")
    >>> print(prompt.text())
    # Title
    You are an expert.
    <BLANKLINE>
    # Context
    Ann says: "Hi."
    <BLANKLINE>
    # Objective
    Describe Ann.
    <BLANKLINE>
    # Constraint
    Answer in JSON.
    """

    title: str
    context: str
    objective: str
    constraint: str

    def text(self, structured: bool = True) -> str:
        """The whole prompt, its parts under headings, or (``structured`` false) run together as one paragraph."""
        parts = {"Title": self.title, "Context": self.context}
        parts |= {"Objective": self.objective, "Constraint": self.constraint}
        if not structured:
            return " ".join(" ".join(part.split()) for part in parts.values())
        return "\n\n".join(f"# {name}\n{part}" for name, part in parts.items())


def behaviour_prompt(query: Query, before: int | None = None, shown: str = "") -> BehaviourPrompt:
    """T_b for the target of a query: ``before`` utterances before it (``None``: all), its words, and what is ``shown``
    of it (a sentence about the pictures; empty where there are none)."""
    target = query.target
    who = speaker(target)
    earlier = [f"{speaker(said)}: {line(said)}" for said in said_before(query, before)]
    told = ["What was said before:", *earlier] if earlier else ["Nothing was said before."]
    told.append(f"Now {who} says: {line(target)}")
    if shown:
        told.append(shown)
    return BehaviourPrompt(
        title=TITLE,
        context="\n".join(told),
        objective=(
            f"Describe how {who} behaves while saying this. face: the facial expression, also slight ones, and how it "
            "changes. body: body language, that is gestures and movements of head, hands and shoulders. posture: how "
            "the body is held and turned, towards or away from the others."
        ),
        constraint=CONSTRAINT,
    )


def said_before(query: Query, before: int | None) -> tuple[Utterance, ...]:
    """The utterances before the target that a prompt tells: the last ``before`` of them (``None``: all)."""
    first = 0 if before is None else max(0, query.index - before)
    return query.conversation.utterances[first : query.index]


def pictures(times: Sequence[float]) -> str:
    """The sentence about the pictures that a teacher is shown, taken at these times (seconds)."""
    if len(times) == 1:
        return "You see one picture of it."
    seconds = ", ".join(f"{time:.1f}" for time in times)
    return f"You see {len(times)} pictures of it in their order, taken at {seconds} seconds."


def wording() -> str:
    """All words of T_b, for a made-up conversation: what answers depend on besides the conversation's own words."""
    said = (Utterance(id="0", text="A", speaker="B"), Utterance(id="1", text="C", speaker="D"))
    talk = Conversation(id="talk", utterances=said)
    both = [Query(conversation=talk, index=index, labels=LabelSpace(())) for index in range(2)]
    return "\n".join(behaviour_prompt(query, shown=pictures((0.0,) * (2 - query.index))).text() for query in both)


def speaker(said: Utterance) -> str:
    """The name of who speaks, or words that stand for it."""
    return said.speaker or "the speaker"


def line(said: Utterance) -> str:
    """What was said, on one line and in quotes; an utterance without words says so."""
    words = " ".join(said.text.split())
    return f'"{words}"' if words else "(no words)"
