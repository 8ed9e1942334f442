"""Recipes of an older merc: their keys in today's words, with comments and layout kept."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from merc.errors import MercError
from merc.recipe.yaml_text import read_yaml

OLD_TRAINER_KEYS = ("loss", "average", "class_weights", "answer", "l2")
"""What the trainer ``sft`` took before losses were components."""

_OLD_VALUES = {
    "loss": ("answer", "labels"),
    "average": ("utterances", "tokens"),
    "class_weights": ("none", "balanced", "balanced-tokens"),
    "answer": ("teacher-forced", "free-running"),
}

_RECORDED = re.compile(r"# The recipe .* with every value resolved, by merc ")


def moved(kind: str, key: str) -> str:
    """What took the place of a key that a component of this kind had, in a sentence for whoever writes it; empty for a
    key that never was.

    >>> moved("trainer", "loss")
    ' It is part of losses now: losses: [{name: token-nll}] or [{name: label-ce}]; merc convert FILE rewrites a recipe.'
    """
    if kind != "trainer" or key not in OLD_TRAINER_KEYS:
        return ""
    now = {
        "l2": "losses: [..., {name: l2, weight: 0.01}]",
        "answer": "losses: [{name: farcer-nll, answers_read: free-running}]",
    }.get(key, "losses: [{name: token-nll}] or [{name: label-ce}]")
    return f" It is part of losses now: {now}; merc convert FILE rewrites a recipe."


def is_recorded(text: str) -> bool:
    """Whether a text is the recipe that a run recorded, which is read in today's words whatever merc wrote it."""
    return bool(_RECORDED.match(text))


class _Edit(NamedTuple):
    start: int
    end: int
    text: str


def convert_text(text: str, shown: str) -> tuple[str, int]:
    """A recipe's text in today's words, and how many sections were rewritten. Raises MercError for what is no YAML, and
    for old keys whose values no older merc took or that have no counterpart now.

    >>> print(convert_text("stages:\\n- trainer: {name: sft, loss: labels, lr: 1e-3}\\n", "r.yaml")[0], end="")
    stages:
    - trainer: {name: sft, losses: [{name: label-ce}], lr: 1e-3}
    """
    root = read_yaml(text, shown)
    trainers = [] if root is None else list(_trainers(root))
    edits = [edit for trainer in trainers for edit in _trainer_edits(trainer, text, shown)]
    for edit in sorted(edits, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text, len({edit.start for edit in edits if edit.text})


def _trainers(root: yaml.Node) -> Iterator[yaml.MappingNode]:
    """The sections of every stage's trainer ``sft`` that have old keys."""
    stages = _child(root, "stages")
    for stage in stages.value if isinstance(stages, yaml.SequenceNode) else ():
        trainer = _child(stage, "trainer")
        name = _child(trainer, "name")
        if not isinstance(trainer, yaml.MappingNode) or name is None or name.value not in ("sft", "merc/sft"):
            continue
        if any(k.value in OLD_TRAINER_KEYS for k, _ in trainer.value):
            yield trainer


def _child(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((child for name, child in node.value if name.value == key), None)


def _trainer_edits(trainer: yaml.MappingNode, text: str, shown: str) -> Iterator[_Edit]:
    """Put ``losses`` where the first old key stands, and take the others out."""
    old = [(key, value) for key, value in trainer.value if key.value in OLD_TRAINER_KEYS]
    _check(trainer, old, shown)
    losses = _losses({key.value: value.value for key, value in old})
    written = ", ".join("{" + ", ".join(f"{k}: {_shown(v)}" for k, v in one.items()) + "}" for one in losses)
    for number, (key, value) in enumerate(old):
        start, end = key.start_mark.index, value.end_mark.index
        if number == 0:
            yield _Edit(start, end, f"losses: [{written}]")
        elif trainer.flow_style:
            yield _Edit(text.rindex(",", 0, start), end, "")
        else:
            following = text.find("\n", end)
            yield _Edit(text.rindex("\n", 0, start) + 1, len(text) if following < 0 else following + 1, "")


def _check(trainer: yaml.MappingNode, old: Sequence[tuple[yaml.Node, yaml.Node]], shown: str) -> None:
    """Raise MercError, with the line, for what cannot be rewritten with the same meaning."""
    if (losses := _child(trainer, "losses")) is not None:
        keys = ", ".join(key.value for key, _ in old)
        place = f"{shown}, line {losses.start_mark.line + 1}"
        raise MercError(f"{place}: the trainer has losses and the old {keys} too; take the one or the other out")
    for key, value in old:
        place = f"{shown}, line {key.start_mark.line + 1}"
        given = value.value if isinstance(value, yaml.ScalarNode) else "a section or list"
        if key.value == "l2":
            try:
                right = math.isfinite(float(given)) and float(given) >= 0
            except ValueError:
                right = False
            wanted = "a number, 0 or above"
        else:
            right, wanted = given in _OLD_VALUES[key.value], " or ".join(_OLD_VALUES[key.value])
        if not right:
            raise MercError(
                f"{place}: {key.value}: {given!r} is no value that an older merc took ({wanted}), so it cannot be "
                "rewritten; correct it, or write losses by hand"
            )
    values = {key.value: value.value for key, value in old}
    farcer = values.get("answer") == "free-running" or values.get("class_weights") == "balanced-tokens"
    if farcer and (values.get("loss") == "labels" or values.get("class_weights") == "balanced"):
        raise MercError(
            f"{shown}, line {old[0][0].start_mark.line + 1}: no loss has all of "
            + ", ".join(f"{key}: {value}" for key, value in values.items() if key != "l2")
            + "; write losses by hand (merc plugins lists them)"
        )


def _losses(old: Mapping[str, str]) -> list[dict[str, Any]]:
    """The losses that old keys meant."""
    balanced_tokens, free = old.get("class_weights") == "balanced-tokens", old.get("answer") == "free-running"
    if balanced_tokens or free:
        found: dict[str, Any] = {"name": "farcer-nll"}
        found["token_weights"] = "balanced" if balanced_tokens else "none"
        found["answers_read"] = "free-running" if free else "teacher-forced"
        if old.get("average", "utterances") != "tokens":
            found["average"] = "utterances"
    else:
        found = {"name": "label-ce" if old.get("loss") == "labels" else "token-nll"}
        found |= {
            key: old[key] for key in ("average", "class_weights") if old.get(key, "none") not in ("none", "utterances")
        }
    l2 = float(old.get("l2") or 0)
    return [found, {"name": "l2", "weight": l2}] if l2 else [found]


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
