"""The prompt for behaviour, T_b of BeMERC (section 3.2, appendix A.1, figure 7), and the one for a description.

One template serves generation and alignment, as in the paper: a teacher is given it together with pictures, alignment
tuning (section 3.3) with placeholders where the tokens will stand. The figure that prints its words can't be read, so
they are merc's own; a recipe may replace them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from merc import Conversation, LabelSpace, Query, Utterance
from merc_bemerc.template import words_of

FIELDS = ("face", "body", "posture")
"""The three behaviours of the paper: facial expression, body language, posture."""

MEANINGS = {
    "face": "the facial expression, slight ones too",
    "body": "body language: gestures, movements of head, hands and shoulders",
    "posture": "how the body is held and turned",
    "prosody": "how the voice sounds",
    "description": "who and what is to be seen, where, and what happens",
}
"""What fields are about, in words for a prompt."""

WORDS = 40
"""How many words a description is asked to have at most."""

BEHAVIOUR = {
    "title": "You are an expert who reads, in conversations between people, the small signs of how somebody feels.",
    "context": "{conversation} {media}",
    "objective": "Describe how the last speaker behaves while saying this ({fields}).",
    "constraint": (
        "Answer with one JSON object and nothing else: {json}. Each value is one or two plain English sentences of at "
        "most 40 words together. Write null for what cannot be seen, and do not guess it. Describe what is visible; do "
        "not name an emotion label."
    ),
}
"""T_b: its parts by name."""

DESCRIPTION = {
    "title": "You describe videos for people who cannot see them.",
    "context": "{conversation} {media}",
    "objective": "Describe the video that belongs to the last line ({fields}).",
    "constraint": BEHAVIOUR["constraint"],
}
"""The plain description of a video that the paper sets against behaviour (figures 1 and 6)."""

PLACES = ("conversation", "media", "speaker", "fields", "json")
"""What may stand in braces in these templates."""


def fields_and_json(meanings: Mapping[str, str]) -> dict[str, str]:
    """The values of ``{fields}`` and ``{json}``.

    >>> fields_and_json({"face": "the facial expression"})
    {'fields': 'face: the facial expression', 'json': '{"face": "..."}'}
    """
    listed = "; ".join(f"{field}: {meaning}" if meaning else field for field, meaning in meanings.items())
    return {"fields": listed, "json": json.dumps(dict.fromkeys(meanings, "..."))}


def teacher_prompt(
    query: Query,
    template: Mapping[str, str],
    meanings: Mapping[str, str],
    *,
    before: int | None = None,
    media: str = "",
    structured: bool = True,
) -> str:
    """The words that a teacher is given about the target of a query: ``before`` utterances before it (``None``: all),
    its words, and what is ``media`` of it (a sentence about the pictures; empty where there are none)."""
    target = query.target
    values = {
        "conversation": "\n".join(f"{speaker(u)}: {line(u)}" for u in [*utterances_before(query, before), target]),
        "media": media,
        "speaker": speaker(target),
        **fields_and_json(meanings),
    }
    return words_of(template, values, structured)


def utterances_before(query: Query, before: int | None) -> tuple[Utterance, ...]:
    """The utterances before the target that a prompt tells: the last ``before`` of them (``None``: all)."""
    first = 0 if before is None else max(0, query.index - before)
    return query.conversation.utterances[first : query.index]


def pictures(times: Sequence[float]) -> str:
    """The sentence about the pictures that a teacher is shown, taken at these times (seconds)."""
    if len(times) == 1:
        return "You see one picture of it."
    seconds = ", ".join(f"{time:.1f}" for time in times)
    return f"You see {len(times)} pictures of it in their order, taken at {seconds} seconds."


def wording(template: Mapping[str, str], meanings: Mapping[str, str], structured: bool) -> str:
    """All words of a prompt, for a made-up conversation: what answers depend on besides a conversation's own words."""
    utterances = (Utterance(id="0", text="A", speaker="B"), Utterance(id="1", text="C", speaker="D"))
    talk = Conversation(id="talk", utterances=utterances)
    both = [Query(conversation=talk, index=index, labels=LabelSpace(())) for index in range(2)]
    return "\n".join(
        teacher_prompt(query, template, meanings, media=pictures((0.0,) * (2 - query.index)), structured=structured)
        for query in both
    )


def speaker(utterance: Utterance) -> str:
    """The name of who speaks, or words that stand for it."""
    return utterance.speaker or "the speaker"


def line(utterance: Utterance) -> str:
    """What was said, on one line and in quotes; an utterance without words says so."""
    words = " ".join(utterance.text.split())
    return f'"{words}"' if words else "(no words)"
