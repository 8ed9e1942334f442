"""Whether what chooses demonstrations fits into a recipe: the encoders that it compares by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

from merc.components import Encoder, Selector
from merc.errors import MercError, did_you_mean
from merc.recipe.document import Node
from merc.recipe.problems import Problems, join
from merc.recipe.schema import ComponentRef
from merc.registry import get_registry
from merc.registry.isolation import described, isolated


def check_demonstrations(
    selectors: Sequence[tuple[str, Node, ComponentRef]],
    encoders: Mapping[str, ComponentRef],
    root: Node,
    problems: Problems,
) -> None:
    """Report selectors that cannot say what they compare by, and what they name that is not there."""
    section = root.get("encoders")
    # What the section names counts as there, even where its own parameters are wrong.
    names = list(section.value) if section is not None and isinstance(section.value, dict) else list(encoders)
    for path, node, part in selectors:
        try:
            comparison = isolated(cast(Selector, part.component).comparison)
        except Exception as error:
            text = f"selector {part.name!r} cannot say what it compares by: {described(error)}"
            problems.add(path, node, text)
            continue
        if comparison is None:
            continue
        if comparison.embedder is not None and (wrong := _why_no_embedder(comparison.embedder)):
            problems.add(join(path, "embedder"), node.get("embedder") or node, wrong)
        for stream in comparison.streams:
            if stream not in names:
                there = f"The encoders are: {', '.join(names)}" if names else "The recipe has no encoders"
                text = f"no encoder is called {stream!r}.{did_you_mean(stream, names)} {there}"
                problems.add(join(path, "streams"), node.get("streams") or node, text)


def _why_no_embedder(name: str) -> str:
    """Why a name cannot serve as an embedder; empty if it can."""
    try:
        encoder = get_registry().resolve("encoder", name)
    except MercError as error:
        return str(error)
    if not issubclass(encoder, Encoder) or encoder.modality != "text":
        return (
            f"wants a text encoder, and {name!r} is for {getattr(encoder, 'modality', 'something else')}; for media "
            "name an encoder of the recipe under streams"
        )
    try:
        encoder()
    except (TypeError, ValueError, MercError) as error:
        return (
            f"encoder {name!r} cannot be made with its defaults alone ({error}); put it into the recipe's encoders "
            "with its parameters, and name it under streams in place of embedder"
        )
    return ""
