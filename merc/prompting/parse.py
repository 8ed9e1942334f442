"""Reading a label out of a generated answer, by a policy that has a name."""

from __future__ import annotations

from typing import Literal

from merc.answers import (
    bare,
    find_answer,
    normal,
    read_answer,
    read_lowercase,
    until_end,
    vocabulary_of_labels,
)
from merc.conversation import LabelSpace

Policy = Literal["exact", "first-label", "strict", "answer-tag", "answer-tag-strict", "lowercase"]


def parse_label(text: str, labels: LabelSpace, policy: Policy) -> str | None:
    """The label in a generated answer, or ``None``, which counts as wrong and as unparsed.

    - ``strict``: the answer is a word of a label, letter for letter. Every other policy also knows the labels' own
      names.
    - ``exact``: the same, but for case, width, surrounding space, punctuation of any script around it, and a token
      that ends the text.
    - ``first-label``: the word of a label that stands first in the answer, as a whole word, in any case; of two that
      begin at the same place the longer one. Chinese, Japanese and others without spaces have a word wherever it
      stands.
    - ``answer-tag``: the one label within the last ``<answer>…</answer>``, read as metrics read it
      (``merc.answers.read_answer``): several different ones are none. Without an end tag, after ``<answer>``; without
      either, after ``</think>``; without any tag, anywhere. Reasoning that does not end has no answer after it.
    - ``answer-tag-strict``: as ``exact``, within the last ``<answer>…</answer>``; without both tags there is none.
    - ``lowercase``: all of the answer, in small letters and without space around it, is a word of a label
      (``merc.answers.read_lowercase``).

    >>> space = LabelSpace(("joy", "sadness"), {"sadness": ("sadness", "sad")})
    >>> [parse_label("I'd say Sadness, not joy.", space, p) for p in ("strict", "exact", "first-label")]
    [None, None, 'sadness']
    >>> parse_label(" Joy. ", space, "exact"), parse_label(" Joy. ", space, "strict")
    ('joy', None)
    >>> parse_label("<think>Joy? No: a frown.</think><answer>Sadness</answer>", space, "answer-tag")
    'sadness'
    """
    if policy == "strict":
        return {word: label for label in labels.labels for word in labels.words_of(label)}.get(text)
    known = vocabulary_of_labels(labels)
    if policy in ("lowercase", "answer-tag"):
        read = read_lowercase if policy == "lowercase" else read_answer
        labels_read = read(text, known).labels
        return labels_read[0] if len(labels_read) == 1 else None
    text = normal(text)
    if policy == "first-label":
        return next(iter(known.within(find_answer(text, "whole")[0])), None)
    answer = until_end(text)[0] if policy == "exact" else find_answer(text, "answer-only")[0]
    return known.folded.get(bare(answer).casefold())
