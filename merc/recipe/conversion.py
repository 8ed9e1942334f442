"""Recipes of an older merc: their keys in today's words, with comments and layout kept."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import yaml

from merc.recipe.yaml_text import read_yaml

OLD_TRAINER_KEYS = ("loss", "average", "class_weights", "answer", "l2")
"""What the trainer ``sft`` took before losses were components."""

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
    """A recipe's text in today's words, and how many sections were rewritten. Raises MercError for what is no YAML.

    >>> print(convert_text("stages:\\n- trainer: {name: sft, loss: labels, lr: 1e-3}\\n", "r.yaml")[0], end="")
    stages:
    - trainer: {name: sft, losses: [{name: label-ce}], lr: 1e-3}
    """
    root = read_yaml(text, shown)
    trainers = [] if root is None else list(_trainers(root))
    edits = [edit for trainer in trainers for edit in _trainer_edits(trainer, text)]
    for edit in sorted(edits, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text, len({edit.start for edit in edits if edit.text})


def _trainers(root: yaml.Node) -> Iterator[yaml.MappingNode]:
    """The sections of every stage's trainer that have old keys."""
    stages = _child(root, "stages")
    for stage in stages.value if isinstance(stages, yaml.SequenceNode) else ():
        trainer = _child(stage, "trainer")
        if isinstance(trainer, yaml.MappingNode) and any(k.value in OLD_TRAINER_KEYS for k, _ in trainer.value):
            yield trainer


def _child(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((child for name, child in node.value if name.value == key), None)


def _trainer_edits(trainer: yaml.MappingNode, text: str) -> Iterator[_Edit]:
    """Put ``losses`` where the first old key stands, and take the others out."""
    old = [(key, value) for key, value in trainer.value if key.value in OLD_TRAINER_KEYS]
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
