"""Prompts as a recipe writes them: named parts of text with placeholders, such as ``{conversation}``."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from merc import Segment, Text

Order = Literal["paper", "shared-first"]
Values = Mapping[str, str | Sequence[Segment]]
"""What stands for each placeholder: words, or segments of a prompt."""

_PLACE = re.compile(r"\{([a-z_]+)\}")
_DIFFERS = ("conversation", "media", "speaker")
"""Placeholders whose values differ from utterance to utterance."""


def check_template(template: Mapping[str, str], known: Collection[str], needed: Collection[str]) -> None:
    """Raise ValueError for a template without parts, with a placeholder that is not ``known``, or without one that is
    ``needed``. Braces around anything but one word in lower case are text.

    >>> check_template({"all": "Label {conversaton}."}, ["conversation"], [])
    Traceback (most recent call last):
    ValueError: template.all has the placeholder {conversaton}; there are {conversation}
    """
    if not template or not all(text.strip() for text in template.values()):
        raise ValueError("template has no part, or an empty one; give texts by name, as in {objective: Describe ...}")
    held = {place for text in template.values() for place in _PLACE.findall(text)}
    for name, text in template.items():
        for place in _PLACE.findall(text):
            if place not in known:
                there = ", ".join("{" + one + "}" for one in known)
                raise ValueError(f"template.{name} has the placeholder {{{place}}}; there are {there}")
    for place in needed:
        if place not in held:
            raise ValueError(f"template has no {{{place}}}, so the prompt would not show it; put it where it belongs")


def render(template: Mapping[str, str], values: Values, structured: bool, order: Order = "paper") -> list[Segment]:
    """The parts of a template, one after the other: under headings made of their names where there are several, or run
    together without. ``shared-first`` puts parts last that differ from utterance to utterance."""
    names = list(template)
    if order == "shared-first":
        names.sort(key=lambda name: any(place in _DIFFERS for place in _PLACE.findall(template[name])))
    segments: list[Segment] = []
    for name in names:
        if structured and len(names) > 1:
            segments.append(Text(f"# {name.capitalize()}\n"))
        segments += [*_filled(template[name], values), Text("\n\n" if structured else "\n")]
    return segments


def words_of(template: Mapping[str, str], values: Mapping[str, str], structured: bool) -> str:
    """A template whose values are all words, as one text; without structure, as one paragraph."""
    made = render(template, values, structured)
    text = "".join(one.text for one in made if isinstance(one, Text)).strip()
    return text if structured else " ".join(text.split())


def _filled(text: str, values: Values) -> list[Segment]:
    """The text with its placeholders filled in; words that meet are one Text."""
    segments: list[Segment] = []
    words = ""
    for number, piece in enumerate(_PLACE.split(text)):
        value = values[piece] if number % 2 else piece
        if isinstance(value, str):
            # nothing to show: no space for it either
            words = words.removesuffix(" ") if number % 2 and not value else words + value
            continue
        if piece == "media":  # each stream brings the space before it, and one that is missing leaves none
            words = words.removesuffix(" ")
        segments += [*([Text(words)] if words else []), *value]
        words = ""
    return [*segments, *([Text(words)] if words else [])]
