"""Whether the parts of a recipe fit together: streams, connectors, fusers, trainable parts, what a best state is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, cast

from merc.components import Backbone, Connector, Encoder, FeatureSpec, Frozen, Fuser, Metric, Prompter, Trainer
from merc.errors import MercError, did_you_mean
from merc.recipe.choices import choices_of
from merc.recipe.document import Node
from merc.recipe.problems import Problems, join
from merc.recipe.schema import ComponentRef, Evaluate, Strategy
from merc.registry import get_registry
from merc.registry.isolation import described, isolated

Placed = tuple[str, Node, ComponentRef]
"""A dotted path, where it is written, and the component that stands there."""


def check_fit(values: Mapping[str, Any], prompters: Sequence[Placed], root: Node, problems: Problems) -> None:
    """Report what does not fit. What a section names counts as there, even where its own parameters are wrong, so
    that one mistake is reported once."""
    encoders, connectors, fusers = (_keys(root, name) for name in ("encoders", "connectors", "fusers"))
    for name in fusers:
        if name in encoders:
            problems.add(join("fusers", name), _at(root, "fusers", name), f"{name!r} is the name of an encoder too; "
                         "both give a stream of that name, so call one of them differently")  # fmt: skip
    _check_inputs(values["fusers"], encoders, fusers, root, problems)
    silent = {name for name, part in values["fusers"].items() if _gives_none(part, encoders)}
    free = [*input_free(values), *(name for name in connectors if _is_broken_and_free(name, values, root))]
    streams = [*encoders, *(name for name in fusers if name not in silent), *free]
    for name in connectors:
        if name in free and name in (*encoders, *fusers):
            problems.add(
                join("connectors", name), _at(root, "connectors", name),
                f"this connector takes no input, and {name!r} is the name of "
                f"{'an encoder' if name in encoders else 'a fuser'}; give it a name of its own",
            )  # fmt: skip
        elif name not in streams:
            if name in silent:
                why, hint = f"the fuser {name!r} gives no stream", ""
            else:
                why, hint = f"no encoder or fuser is called {name!r}", did_you_mean(name, streams)
            problems.add(
                join("connectors", name), _at(root, "connectors", name),
                f"{why}{f'.{hint}' if hint else ';'} a connector has the name of the stream that it connects "
                f"(connectors.{name}=null takes out an inherited one)",
            )  # fmt: skip
    lacking: set[str] = set()
    for path, node, part in prompters:
        for stream in _streams_of(part, path, node, problems):
            if stream not in streams:
                hint = did_you_mean(stream, streams)
                hint += f" The streams are: {', '.join(streams)}" if streams else " The recipe has no encoders"
                text = f"prompter {part.name!r} uses the stream {stream!r}, which no encoder or fuser gives.{hint}"
                problems.add(path, node, text)
            elif stream not in connectors and stream not in lacking:
                lacking.add(stream)
                problems.add(
                    join("connectors", stream), root.get("connectors"),
                    f"is missing: prompter {part.name!r} ({path}) uses the stream {stream!r}, and only a connector "
                    f"brings it to the LLM; add connectors: {{{stream}: {{name: linear}}}}",
                )  # fmt: skip
    _check_backbone(values, root, problems)
    _check_trainable(values, root, problems)


def check_choices(trainers: Sequence[Placed], root: Node, evaluate: Evaluate | None, problems: Problems) -> None:
    """Report trainers that would keep the best state by a metric that no evaluation on dev gives. ``evaluate`` None is
    a recipe without one, for which merc takes its own metric, or one that is reported already."""
    section = root.get("evaluate")
    if evaluate is not None:
        components = {name: cast(Metric, part.component) for name, part in evaluate.metrics.items()}
        written = section.get("metrics") if section is not None else None
        if written is not None and isinstance(written.value, list) and len(written.value) > len(components):
            return  # one of them is reported already, and its numbers are not known
    elif section is None or section.value is None:
        components = {"classification": cast(Metric, get_registry().resolve("metric", "classification")())}
    else:
        return
    try:
        choices = choices_of(components)
    except MercError as error:
        problems.add("evaluate.metrics", section, str(error))
        return
    for path, node, number in _said(trainers, lambda trainer: trainer.chooses_by, "chooses by", problems):
        if not choices.has(number):
            problems.add(
                join(path, "select_by"), node.get("select_by") or node,
                f"the evaluation's metrics have {choices.unknown(number)}",
            )  # fmt: skip


def check_strategy(trainers: Sequence[Placed], strategy: Strategy | None, problems: Problems) -> None:
    """Report trainers that need all weights in one process, where the strategy shares them out."""
    if strategy is None or strategy.name == "torch":
        return
    for path, node, key in _said(trainers, lambda trainer: trainer.one_process, "needs", problems):
        problems.add(
            join(path, key), node.get(key) or node,
            f"needs all weights after each step, which no process has under strategy {strategy.name}; set "
            "strategy.name=torch, or leave it out (trainer.soup averages under both)",
        )  # fmt: skip


def _said(
    trainers: Sequence[Placed], question: Callable[[Trainer], Callable[[], str | None]], what: str, problems: Problems
) -> Iterator[tuple[str, Node, str]]:
    """What each trainer answers to a question, where it answers something; one that fails at it is reported."""
    for path, node, part in trainers:
        try:
            answer = isolated(question(cast(Trainer, part.component)))
        except Exception as error:
            problems.add(path, node, f"trainer {part.name!r} cannot say what it {what}: {described(error)}")
            continue
        if answer is not None:
            yield path, node, answer


def _check_inputs(
    parts: Mapping[str, ComponentRef], encoders: list[str], fusers: list[str], root: Node, problems: Problems
) -> None:
    for name, part in parts.items():
        path, node = join("fusers", name), _at(root, "fusers", name)
        inputs = node.get("inputs") if node is not None else None
        for stream in cast(Fuser, part.component).inputs:
            if stream not in encoders:
                why = " (a fuser; fusers take encoders' streams)" if stream in fusers else ""
                problems.add(
                    join(path, "inputs"), inputs or node,
                    f"no encoder is called {stream!r}{why}.{did_you_mean(stream, encoders)} "
                    f"The encoders are: {', '.join(encoders) or 'none'}",
                )  # fmt: skip
        if not encoders:
            problems.add(path, node, "the recipe has no encoders, so there is nothing to fuse")


def _gives_none(part: ComponentRef, encoders: list[str]) -> bool:
    """Whether a fuser gives no stream. The true shapes may need an encoder's files, so ones stand in: whether there
    is a stream does not depend on them."""
    fuser = cast(Fuser, part.component)
    try:
        ones = {name: FeatureSpec(dim=1, tokens=1) for name in fuser.inputs or encoders}
        return isolated(lambda: fuser.spec(ones)) is None
    except Exception:
        return False


def input_free(values: Mapping[str, Any]) -> list[str]:
    """The connectors that take no input: each is a stream of its own, at the beginning of every prompt."""
    parts: Mapping[str, ComponentRef] = values["connectors"]
    return [name for name, part in parts.items() if cast(Connector, part.component).inputs == "none"]


def _is_broken_and_free(connector: str, values: Mapping[str, Any], root: Node) -> bool:
    """Whether a connector whose own parameters are wrong, which is reported already, is of a class without input."""
    node = _at(root, "connectors", connector)
    name = node.get("name") if node is not None else None
    if connector in values["connectors"] or name is None or not isinstance(name.value, str):
        return False
    try:
        return cast(type[Connector], get_registry().resolve("connector", name.value)).inputs == "none"
    except MercError:
        return False


def _streams_of(part: ComponentRef, path: str, node: Node, problems: Problems) -> list[str]:
    try:
        return list(dict.fromkeys(isolated(cast(Prompter, part.component).streams)))
    except Exception as error:
        problems.add(path, node, f"prompter {part.name!r} cannot say its streams: {described(error)}")
        return []


def _check_backbone(values: Mapping[str, Any], root: Node, problems: Problems) -> None:
    stages, evaluate = root.get("stages"), root.get("evaluate")
    has_stages = stages is not None and bool(stages.value)
    evaluates = evaluate is not None and evaluate.value is not None
    backbone = root.get("backbone")
    if evaluates and isinstance(values.get("evaluate"), Evaluate) and not values["evaluate"].decoder.asks_model:
        needed = has_stages
    else:
        needed = has_stages or evaluates
    if needed and (backbone is None or backbone.value is None):
        who = "stages" if has_stages else "evaluate"
        problems.add("backbone", backbone, f"is missing, and {who} needs one: backbone: {{name: ...}}")
    if evaluates and not has_stages and evaluate is not None and evaluate.get("prompter") is None:
        problems.add("evaluate.prompter", evaluate, "is missing: there are no stages whose prompter it could take")


def _check_trainable(values: Mapping[str, Any], root: Node, problems: Problems) -> None:
    known = [f"{kind}.{name}" for kind in ("connectors", "fusers", "heads") for name in _keys(root, kind)]
    if _keys(root, "backbone"):
        known = ["backbone", *known]
    frozen = {f"encoders.{name}": _why_frozen(part) for name, part in values["encoders"].items()}
    known += [name for name, why in frozen.items() if why is None]
    stages = root.get("stages")
    for index, stage in enumerate(stages.value if stages is not None and isinstance(stages.value, list) else []):
        node = stage.get("trainable")
        if node is None or not isinstance(node.value, list):
            continue
        path = f"stages.{index}.trainable"
        if not node.value:
            problems.add(path, node, "is empty, so the stage would train nothing; leave it out to train everything")
        for pattern in (item.value for item in node.value):
            if not isinstance(pattern, str):
                continue
            for name, why in frozen.items():
                if why is not None and names_part(pattern, name):
                    encoder = values["encoders"][name.removeprefix("encoders.")].name
                    problems.add(path, node, f"encoder {encoder!r} ({name}) cannot learn: {why}; take {pattern!r} out, "
                                 "or give an encoder that can (docs/plugins.md, register_encoders)")  # fmt: skip
            if not any(names_part(pattern, name) for name in (*known, *frozen)):
                problems.add(path, node, f"nothing is called {pattern!r}.{did_you_mean(pattern, known)} What can be "
                             f"trained: {', '.join(known) or 'nothing'}")  # fmt: skip
            elif names_part(pattern, "backbone") and pattern.startswith("backbone") and is_frozen(values):
                problems.add(path, node, "names the backbone, whose tuning is frozen; set backbone.tuning.name=lora")


def _why_frozen(part: ComponentRef) -> str | None:
    """Why an encoder cannot learn; None if it can, or if its files would have to be there to say so."""
    try:
        return isolated(cast(Encoder, part.component).why_frozen)
    except Exception:
        return None


def names_part(pattern: str, part: str) -> bool:
    """Whether an entry of ``trainable`` names a part, or parameters within it, which the model alone knows. Encoders
    learn only where they are named.

    >>> names_part("connectors.*", "connectors.face"), names_part("backbone.*.layers.2?.*", "backbone")
    (True, True)
    >>> names_part("encoders.*", "encoders.face"), names_part("*", "encoders.face")
    (True, False)
    """
    if part.startswith("encoders.") and not pattern.startswith("encoders."):
        return False
    return fnmatchcase(part, pattern) or pattern.startswith(f"{part}.")


def is_frozen(values: Mapping[str, Any]) -> bool:
    """Whether nothing of the backbone learns; false where its section is wrong, which is reported already."""
    backbone: ComponentRef | None = values["backbone"]
    return backbone is not None and isinstance(cast(Backbone, backbone.component).tuning, Frozen)


def _keys(root: Node, section: str) -> list[str]:
    node = root.get(section)
    return list(node.value) if node is not None and isinstance(node.value, dict) else []


def _at(root: Node, section: str, key: str) -> Node | None:
    node = root.get(section)
    return node.get(key) if node is not None else None
