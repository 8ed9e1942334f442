"""Whose code raised an exception: found in its traceback, so that calling a component costs nothing.

The innermost frame whose ``self`` is a component, or works for one (``worker_for``, ``FunctionOf``), says which it was.
A MercError is a sentence already, and none of this module's business.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any, TypeVar

from merc.components import Component
from merc.components.base import place_of
from merc.registry.installed import BUILTIN
from merc.registry.isolation import described
from merc.registry.registry import get_registry

T = TypeVar("T")

VARIABLE = "MERC_TRACEBACK"
"""Set to anything in the environment, it makes ``merc`` show the traceback of a component's fault."""

_LONGEST = 400
_WORKS_FOR = "works_for_component"


@dataclass(frozen=True)
class ComponentFault:
    """An exception in the code of a component: the sentence that says so, and whether it is merc's own to mend: where
    merc brings the component, or where merc's code raised it, which the component had called."""

    sentence: str
    of_merc: bool


def worker_for(component: Component, worker: T) -> T:
    """The same module, which a component built, known from now on as one that works for it."""
    with contextlib.suppress(AttributeError):  # of a class that takes no attributes
        object.__setattr__(worker, _WORKS_FOR, component)
    return worker


class FunctionOf:
    """A function that a component made, known as one that works for it."""

    def __init__(self, component: Component, function: Callable[..., Any]) -> None:
        self.works_for_component, self.function = component, function

    def __call__(self, *args: Any) -> Any:
        """What the function gives."""
        result = self.function(*args)
        return self._steps(result) if isinstance(result, Generator) else result

    def _steps(self, generator: Generator[Any]) -> Generator[Any]:
        yield from generator


def fault_of(error: BaseException) -> ComponentFault | None:
    """The component in whose code an exception was raised, as a sentence; None for merc's own exceptions, such as a
    MercError, and where no component was at work."""
    if type(error).__module__.partition(".")[0] == BUILTIN:
        return None
    frames = list(traceback.walk_tb(error.__traceback__))
    component, first = None, 0
    for place, (frame, _) in enumerate(frames):
        if (here := _at_work(frame)) is not None:
            component, first = here, place
    if component is None:
        return None
    package = type(component).__module__.partition(".")[0]
    inside = [(frame, line) for frame, line in frames[first:] if _package(frame) in (package, BUILTIN)]
    own = [(frame, line) for frame, line in inside if _package(frame) == package] or frames[first : first + 1]
    frame, line = own[-1]
    where = f"{frame.f_code.co_filename}:{line}, in {frame.f_code.co_name}"
    sentence = f"{_named(component)}: {described(error)[:_LONGEST]} ({where})"
    return ComponentFault(sentence, package == BUILTIN or (bool(inside) and _package(inside[-1][0]) != package))


@contextlib.contextmanager
def naming_component() -> Iterator[None]:
    """Inside the block an exception in a component's code gets a note that names the component."""
    try:
        yield
    except Exception as error:
        note_fault(error)
        raise


def note_fault(error: BaseException) -> ComponentFault | None:
    """``fault_of``, whose sentence is added to the notes of the exception once."""
    fault = fault_of(error)
    if fault is not None and fault.sentence not in getattr(error, "__notes__", ()):
        error.add_note(fault.sentence)
    return fault


def _at_work(frame: FrameType) -> Component | None:
    """The component whose code a frame is of, or works for."""
    owner: Any = frame.f_locals.get("self")
    try:
        if isinstance(owner, Component):
            return owner
        works_for = getattr(owner, _WORKS_FOR, None)
        return works_for if isinstance(works_for, Component) else None
    except Exception:  # an object of a plugin may raise at whatever it is asked
        return None


def _package(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0]


def _named(component: Component) -> str:
    """A component as a sentence names it: kind and name, who brings it, its place in the recipe."""
    owner = get_registry().owner_of(component)
    brought = f"of {owner.distribution} {owner.version}" if owner else f"of the module {type(component).__module__}"
    place = place_of(component)
    name = f"{component.kind} {get_registry().name_of(component)!r} {brought}"
    return f"{place}: {name}" if place else name
