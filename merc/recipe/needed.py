"""What of a trained run's recipe has to resolve for what is done with the run: what only trained it may be gone.

Where a component that is not needed cannot be had, nothing is said of it, a ``NotNeeded`` stands in its place, and its
section is recorded as it is written. Its references to the environment stay unread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from merc.components.base import Component
from merc.recipe.document import Node
from merc.recipe.problems import join

Use = Literal["train", "evaluate", "predict"]
"""What a recipe is loaded for: a run of its own, the numbers of a trained one, or its predictions alone."""


@dataclass(frozen=True, kw_only=True)
class NotNeeded(Component):
    """Stands for a component that could not be had, and that nothing needs."""


def not_needed(root: Node, use: Use) -> Callable[[str], bool]:
    """Whether the component at a dotted path is not needed for a use of the recipe: trainers, trackers, workers, and
    what only earlier tasks asked with, for the numbers of a trained run; metrics and corruptions as well for its
    predictions."""
    if use == "train":
        return lambda path: False
    paths = {"workers"}
    trackers = root.get("trackers")
    if trackers is not None and isinstance(trackers.value, list):
        paths |= {f"trackers.{index}" for index in range(len(trackers.value))}
    evaluate, stages = root.get("evaluate"), root.get("stages")
    for key in ("metrics", "corrupt") if use == "predict" else ():
        listed = evaluate.get(key) if evaluate is not None else None
        if listed is not None and isinstance(listed.value, list):
            paths |= {f"evaluate.{key}.{index}" for index in range(len(listed.value))}
    prompter = evaluate.get("prompter") if evaluate is not None else None
    own_prompter = prompter is not None and prompter.value is not None
    own_demonstrations = evaluate is not None and evaluate.get("demonstrations") is not None
    every = stages.value if stages is not None and isinstance(stages.value, list) else []
    for index, stage in enumerate(every):
        path = join("stages", index)
        paths.add(join(path, "trainer"))
        tasks = stage.get("tasks")
        several = tasks is not None and isinstance(tasks.value, list)
        places = [f"{path}.tasks.{number}" for number in range(len(tasks.value))] if several and tasks else [path]
        for number, place in enumerate(places):
            asks = index == len(every) - 1 and number == 0
            if not asks or own_prompter:
                paths.add(join(place, "prompter"))
            if not asks or own_demonstrations:
                paths.add(join(place, "demonstrations"))
    return paths.__contains__


def set_aside(node: Node, unneeded: Callable[[str], bool], path: str = "", inside: bool = False) -> Node:
    """The tree with the texts of what is not needed kept as they are written."""
    inside = inside or unneeded(path)
    if isinstance(node.value, dict):
        return node.with_children({k: set_aside(n, unneeded, join(path, k), inside) for k, n in node.value.items()})
    if isinstance(node.value, list):
        return node.with_children([set_aside(n, unneeded, join(path, i), inside) for i, n in enumerate(node.value)])
    return replace(node, reference=node.value) if inside and isinstance(node.value, str) else node
