"""Whether prompts, and what is written after them, fit into a model's context."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from merc.errors import MercError
from merc.prompting.encode import EncodedPrompt


class LongPrompts(MercError):
    """Prompts are longer than the model's context: ``depths`` has the lengths of these, by target."""

    def __init__(self, message: str, depths: Mapping[str, int]) -> None:
        super().__init__(message)
        self.depths = depths


def depth_with(prompt: EncodedPrompt, room: int) -> int:
    """How long a prompt is with its longest answer, or with ``room`` tokens that may be written after it."""
    return max(prompt.depth, len(prompt.context) + room)


def check_depth(prompts: Iterable[EncodedPrompt], context: int | None, room: int = 0) -> None:
    """Raise LongPrompts for prompts that are longer than the model's context, with how many and which is the longest;
    ``room`` tokens may be written after each."""
    if context is None:
        return
    long = [p for p in prompts if depth_with(p, room) > context]
    if not long:
        return
    worst = max(long, key=lambda p: depth_with(p, room))
    written = depth_with(worst, room) > worst.depth
    raise LongPrompts(
        f"{len(long)} prompt{'s are' if len(long) > 1 else ' is'} longer than the model's context of {context} "
        f"tokens; the longest, for utterance {worst.target!r}, has {depth_with(worst, room)}"
        + (f", {room} of which may be written (max_new_tokens)" if written else "")
        + f". Nothing is cut: give {'a smaller max_new_tokens, ' if written else ''}the prompter a shorter `history`, "
        "fewer demonstrations or media tokens, or use a model with a longer context",
        {p.target: depth_with(p, room) for p in long},
    )
