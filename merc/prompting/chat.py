"""Chat templates: what a tokenizer's own template writes around the words of each turn."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING

from merc.errors import MercError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase


CHAT_DATE = date(2024, 7, 26)
"""The day that chat templates are given for today, so that a recipe gives the same numbers on every day. It is the one
that LLaMA-3's own template writes where it is given none."""


@dataclass(frozen=True)
class Frame:
    """What stands before a turn's words, and whether the template cuts white space off their left and right end."""

    before: str
    cuts_left: bool = False
    cuts_right: bool = False


class ChatTemplate:
    """The chat template of a tokenizer; one that has none gets "Role: words" lines, and ``notes`` says so.

    A mark stands for the words of each turn while the template renders, and the rendering is cut at the marks. The
    last turn is the one that the answer stands in. ``begin`` is the begin token of the tokenizer, as text. A template
    that writes the date is given ``today``, at midnight, in place of the clock, and ``notes`` says so.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, begin: str, today: date = CHAT_DATE) -> None:
        self.notes: list[str] = []
        self._today = today
        self._tokenizer = tokenizer
        self._begin = begin
        self._known: dict[tuple[str, ...], tuple[bool, list[Frame]]] = {}

    def frames(self, roles: tuple[str, ...]) -> tuple[bool, list[Frame]]:
        """The frame of every turn, and whether the words of a system turn must be put before those of the first user
        turn, since the template has no place for them; there is then one frame less.

        Raises MercError for roles that the template refuses or whose words it drops, repeats or reorders.
        """
        if roles not in self._known:
            try:
                self._known[roles] = (False, self._cut(roles))
            except MercError:
                if roles[:2] != ("system", "user"):
                    raise
                self._known[roles] = (True, self._cut(roles[1:]))
                self._note("the tokenizer's chat template has no system turn: its words stand before the first user's")
        return self._known[roles]

    def _cut(self, roles: tuple[str, ...]) -> list[Frame]:
        marks = [f"\ue000{i}\ue001" for i in range(len(roles))]
        plain = self._render(roles, marks)
        if self._render(roles, marks) != plain:
            raise MercError(
                "the tokenizer's chat template writes something else each time, so no run with it could be repeated; "
                "use a prompter without turns, or give the model's folder another chat_template.jinja"
            )
        frames, rest = [], plain
        for i, mark in enumerate(marks):
            before, separator, rest = rest.partition(mark)
            if not separator or "\ue000" in before:
                raise MercError(
                    "the tokenizer's chat template drops, repeats or reorders the words of a message, so merc cannot "
                    "place media in it; use a prompter without turns, or another tokenizer"
                )
            left, right = ([*marks[:i], padded, *marks[i + 1 :]] for padded in (f" {mark}", f"{mark} "))
            frames.append(Frame(before, self._render(roles, left) == plain, self._render(roles, right) == plain))
        return frames

    def _render(self, roles: Sequence[str], contents: Sequence[str]) -> str:
        if not getattr(self._tokenizer, "chat_template", None):
            self._note("the tokenizer has no chat template: turns are written plainly, as 'User: …' lines")
            return self._begin + "".join(f"{r.capitalize()}: {c}\n" for r, c in zip(roles, contents, strict=True))
        messages = [{"role": r, "content": c} for r, c in zip(roles, contents, strict=True)]
        try:
            return str(self._tokenizer.apply_chat_template(messages, chat_template=self._dated(), tokenize=False))
        except Exception as error:  # a template is a program that came with the model: it may raise anything
            raise MercError(
                f"the tokenizer's chat template refuses the turns {', '.join(roles)}: {error}; "
                "use a prompter with other turns or without any"
            ) from None

    def _dated(self) -> str:
        """The template, with a date in place of the clock where it asks for one."""
        template = str(self._tokenizer.get_chat_template())
        if "strftime_now" not in template:
            return template
        day = f"{self._today.day} {self._today:%B %Y}"
        self._note(f"the tokenizer's chat template asks for the date: it is given {day} on every day")
        return _macro(self._today) + template

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def _macro(today: date) -> str:
    """``strftime_now`` in a template's own language, at midnight of a day. transformers' function of that name reads
    the clock, and lets nobody put another in its place."""
    midnight = datetime.combine(today, time())
    codes = {f"%{sign}": midnight.strftime(f"%{sign}") for sign in "aAwdbBmyYHIMSpfjUWcxXGuV"}
    codes |= {f"%-{sign}": str(int(codes[f"%{sign}"])) for sign in "dmyHIMSj"}
    codes |= {"%e": f"{today.day:2}", "%F": f"{today:%Y-%m-%d}", "%D": f"{today:%m/%d/%y}", "%T": "00:00:00"}
    codes |= {"%R": "00:00", "%z": "", "%Z": "", "%n": "\n", "%t": "\t", "%%": "%"}
    return (
        "{%- macro strftime_now(form) -%}{%- set dated = namespace(text=form) -%}"
        f"{{%- for code, value in {json.dumps(codes)}.items() -%}}"
        "{%- set dated.text = dated.text | replace(code, value) -%}{%- endfor -%}"
        "{{- dated.text -}}{%- endmacro +%}"
    )
