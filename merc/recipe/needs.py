"""What a recipe needs before it can run, found without importing a component."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from merc.errors import MercError
from merc.recipe.document import Node
from merc.recipe.find import locate
from merc.recipe.inherit import read_with_parents
from merc.recipe.load import TO_FILL_IN
from merc.registry import get_registry


@dataclass(frozen=True)
class Summary:
    """A recipe in a line: its title, what it needs (an empty list: nothing but merc), and what keeps it from being
    read, if anything does."""

    name: str
    title: str = ""
    needs: tuple[str, ...] = ()
    error: str | None = None


def summarize(name: str) -> Summary:
    """The summary of a recipe, by name or path."""
    place = locate(name)
    try:
        tree = read_with_parents(place)
    except MercError as error:
        return Summary(place.name, error=str(error))
    title = tree.get("title")
    needs = list(dict.fromkeys([*_values(tree), *_components(tree)]))
    return Summary(place.name, str(title.value) if title is not None and title.value else "", tuple(needs))


def _values(tree: Node) -> Iterator[str]:
    data_root = tree.get("data_root")
    for path, node in tree.walk():
        if not isinstance(node.value, str):
            continue
        if node.value == TO_FILL_IN:
            yield f"{path}=..."
        if "${data_root}" in node.value:
            folder = data_root.value if data_root is not None else None
            yield "data_root=FOLDER" if folder is None else f"data in the folder {folder} (data_root)"
        for name in re.findall(r"\$\{env:(\w+)\}", node.value):
            yield f"the environment variable {name}"


def _components(tree: Node) -> Iterator[str]:
    registry = get_registry()
    for kind, name in _named(tree):
        try:
            owner = registry.owner(kind, name)
        except MercError:
            yield f"{kind} {name!r}, which is not installed"
            continue
        if owner.distribution != "merc":
            yield owner.distribution
        for registration in owner.components:
            if (registration.kind, registration.name) == (kind, name.rpartition("/")[2]):
                hint = registration.install_hint()
                if hint:
                    yield hint


def _named(tree: Node) -> Iterator[tuple[str, str]]:
    """Every component that a recipe names, with its kind."""

    def one(kind: str, node: Node | None) -> Iterator[tuple[str, str]]:
        name = node.get("name") if node is not None and isinstance(node.value, dict) else node
        if name is not None and isinstance(name.value, str):
            yield kind, name.value

    def demonstrations(section: Node) -> Iterator[tuple[str, str]]:
        selector = section.get("demonstrations")
        yield from one("selector", selector)
        if selector is not None:
            yield from one("encoder", selector.get("embedder"))

    for kind in ("corpus", "backbone", "workers"):
        yield from one(kind, tree.get(kind))
    for section in ("encoders", "fusers", "connectors", "heads", "annotators"):
        node, kind = tree.get(section), section.removesuffix("s")
        for child in node.value.values() if node is not None and isinstance(node.value, dict) else ():
            yield from one(kind, child)
    trackers = tree.get("trackers")
    for child in trackers.value if trackers is not None and isinstance(trackers.value, list) else ():
        yield from one("tracker", child)
    stages, evaluate = tree.get("stages"), tree.get("evaluate")
    for stage in stages.value if stages is not None and isinstance(stages.value, list) else ():
        for kind in ("prompter", "trainer"):
            yield from one(kind, stage.get(kind))
        yield from demonstrations(stage)
    if evaluate is not None:
        yield from one("prompter", evaluate.get("prompter"))
        yield from demonstrations(evaluate)
        for kind, key in (("metric", "metrics"), ("corruption", "corrupt")):
            listed = evaluate.get(key)
            for child in listed.value if listed is not None and isinstance(listed.value, list) else ():
                yield from one(kind, child)
