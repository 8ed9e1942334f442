"""Components that load what they need once, however often and from however many threads they are used."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from merc.components import Annotator, Encoder
from merc.recipe import ComponentRef, Recipe


def load_once(part: ComponentRef) -> ComponentRef:
    """The same encoder or annotator, whose ``load``, and ``prepare`` of an encoder that learns, give one function for
    good. Only one thread at a time is in it, since nothing says that a network may be shared.

    What its answers are kept by, its class and parameters, stays as it is.
    """
    component, lock = copy.copy(part.component), threading.RLock()
    loaded: dict[str, Any] = {}

    def load(device: str) -> Any:
        return once(device, lambda: part.component.load(device))  # type: ignore[attr-defined]

    def prepare() -> Any:
        return once("prepare", lambda: part.component.prepare())  # type: ignore[attr-defined]

    def once(name: str, make: Callable[[], Any]) -> Any:
        with lock:
            if name not in loaded:
                loaded[name] = make()
        function = loaded[name]

        def one_at_a_time(argument: Any) -> Any:
            with lock:
                return function(argument)

        def one_at_a_time_to_its_end(argument: Any) -> Iterator[Any]:
            with lock:
                yield from function(argument)

        return one_at_a_time_to_its_end if isinstance(component, Annotator) else one_at_a_time

    try:
        object.__setattr__(component, "load", load)
        if isinstance(component, Encoder):
            object.__setattr__(component, "prepare", prepare)
    except AttributeError:  # a class with slots takes no attribute: it loads each time
        return part
    return replace(part, component=component)


def kept_loaded(recipe: Recipe) -> Recipe:
    """The recipe whose encoders and annotators load once."""
    encoders = {name: load_once(part) for name, part in recipe.encoders.items()}
    annotators = {name: load_once(part) for name, part in recipe.annotators.items()}
    return replace(recipe, encoders=encoders, annotators=annotators)
