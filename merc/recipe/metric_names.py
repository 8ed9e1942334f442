"""What a metric of an evaluation is called in metrics.json, the table and the report, and by who chooses by it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from merc.files import short_name
from merc.recipe.document import Node
from merc.recipe.problems import Problems, join
from merc.recipe.schema import ComponentRef

CLASSIFICATION = ("classification", "merc/classification")
"""The names of merc's own metric, whose numbers stand at the top of a split's and not under its name."""

OWN_NUMBERS = (
    "n", "unlabelled", "unparsed_rate", "label_history", "following", "accuracy", "weighted_f1", "macro_f1", "uar",
    "averaged_over", "per_class", "confusion", "corrupt",
)  # fmt: skip
"""What stands at the top of a split's numbers, so that no other metric can have such a name."""

_LONGEST = 48
_OF_ROWS = ("severities",)
"""Parameters whose values stand in rows of their own, so that no name has them."""


def listed_name(
    node: Node,
    part: ComponentRef,
    others: Mapping[str, ComponentRef],
    path: str,
    problems: Problems,
    kind: str,
) -> str | None:
    """The name of a metric, or another kind, beside the ``others`` of its list; ``None`` where what is wrong was
    reported.

    It is what ``as`` says, else the registered name. One that stands there already, with other parameters, is
    named by these: ``micro-f1-exclude-neutral``.
    """
    own = node.get("as")
    if own is not None:
        return _own_name(own, part, others, join(path, "as"), problems, kind)
    first = next((other for other in others.values() if other.name == part.name), None)
    if first is None or part.name not in others:
        return part.name
    same = next((name for name, other in others.items() if other.component == part.component), None)
    if same is not None:
        problems.add(path, node, f"the {kind} {part.name!r} occurs twice with the same parameters; keep one of them")
        return None
    changed = {k: v for k, v in part.params.items() if v != first.params.get(k) and k not in _OF_ROWS}
    name = short_name("-".join([part.name, *(f"{key}-{_text(value)}" for key, value in changed.items())]), _LONGEST)
    if name in others:
        problems.add(path, node, f"{name!r} is the name of another {kind} here; give this one a name: as: NAME")
        return None
    return name


def _own_name(
    own: Node,
    part: ComponentRef,
    others: Mapping[str, ComponentRef],
    path: str,
    problems: Problems,
    kind: str,
) -> str | None:
    """What ``as`` says, if it can be a name."""
    name = own.value
    if own.broken:
        return None
    if name == part.name and name not in others:
        return part.name
    if not isinstance(name, str) or not name or short_name(name, len(name)) != name or "." in name:
        text = f"has letters, digits, '-' and '_' only, as the name of its numbers; given {own.plain()!r}"
    elif name in OWN_NUMBERS or name in CLASSIFICATION:
        text = f"{name!r} is what merc calls numbers of its own; take another name"
    elif name in others:
        text = f"{name!r} is the name of another {kind} here; take another name"
    else:
        return name
    problems.add(path, own, text)
    return None


def _text(value: Any) -> str:
    """A parameter in a name.

    >>> _text(["neutral", "joy"]), _text([]), _text(0.5)
    ('neutral-joy', 'none', '0.5')
    """
    if isinstance(value, Mapping):
        value = [f"{key}-{_text(item)}" for key, item in value.items()]
    if isinstance(value, list | tuple):
        return "-".join(map(_text, value)) or "none"
    return "none" if value is None else str(value)
