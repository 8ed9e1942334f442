"""Reading a label out of a generated answer, by a policy that has a name."""

from __future__ import annotations

import re
import string
from typing import Literal

from merc.conversation import LabelSpace

Policy = Literal["exact", "first-label", "strict", "answer-tag", "answer-tag-strict"]

_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.IGNORECASE | re.DOTALL)
_AROUND = string.whitespace + "\u00a0.,;:!?…\"'`“”‘’*()[]"


def parse_label(text: str, labels: LabelSpace, policy: Policy) -> str | None:
    """The label in a generated answer, or ``None``, which counts as wrong and as unparsed.

    - ``strict``: the answer is a word of a label, letter for letter.
    - ``exact``: the same, but for case, surrounding space, and punctuation around it.
    - ``first-label``: the word of a label that stands first in the answer, as a whole word, in any case; of two that
      begin at the same place the longer one.
    - ``answer-tag``: the same, within the last ``<answer>…</answer>``. Without an end tag, behind ``<answer>``; without
      either, behind ``</think>``; without any tag, anywhere. Reasoning that does not end has no answer behind it.
    - ``answer-tag-strict``: as ``exact``, within the last ``<answer>…</answer>``; without both tags there is none.

    >>> space = LabelSpace(("joy", "sadness"), {"sadness": ("sadness", "sad")})
    >>> [parse_label("I'd say Sadness, not joy.", space, p) for p in ("strict", "exact", "first-label")]
    [None, None, 'sadness']
    >>> parse_label(" Joy. ", space, "exact"), parse_label(" Joy. ", space, "strict")
    ('joy', None)
    >>> parse_label("<think>Joy? No: a frown.</think><answer>Sadness</answer>", space, "answer-tag")
    'sadness'
    """
    if policy in ("answer-tag", "answer-tag-strict"):
        answer = _in_tags(text, policy == "answer-tag-strict")
        return (
            None
            if answer is None
            else parse_label(answer, labels, "first-label" if policy == "answer-tag" else "exact")
        )
    words = {word: label for label in labels.labels for word in labels.words_of(label)}
    if policy == "strict":
        return words.get(text)
    if policy == "exact":
        return {_bare(word): label for word, label in words.items()}.get(_bare(text))
    folded = {word.casefold(): label for word, label in words.items()}
    if not folded:
        return None
    longest_first = sorted(folded, key=len, reverse=True)
    found = re.search(r"(?<!\w)(" + "|".join(map(re.escape, longest_first)) + r")(?!\w)", text.casefold())
    return folded[found.group(1)] if found else None


def _in_tags(text: str, strict: bool) -> str | None:
    """The part of a text that is the answer; ``None`` where it has none."""
    if found := _ANSWER.findall(text):
        return str(found[-1])
    if strict:
        return None
    for tag in ("<answer>", "</think>"):
        if pieces := re.split(tag, text, flags=re.IGNORECASE)[1:]:
            return pieces[-1]
    return None if "<think>" in text.casefold() else text


def _bare(text: str) -> str:
    return text.strip(_AROUND).casefold()
