"""The pages of the reference, each made of what the program itself says: no page here can be out of date."""

from __future__ import annotations

import dataclasses
import inspect
import json
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from merc_serve import messages
from pydantic import BaseModel

import merc
from merc.builtin.commands import COMMANDS
from merc.builtin.jsonl_fields import CONVERSATION, UTTERANCE
from merc.cli.component_page import as_markdown, parameter_table
from merc.cli.main import load_command, plugin_commands
from merc.components import Component, Prediction
from merc.conversation import Conversation, Utterance
from merc.evaluation.classification import ClassificationNumbers, Confusion, PerClass
from merc.evaluation.metrics import SplitNumbers
from merc.evaluation.predictions import _FIELDS
from merc.recipe.build import SECTIONS
from merc.recipe.describe import Parameter, meaning_of, own_doc, parameters_of
from merc.recipe.schema import Evaluate, Features, Recipe, Splitting, Stage, StageData, Strategy, Task
from merc.session.provenance import Provenance

_GENERATED = "*This page is generated from the program.*\n"
_PYTHON = f"""\
# Python

{_GENERATED}
Everything that `import merc` offers. [merc from Python](../python.md) shows how it is used, and
[Writing a plugin](../plugins.md) what the contracts ask for.
"""
_CONVERSATIONS = f"""\
# JSON

{_GENERATED}
## Conversations

A line of a `.jsonl` file, and what `merc transcribe` and `merc corpus import` write. `null` is the same as leaving a
field out; only `id` and each utterance's `text` are required.
[Recipes](../recipes.md#what-a-file-of-conversations-holds) says more.
"""
_PREDICT = """\
A line `{"labels": ["joy", "anger"]}` declares the labels; with `"dataset"`, those of that dataset.

## A line of merc predict

Also what `POST /v1/predict` gives for each utterance, and `Session.record`. What is not known is left out.
"""

# What a recipe's file says where the class holds what was made of it.
_NAMED = "a section that names a component"
_SECTION_TYPES = {
    "title": "text", "description": "text", "seed": "a whole number", "data_root": "a folder",
    "labels": "a list of labels, or a mapping from labels to words", "relabel": "a mapping from label to label or null",
    "init_from": "the directory of a run, or the name of one that a plugin brings", "stages": "a list",
    "corpus": _NAMED, "backbone": _NAMED, "workers": _NAMED, "trackers": "a list of names or of such sections",
}  # fmt: skip
_MAPPINGS = ("encoders", "connectors", "fusers", "heads", "annotators")
_PARTS = {"split": Splitting, "evaluate": Evaluate, "strategy": Strategy, "features": Features}


def recipe_keys() -> str:
    """Every key of a recipe that no component defines."""
    lines = [f"# Recipe keys\n\n{_GENERATED}\nThe sections of a recipe. [Recipes](../recipes.md) explains them with "
             "examples; the parameters of components are those of [components](../components.md).\n",
             "| section | what it holds | meaning |", "|---|---|---|",
             "| `extends` | a path or a name | The recipe that this one starts from. |"]  # fmt: skip
    for key in SECTIONS:
        if key in _PARTS:
            holds = f"keys, [below](#{key})"
        else:
            holds = _SECTION_TYPES.get(key) or "a mapping from names to sections that name a component"
        lines.append(f"| `{key}` | {holds} | {as_markdown(_one_line(meaning_of(Recipe, key)))} |")
    for title, cls in (*_PARTS.items(), ("stages", Stage), ("stages: data", StageData), ("stages: tasks", Task)):
        lines += ["", f"## {title}", "", as_markdown(_first(own_doc(cls))), ""]
        lines += parameter_table(_as_written(cls), "key")
    return "\n".join(lines)


def _as_written(cls: type) -> Iterator[Parameter]:
    for one in parameters_of(cls):
        change: dict[str, Any] = {}
        if (cls, one.name) == (Task, "path"):
            continue
        if one.name in ("metrics", "corrupt"):
            default = ["classification"] if one.name == "metrics" else []
            change = {"type": "a list of names, or of sections that name a component", "default": json.dumps(default)}
        elif one.name == "tasks":
            change = {"type": "a list, each item [keys](#stages-tasks)", "default": "[]"}
        elif one.name == "data":
            change = {"type": "[keys](#stages-data)", "default": "{}"}
        elif "from_environment" in one.type:
            change = {"type": _NAMED + (" or null" if one.type.endswith("or null") else "")}
        yield dataclasses.replace(one, **change)


