"""Whether the heads of a recipe fit the rest of it: their names, what they give, and that each learns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from merc.components import Head, Trainer
from merc.conversation import LabelSpace
from merc.errors import did_you_mean
from merc.recipe.document import Node
from merc.recipe.fit import Placed
from merc.recipe.problems import Problems, join
from merc.recipe.schema import ComponentRef
from merc.registry.isolation import described, isolated

_TAKEN = ("label", "last")
"""What no field of a head may be called, since predictions have other truths by these names."""


def check_heads(values: Mapping[str, Any], trainers: Sequence[Placed], root: Node, problems: Problems) -> None:
    """Report heads whose fields are given twice or are named like a label, heads that no loss makes learn, and losses
    of heads that there are not."""
    heads: Mapping[str, ComponentRef] = values["heads"]
    owners: dict[str, str] = {}
    for name, part in heads.items():
        path, node = join("heads", name), _at(root, name)
        try:
            fields = list(isolated(cast(Head, part.component).fields))
        except Exception as error:
            problems.add(path, node, f"head {part.name!r} cannot say its fields: {described(error)}")
            continue
        for field in fields:
            if field in _TAKEN:
                problems.add(path, node, f"gives {field!r}, which is no value of an utterance; call it differently")
            elif owners.setdefault(field, name) != name:
                problems.add(path, node, f"gives {field!r}, which heads.{owners[field]} gives too; keep one of them")
    if values["labels"] is not None:
        for path, sentence in named_like_labels(heads, values["labels"]):
            problems.add(path, root.get("heads"), sentence)
    learned: set[str] = set()
    for path, node, part in trainers:
        for name in heads_of(part):
            learned.add(name)
            if name not in _keys(root):
                problems.add(
                    join(path, "losses"), node.get("losses") or node,
                    f"a loss is of the head {name!r}, which the recipe does not have."
                    f"{did_you_mean(name, heads)} Its heads are: {', '.join(heads) or 'none'}",
                )  # fmt: skip
    if values["init_from"] is not None or not trainers:
        return
    for name in heads:
        if name not in learned:
            problems.add(
                join("heads", name), _at(root, name), "no loss makes it learn, so its values would be random; add "
                f"{{name: head, head: {name}}} to the losses of a stage's trainer, or take it out (heads.{name}=null)",
            )  # fmt: skip


def named_like_labels(heads: Mapping[str, ComponentRef], labels: LabelSpace) -> Iterator[tuple[str, str]]:
    """The path of each head that is named like a label, or gives a value that is, and a sentence about it."""
    known = {word.casefold(): label for label in labels.labels for word in (label, *labels.words_of(label))}
    for name, part in heads.items():
        for one in dict.fromkeys([name, *cast(Head, part.component).fields()]):
            if one.casefold() in known:
                which = "is the name of the head and" if one == name else "is a value of the head and"
                yield (
                    join("heads", name),
                    f"{one!r} {which} of the label {known[one.casefold()]!r} too, so that nobody could tell their "
                    "numbers apart; call it differently",
                )


def heads_of(trainer: ComponentRef) -> list[str]:
    """The heads that a trainer makes learn; none for one that cannot be had, or fails to say."""
    if not isinstance(trainer.component, Trainer):
        return []
    try:
        return list(isolated(trainer.component.heads))
    except Exception:  # the run asks again
        return []


def _keys(root: Node) -> list[str]:
    node = root.get("heads")
    return list(node.value) if node is not None and isinstance(node.value, dict) else []


def _at(root: Node, name: str) -> Node | None:
    node = root.get("heads")
    return node.get(name) if node is not None else None
