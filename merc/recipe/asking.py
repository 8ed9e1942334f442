"""A prompter and what it makes of a small conversation, for checks that look at what prompts show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar, cast

from merc.components import Prompt, Prompter, Query
from merc.conversation import Conversation, LabelSpace, Utterance
from merc.recipe.document import Node
from merc.recipe.schema import ComponentRef
from merc.registry.isolation import isolated

_T = TypeVar("_T")


@dataclass(frozen=True)
class Asking:
    """A prompter, what it gets, and a prompt that it made of a sample; ``prompt`` is None where it made none."""

    path: str
    part: ComponentRef
    query: Query
    prompt: Prompt | None

    @classmethod
    def of(cls, path: str, part: ComponentRef, labels: LabelSpace | None) -> Asking:
        """The prompter of a dotted path, asked about a sample."""
        query = sample_query(part, labels)
        return cls(path, part, query, prompt_of(part, query))

    @property
    def asks_for_label(self) -> bool | None:
        """Whether it asks for a label, not for a text; None where the sample does not tell."""
        return None if self.prompt is None else self.prompt.answer.text is None

    def shows(self, **changes: Any) -> bool:
        """Whether demonstrations, a label history or another conversation make another prompt; true where the
        sample does not tell."""
        other = prompt_of(self.part, replace(self.query, **changes))
        return self.prompt is None or other is None or self.prompt != other


def says(question: Callable[[], _T], otherwise: _T) -> _T:
    """What a component says of itself; one that fails is left to the run, which asks it again."""
    try:
        return isolated(question)
    except Exception:
        return otherwise


def sample_query(part: ComponentRef, labels: LabelSpace | None) -> Query:
    """A query about the last of three utterances, which have all the cues that the prompter reads."""
    space = labels or LabelSpace(("joy", "anger"))
    try:
        cues = dict.fromkeys(isolated(cast(Prompter, part.component).cue_fields), "a sign")
    except Exception:  # reported by check_cues
        cues = {}
    words = [("Ann", "Did you hear?"), ("Ben", "No."), ("Ann", "We won!")]
    utterances = tuple(
        Utterance(id=f"sample_u{i}", speaker=who, text=text, label=space.labels[0], cues=cues)
        for i, (who, text) in enumerate(words)
    )
    return Query(conversation=Conversation(id="sample", utterances=utterances), index=2, labels=space)


def prompt_of(part: ComponentRef, query: Query) -> Prompt | None:
    """The prompt of a sample; None where the prompter makes none of it, since it may want what a corpus has."""
    try:
        prompt = isolated(lambda: cast(Prompter, part.component).prompt(query))
    except Exception:
        return None
    return prompt if isinstance(prompt, Prompt) else None


def node_at(root: Node, path: str) -> Node | None:
    """What stands at a dotted path, if anything does."""
    node: Node | None = root
    for key in path.split("."):
        if node is None:
            return None
        if isinstance(node.value, list):
            node = node.value[int(key)] if key.isdigit() and int(key) < len(node.value) else None
        else:
            node = node.get(key)
    return node