def commands() -> str:
    """Every command with its arguments and options."""
    lines = [f"# Commands\n\n{_GENERATED}\n`merc COMMAND --help` says the same.\n"]
    for name in [*COMMANDS, *plugin_commands()]:
        lines += _command(load_command(name), f"merc {name}", 2)
    return "\n".join(lines)


def _command(command: Any, path: str, level: int) -> Iterator[str]:
    context = command.make_context(path, [], resilient_parsing=True)
    yield f"{'#' * level} {path}\n"
    yield _help(inspect.cleandoc(command.help or "")) + "\n"
    inner = [
        (one, command.get_command(context, one)) for one in getattr(command, "list_commands", lambda _: [])(context)
    ]
    if inner:
        for name, one in inner:
            yield from _command(one, f"{path} {name}", level + 1)
        return
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"```text\n{path} {usage}\n```\n"
    rows = [row for parameter in command.get_params(context) if (row := _option(parameter, context))]
    if rows:
        yield "\n".join(["| argument or option | meaning | default |", "|---|---|---|", *rows, ""])


def _help(text: str) -> str:
    """What a terminal shows, where a star is a star."""
    return as_markdown(text).replace("*", "\\*").replace("<", "&lt;")


def _option(parameter: Any, context: Any) -> str:
    if parameter.name == "help" or getattr(parameter, "hidden", False):
        return ""
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    if parameter.param_type_name == "argument":
        names = f"`{parameter.metavar or parameter.name}`"
    default = parameter.get_default(context, call=False)
    shown = "required" if parameter.required else "" if default in (None, False, ()) else f"`{default}`"
    return f"| {names} | {_cell(_help(parameter.help or ''))} | {_cell(shown)} |"


def python() -> str:
    """Every public name of merc, as mkdocstrings shows it."""
    groups: dict[str, list[str]] = {
        "Functions": [], "Runs, inputs and answers": [], "Contracts of components": [], "Other names": []
    }  # fmt: skip
    for name in sorted(merc.__all__, key=str.lower):
        one = getattr(merc, name)
        if inspect.isfunction(one):
            groups["Functions"].append(name)
        elif inspect.isclass(one) and issubclass(one, Component):
            groups["Contracts of components"].append(name)
        elif inspect.isclass(one):
            groups["Runs, inputs and answers"].append(name)
        elif name not in ("training", "__version__"):
            groups["Other names"].append(name)
    lines = [_PYTHON]
    for title, names in groups.items():
        lines += [f"## {title}\n", *(f"::: {_place(name)}\n" for name in names)]
    lines += ["## merc.training\n", "For trainers of plugins.\n"]
    lines += [f"::: merc.training.{name}\n" for name in sorted(merc.training.__all__, key=str.lower)]
    return "\n".join(lines)


def _place(name: str) -> str:
    """Where a public name is read from without running anything; of most, ``merc`` itself says it to type checkers."""
    home = merc._HOME.get(name, "merc")
    return f"{home if home.startswith('merc.builtin.') else 'merc'}.{name}"


