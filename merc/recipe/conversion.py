"""Recipes of an older merc: their keys in today's words, with comments and layout kept."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
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

OLD_EVALUATE_KEYS = ("decode", "normalize", "parser", "max_new_tokens")
"""What ``evaluate`` took before decoders were components."""

_WRITING = {"parser": "exact", "max_new_tokens": "32"}
"""What the decoder ``generate`` goes by, and the defaults."""

_RENAMED_PARSERS = {"affectgpt": "lowercase"}

RENAMED: Mapping[str, Mapping[str, str]] = {
    "recipe": {"engine": "strategy"},
    "trainer": {"conversations": "batch_conversations", "accumulate": "gradient_accumulation"},
    "data": {"parts": "segments", "past_labels": "label_history"},
    "evaluate": {"parts": "segments", "parts_seed": "segments_seed", "past_labels": "label_history"},
}
"""Keys that have another name now, by the kind of their section."""

_RECORDED = re.compile(r"# The recipe .* with every value resolved, by merc ")


def moved(kind: str, key: str) -> str:
    """What took the place of a key that a component of this kind had, in a sentence for whoever writes it; empty for a
    key that never was.

    >>> moved("trainer", "loss")
    ' It is part of losses now: losses: [{name: token-nll}] or [{name: label-ce}]; merc convert FILE rewrites a recipe.'
    """
    if (name := RENAMED.get(kind, {}).get(key)) is not None:
        return f" It is called {name} now; merc convert FILE rewrites a recipe."
    if kind == "evaluate" and key in OLD_EVALUATE_KEYS:
        return (
            " It is part of decoder now: decoder: {name: verbalizer, normalize: tokens} or decoder: {name: generate, "
            "parser: first-label, max_new_tokens: 8}; merc convert FILE rewrites a recipe."
        )
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


def convert_text(text: str, title: str) -> tuple[str, int]:
    """A recipe's text in today's words, and how many sections were rewritten. Raises MercError for what is no YAML, and
    for old keys whose values no older merc took or that have no counterpart now.

    >>> print(convert_text("stages:\\n- trainer: {name: sft, loss: labels, lr: 1e-3}\\n", "r.yaml")[0], end="")
    stages:
    - trainer: {name: sft, losses: [{name: label-ce}], lr: 1e-3}
    """
    root = read_yaml(text, title)
    sections = [] if root is None else list(_sections(root, text, title))
    edits = [edit for section, old, new in sections for edit in _section_edits(section, old, new, text)]
    changed = {id(section) for section, _, _ in sections}
    for section, key, name in [] if root is None else [*_renamed(root, title), *_renamed_parsers(root)]:
        edits.append(_Edit(key.start_mark.index, key.end_mark.index, name))
        changed.add(id(section))
    for edit in sorted(edits, reverse=True):
        text = text[: edit.start] + edit.text + text[edit.end :]
    return text, len(changed)


def _renamed(root: yaml.Node, title: str) -> Iterator[tuple[yaml.MappingNode, yaml.ScalarNode, str]]:
    """The keys that have another name now, with their section and that name. Raises MercError where a section has both
    names."""
    for kind, section in _kinds(root):
        names = RENAMED[kind]
        if not isinstance(section, yaml.MappingNode):
            continue
        for key, _ in section.value:
            if key.value in names:
                _check_both(section, names[key.value], [key.value], title)
                yield section, key, names[key.value]


def _renamed_parsers(root: yaml.Node) -> Iterator[tuple[yaml.MappingNode, yaml.Node, str]]:
    """The parsers of decoders that have another name now, with their section and that name."""
    for name in ("decoder", "text_decoder"):
        decoder = _child(_child(root, "evaluate"), name)
        parser = _child(decoder, "parser")
        if isinstance(decoder, yaml.MappingNode) and parser is not None and parser.value in _RENAMED_PARSERS:
            yield decoder, parser, _RENAMED_PARSERS[parser.value]


def _kinds(root: yaml.Node) -> Iterator[tuple[str, yaml.Node | None]]:
    """The sections in which keys have another name, with their kind."""
    yield "recipe", root
    yield "evaluate", _child(root, "evaluate")
    stages = _child(root, "stages")
    for stage in stages.value if isinstance(stages, yaml.SequenceNode) else ():
        trainer = _child(stage, "trainer")
        name = _child(trainer, "name")
        if name is None or name.value in ("sft", "merc/sft"):
            yield "trainer", trainer
        tasks = _child(stage, "tasks")
        for task in [stage, *(tasks.value if isinstance(tasks, yaml.SequenceNode) else ())]:
            yield "data", _child(task, "data")


def _sections(
    root: yaml.Node, text: str, title: str
) -> Iterator[tuple[yaml.MappingNode, Collection[str], dict[str, str]]]:
    """The sections that have old keys: these keys, and what takes their place, by key, as it is written."""
    stages = _child(root, "stages")
    for stage in stages.value if isinstance(stages, yaml.SequenceNode) else ():
        trainer = _child(stage, "trainer")
        name = _child(trainer, "name")
        if not isinstance(trainer, yaml.MappingNode) or name is None or name.value not in ("sft", "merc/sft"):
            continue
        if old := _old(trainer, OLD_TRAINER_KEYS, text):
            _check_trainer(trainer, title)
            yield trainer, OLD_TRAINER_KEYS, {"losses": f"[{', '.join(map(_section, _losses(old)))}]"}
    evaluate = _child(root, "evaluate")
    if isinstance(evaluate, yaml.MappingNode) and (old := _old(evaluate, OLD_EVALUATE_KEYS, text)):
        _check_evaluate(evaluate, title)
        decoder = decoder_of(old, alone=_child(root, "extends") is None)
        new = {"decoder": _section(decoder)}
        if decoder.get("name") == "verbalizer" and (writing := _changed(old)):
            new["text_decoder"] = _section({"name": "generate", **writing})
        yield evaluate, OLD_EVALUATE_KEYS, new


def _old(section: yaml.MappingNode, keys: Collection[str], text: str) -> dict[str, str]:
    """The old keys of a section, and their values as they are written; quotes stay where YAML needs them."""
    return {key.value: _written(value, text) for key, value in section.value if key.value in keys}


def _written(value: yaml.Node, text: str) -> str:
    if isinstance(value, yaml.ScalarNode):
        return json.dumps(value.value) if re.search(r"[{}\[\],#\n]", value.value) else value.value
    return text[value.start_mark.index : value.end_mark.index].rstrip()


def _child(node: yaml.Node | None, key: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    return next((child for name, child in node.value if name.value == key), None)


def _section_edits(
    section: yaml.MappingNode, old: Collection[str], new: Mapping[str, str], text: str
) -> Iterator[_Edit]:
    """Put the new keys where the first old key stands, and take the others out. Comments beside them stay."""
    entries = [(key, value) for key, value in section.value if key.value in old]
    for number, (key, value) in enumerate(entries):
        start, end = key.start_mark.index, value.end_mark.index
        begin = text.rfind("\n", 0, start) + 1
        if number == 0:
            between = ", " if section.flow_style else "\n" + " " * (start - begin)
            yield _Edit(start, end, between.join(f"{name}: {written}" for name, written in new.items()))
        elif section.flow_style:
            yield _Edit(text.rindex(",", 0, start), end, "")
        else:
            following = text.find("\n", end)
            stop = len(text) if following < 0 else following + 1
            comment = text[end:stop].strip()
            yield _Edit(begin, stop, f"{text[begin:start]}{comment}\n" if comment else "")


def decoder_of(old: Mapping[str, Any], alone: bool = True) -> dict[str, Any]:
    """The decoder that old keys of ``evaluate`` meant. ``alone`` is whether they are all that is said of it; else a
    recipe that is extended says which decoder it is.

    >>> decoder_of({"decode": "generate", "normalize": "none", "parser": "strict", "max_new_tokens": 8})
    {'name': 'generate', 'parser': 'strict', 'max_new_tokens': 8}
    """
    name = old.get("decode", "verbalizer" if alone else None)
    takes = {"verbalizer": ("normalize",), "generate": tuple(_WRITING)}.get(str(name), OLD_EVALUATE_KEYS[1:])
    values = {key: _RENAMED_PARSERS.get(str(old[key]), old[key]) for key in takes if key in old}
    return ({} if name is None else {"name": name}) | values


def _changed(old: Mapping[str, str]) -> dict[str, str]:
    """What old keys said of how a model writes; one whose labels are scored does so for texts of a benchmark."""
    changed = {key: old[key] for key, default in _WRITING.items() if old.get(key, default) != default}
    return {key: _RENAMED_PARSERS.get(value, value) for key, value in changed.items()}


def _check_both(section: yaml.MappingNode, new: str, old: Sequence[str], title: str) -> None:
    """Raise MercError for a section that has what takes the place of its old keys already."""
    if (there := next((key for key, _ in section.value if key.value == new), None)) is not None:
        place = f"{title}, line {there.start_mark.line + 1}"
        raise MercError(f"{place}: {new} and the old {', '.join(old)} stand together; take the one or the other out")


def _check_evaluate(evaluate: yaml.MappingNode, title: str) -> None:
    """Raise MercError, with the line, for ways of decoding that cannot be rewritten with the same meaning."""
    _check_both(evaluate, "decoder", [key.value for key, _ in evaluate.value if key.value in OLD_EVALUATE_KEYS], title)
    decode = _child(evaluate, "decode")
    if decode is not None and decode.value not in ("verbalizer", "generate"):
        raise MercError(
            f"{title}, line {decode.start_mark.line + 1}: decode: {decode.value!r} is no value that an older merc took "
            "(verbalizer or generate), so it cannot be rewritten; correct it, or write decoder by hand"
        )


def _check_trainer(trainer: yaml.MappingNode, title: str) -> None:
    """Raise MercError, with the line, for losses that cannot be rewritten with the same meaning."""
    old = [(key, value) for key, value in trainer.value if key.value in OLD_TRAINER_KEYS]
    _check_both(trainer, "losses", [key.value for key, _ in old], title)
    for key, value in old:
        place = f"{title}, line {key.start_mark.line + 1}"
        scalar = value.value if isinstance(value, yaml.ScalarNode) else "a section or list"
        if key.value == "l2":
            try:
                right = math.isfinite(float(scalar)) and float(scalar) >= 0
            except ValueError:
                right = False
            expected = "a number, 0 or above"
        else:
            right, expected = scalar in _OLD_VALUES[key.value], " or ".join(_OLD_VALUES[key.value])
        if not right:
            raise MercError(
                f"{place}: {key.value}: {scalar!r} is no value that an older merc took ({expected}), so it cannot be "
                "rewritten; correct it, or write losses by hand"
            )
    values = {key.value: value.value for key, value in old}
    farcer = values.get("answer") == "free-running" or values.get("class_weights") == "balanced-tokens"
    if farcer and (values.get("loss") == "labels" or values.get("class_weights") == "balanced"):
        raise MercError(
            f"{title}, line {old[0][0].start_mark.line + 1}: no loss has all of "
            + ", ".join(f"{key}: {value}" for key, value in values.items() if key != "l2")
            + "; write losses by hand (merc plugins lists them)"
        )


def _losses(old: Mapping[str, str]) -> list[dict[str, Any]]:
    """The losses that old keys meant."""
    balanced_tokens, free = old.get("class_weights") == "balanced-tokens", old.get("answer") == "free-running"
    if balanced_tokens or free:
        loss: dict[str, Any] = {"name": "farcer-nll"}
        loss["token_weights"] = "balanced" if balanced_tokens else "none"
        loss["answers_read"] = "free-running" if free else "teacher-forced"
        if old.get("average", "utterances") != "tokens":
            loss["average"] = "utterances"
    else:
        loss = {"name": "label-ce" if old.get("loss") == "labels" else "token-nll"}
        loss |= {
            key: old[key] for key in ("average", "class_weights") if old.get(key, "none") not in ("none", "utterances")
        }
    l2 = float(old.get("l2") or 0)
    return [loss, {"name": "l2", "weight": l2}] if l2 else [loss]


def _section(section: Mapping[str, Any]) -> str:
    """A section in one line."""
    return "{" + ", ".join(f"{k}: {v if isinstance(v, str) else json.dumps(v)}" for k, v in section.items()) + "}"
