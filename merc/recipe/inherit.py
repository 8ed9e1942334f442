"""One tree out of a recipe, the recipes it extends, and the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from merc.errors import MercError, did_you_mean
from merc.recipe.document import Node, read_document, read_override
from merc.recipe.find import Place, locate
from merc.recipe.references import item

MAX_PARENTS = 20
"""Recipes that one may extend, one through the other."""

OPEN_SECTIONS = ("encoders", "connectors", "fusers", "heads")
"""Sections whose keys are names that the recipe's author chooses."""


def read_with_parents(place: Place, root: Node | None = None) -> Node:
    """The tree of a recipe with all that it extends merged below it. ``root`` is its own tree, where that is no
    file."""
    chain: list[tuple[Place, Node]] = []
    current = place
    while True:
        if len(chain) > MAX_PARENTS:
            raise MercError(f"{place.title}: extends leads through more than {MAX_PARENTS} recipes; merge some of them")
        if any(current.file.resolve() == earlier.file.resolve() for earlier, _ in chain):
            round_trip = " -> ".join([*(earlier.title for earlier, _ in chain), current.title])
            raise MercError(f"{place.title}: extends goes round in a circle: {round_trip}")
        own = root if not chain else None
        node = own or read_document(current.file, current.title, current.base, "parent" if chain else "file")
        chain.append((current, node))
        parent = node.get("extends")
        if parent is None or parent.value is None:
            break
        if not isinstance(parent.value, str):
            value = "a list" if isinstance(parent.value, list) else repr(parent.plain())
            raise MercError(
                f"extends ({parent.origin.where}): wants one recipe, a path or a shipped recipe's name; given {value}"
            )
        try:
            current = locate(parent.value, beside=current.file.parent)
        except MercError as error:
            raise MercError(f"extends ({parent.origin.where}): {error}") from error
    tree = chain[-1][1]
    for _, child in reversed(chain[:-1]):
        tree = _without_removed(tree, _over(tree, child, ""))
    return tree.with_children({key: child for key, child in tree.value.items() if key != "extends"})


def _over(parent: Node, child: Node, path: str) -> Node:
    """The child's values over the parent's: mappings key by key, everything else (lists too) as a whole.

    A section that names another component is another section, so nothing of the parent's is kept in it, except the
    backbone's ``tuning``, which is a section of its own.
    """
    if not isinstance(parent.value, dict) or not isinstance(child.value, dict):
        return child
    old, new = parent.get("name"), child.get("name")
    if old is not None and new is not None and old.plain() != new.plain():
        return _keep_tuning(parent, child) if path == "backbone" else child
    merged = dict(parent.value)
    for key, value in child.value.items():
        merged[key] = _over(merged[key], value, f"{path}.{key}".lstrip(".")) if key in merged else value
    return child.with_children(merged)


def _without_removed(parent: Node, merged: Node) -> Node:
    """Take out the encoders, connectors, fusers and heads of the parent that the child sets to null."""
    children = dict(merged.value)
    for name in OPEN_SECTIONS:
        section, inherited = children.get(name), parent.get(name)
        if section is not None and inherited is not None and isinstance(section.value, dict):
            remaining = {
                k: child for k, child in section.value.items() if child.value is not None or not inherited.get(k)
            }
            children[name] = section.with_children(remaining)
    return merged.with_children(children)


def _keep_tuning(old: Node, new: Node) -> Node:
    tuning = old.get("tuning")
    if tuning is None or "tuning" in new.value:
        return new
    return new.with_children({**new.value, "tuning": tuning})


def apply_overrides(tree: Node, overrides: Sequence[str]) -> tuple[Node, list[str]]:
    """The tree with ``key=value`` set, later ones over earlier ones, and what was wrong with them."""
    errors: list[str] = []
    for text in overrides:
        try:
            path, value = read_override(text)
            if path[0] == "extends":
                raise MercError(f"{text!r}: extends belongs in a file; give the other recipe instead of this one")
            tree = _set(tree, path, value, [])
        except MercError as error:
            errors.append(str(error))
    return tree, errors


def _set(node: Node, path: Sequence[str], value: Node, done: list[str]) -> Node:
    if not path:
        if done == ["backbone"] and isinstance(value.value, dict):
            return _keep_tuning(node, value)
        return replace(value, before=None if isinstance(node.value, dict | list) else node.value)
    key, rest, here = path[0], path[1:], [*done, path[0]]
    full = ".".join([*done, *path])
    if isinstance(node.value, list):
        old = item(node.value, key)
        if old is None:
            inside = f"it has {len(node.value)}, numbered from 0" if node.value else "it is empty"
            raise MercError(
                f"{full} (command line): {'.'.join(done)} is a list, and {key!r} is no item of it: {inside}; "
                f"to add items give the whole list: {'.'.join(done)}=[...]"
            )
        items = list(node.value)
        items[int(key)] = _set(old, rest, value, here)
        return node.with_children(items)
    if not isinstance(node.value, dict):
        if node.value is None:
            return _set(node.with_children({}), path, value, done)
        raise MercError(f"{full} (command line): {'.'.join(done)} is {node.plain()!r} and has nothing inside to set")
    children = dict(node.value)
    if key not in children and len(done) == 1 and done[0] in OPEN_SECTIONS and (rest or value.value is None):
        close = did_you_mean(key, children)
        whole = f" To add one, give it whole: {done[0]}.{key}={{name: ...}}" if rest else ""
        there = ", ".join(children) or "nothing"
        raise MercError(f"{full} (command line): {done[0]} has no {key!r}.{close} It has: {there}.{whole}")
    if not rest and value.value is None and len(done) == 1 and done[0] in OPEN_SECTIONS:
        del children[key]
    elif key in children:
        children[key] = _set(children[key], rest, value, here)
    elif rest:
        children[key] = _set(Node({}, value.origin), rest, value, here)
    else:
        children[key] = value
    return node.with_children(children)