def json_formats() -> str:
    """Every field of the JSON that merc reads and writes."""
    lines = [_CONVERSATIONS]
    lines += _fields(Conversation, CONVERSATION)
    lines += ["### utterances\n", *_fields(Utterance, UTTERANCE)]
    lines += [_PREDICT]
    written = ("id", "conversation", "speaker", "text", "start", "end", "label", "answer", "probabilities", "values",
            "details", "label_history", "following", "unanswered", "missing")  # fmt: skip
    lines += _fields(Prediction, written)
    lines += ["## predictions.jsonl of a run\n", "A line for each utterance of the splits that were measured.\n"]
    lines += _fields(Prediction, _FIELDS, {"text": "answer"})
    for title, cls in _WRITTEN.items():
        lines += [f"{'#' * (2 if '.json' in title else 3)} {title}\n", as_markdown(own_doc(cls)) + "\n"]
        lines += _fields(cls, cls.__annotations__)
    lines += ["## merc live and WS /v1/live\n", "What `merc live` writes, a line each, and the server sends.\n"]
    sent = typing.get_args(typing.get_args(messages.ServerMessage)[0])
    for cls in (*sent, messages.Latency):
        lines += [f"### {cls.__name__}\n", as_markdown(own_doc(cls)) + "\n", *_model_fields(cls)]
    lines += ["What the client sends:\n"]
    for cls in (messages.Start, messages.Stop):
        lines += [f"### {cls.__name__}\n", as_markdown(own_doc(cls)) + "\n", *_model_fields(cls)]
    return "\n".join(lines)


# What a run's files hold, by the title here.
_WRITTEN: dict[str, type] = {
    "metrics.json of a run, by split": SplitNumbers, "classification": ClassificationNumbers, "per_class": PerClass,
    "confusion": Confusion, "provenance.json of a run": Provenance,
}  # fmt: skip

# Fields of a conversations file that are kept in ``Utterance.extra``.
_KEPT = {
    "labels": ("a list of text", "Several labels that are true at once, for metrics and heads that compare with them."),
    "sentiment": ("text", "The sentiment, for metrics that compare with it."),
    "intention": ("text", "The intention, for metrics that compare with it."),
}


def _fields(cls: type, names: Iterable[str], attributes: Mapping[str, str] | None = None) -> list[str]:
    """The lines of a table of the fields of JSON, which a class holds under these or other names."""
    hints = typing.get_type_hints(cls)
    lines = ["| field | type | meaning |", "|---|---|---|"]
    for name in names:
        attribute = (attributes or {}).get(name, name)
        if attribute in hints:
            kind, meaning = _json_type(hints[attribute]), _in_json(meaning_of(cls, attribute))
        else:
            kind, meaning = _KEPT[name]
        lines.append(f"| `{name}` | {_cell(kind)} | {_cell(meaning)} |")
    return [*lines, ""]


def _in_json(text: str) -> str:
    return as_markdown(text).replace("`None`", "`null`")


def _json_type(annotation: Any) -> str:
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return _json_type(inner[0])
    if origin is Literal:
        return " or ".join(f"`{json.dumps(one)}`" for one in inner)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_json_type(one) for one in inner if one is not type(None))
    if origin in (tuple, list) and inner[-1] is not Ellipsis and origin is tuple:
        return f"a list of {len(inner)} numbers" if set(inner) == {float} else "a list"
    if origin in (tuple, list):
        return f"a list of {_several(_json_type(inner[0]))}"
    if inspect.isclass(origin) and issubclass(origin, Mapping):
        return "an object"
    known = {str: "text", Path: "a path", float: "a number", int: "a whole number", bool: "true or false"}
    return known.get(annotation, "an object")


def _several(kind: str) -> str:
    one, _, rest = kind.partition(" of ")
    article, _, noun = one.partition(" ")
    return kind if article not in ("a", "an") else f"{noun}s" + (f" of {rest}" if rest else "")


def _model_fields(cls: type[BaseModel]) -> list[str]:
    hints = typing.get_type_hints(cls, include_extras=True)
    names = [name for name in cls.model_fields if name in hints]
    lines = ["| field | type | meaning |", "|---|---|---|"]
    for name in names:
        meaning = _cell(_in_json(meaning_of(cls, name)))
        lines.append(f"| `{name}` | {_cell(_json_type(hints[name]))} | {meaning} |")
    return [*lines, ""]


PAGES: dict[str, Callable[[], str]] = {
    "docs/reference/recipe-keys.md": recipe_keys,
    "docs/reference/commands.md": commands,
    "docs/reference/python.md": python,
    "docs/reference/json.md": json_formats,
}
"""The generated pages, by their place in the site."""


def _first(text: str) -> str:
    return text.split("\n\n")[0]


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _cell(text: str) -> str:
    return _one_line(text).replace("|", "\\|")
