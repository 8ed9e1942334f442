"""Which annotators read what others write: the order in which they are asked, and what comes of each."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import cast

from merc.components import Annotator
from merc.errors import MercError
from merc.recipe.schema import ComponentRef


def in_order(annotators: Mapping[str, ComponentRef]) -> dict[str, ComponentRef]:
    """The annotators in the recipe's order, but each after those whose cues it reads. Raises MercError, with the whole
    way round, where they read each other in a circle."""
    writers = {field: name for name, part in annotators.items() for field in annotator_of(part).fields()}
    ordered: dict[str, ComponentRef] = {}

    def add(name: str, way: tuple[str, ...]) -> None:
        if name in way:
            circle = [*way[way.index(name) :], name]
            steps = ", which reads ".join(f"annotators.{one}" for one in circle)
            raise MercError(f"annotators read each other in a circle, so none can be asked first: {steps}")
        if name not in ordered:
            for before in _before(annotators[name], writers):
                add(before, (*way, name))
            ordered[name] = annotators[name]

    for name in annotators:
        add(name, ())
    return ordered


def needed_for(annotators: Mapping[str, ComponentRef], fields: Collection[str]) -> dict[str, ComponentRef]:
    """The annotators that write one of these fields, or what such a one reads, in the order in which they are asked."""
    reads, needed = set(fields), set[str]()
    for name, part in reversed(in_order(annotators).items()):
        if reads & set(annotator_of(part).fields()):
            needed.add(name)
            reads |= set(annotator_of(part).reads())
    return {name: part for name, part in in_order(annotators).items() if name in needed}


def leads_to(annotators: Mapping[str, ComponentRef], name: str) -> set[str]:
    """The fields that an annotator writes, and all that are made from them."""
    fields = set(annotator_of(annotators[name]).fields())
    for part in in_order(annotators).values():
        if fields & set(annotator_of(part).reads()):
            fields |= set(annotator_of(part).fields())
    return fields


def label_guided(annotators: Mapping[str, ComponentRef]) -> set[str]:
    """The annotators that see the gold label, or read what was made from it."""
    names, fields = set[str](), set[str]()
    for name, part in in_order(annotators).items():
        annotator = annotator_of(part)
        if annotator.sees_label() or fields & set(annotator.reads()):
            names.add(name)
            fields |= set(annotator.fields())
    return names


def _before(part: ComponentRef, writers: Mapping[str, str]) -> list[str]:
    return list(dict.fromkeys(writers[field] for field in annotator_of(part).reads() if field in writers))


def annotator_of(part: ComponentRef) -> Annotator:
    """The annotator of a part, which the recipe has seen to be one."""
    return cast(Annotator, part.component)
