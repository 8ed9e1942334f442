"""From a registered name to a class that keeps its kind's contract, or to a command."""

from __future__ import annotations

import importlib
import inspect
from dataclasses import is_dataclass
from typing import Any

from merc.components import Component
from merc.errors import MercError, did_you_mean
from merc.registry.isolation import described, isolated, shown
from merc.registry.status import PluginStatus, Registration

_MODALITIES = ("video", "audio", "text")


def load_target(registration: Registration, owner: PluginStatus, whole: bool = True) -> Any:
    """Import the class of a component, or the function or typer app of a command, and check what can be checked of it.
    ``whole`` refuses one that needs what is not installed.

    Raises MercError that names the component and its plugin: for what must be installed first, for a module that
    cannot be imported, and for a class that does not keep the contract.
    """
    kind, name = registration.kind, registration.name
    hint = registration.install_hint()
    if hint and whole:
        raise MercError(hint)
    who = f"{kind} {name!r} of plugin {owner.label}"
    module_name, _, class_name = registration.target.partition(":")
    try:
        module = isolated(lambda: importlib.import_module(module_name))
    except Exception as error:
        install = f"; install what it needs with: pip install {registration.extra}" if registration.extra else ""
        raise MercError(f"{who} cannot be imported from {module_name!r}: {described(error)}{install}") from error
    try:
        loaded, fault = isolated(lambda: _target_of(module, class_name, kind))
    except Exception as error:
        raise MercError(f"{who} cannot be read: {described(error)}; this is a fault of the plugin") from error
    if fault or loaded is None:
        raise MercError(f"{who}: {fault}")
    return loaded


def _target_of(module: object, name: str, kind: str) -> tuple[Any, str | None]:
    """What has that name in a module, and what is wrong with it."""
    if not hasattr(module, name):
        what, of = ("command", object) if kind == "command" else ("class", type)
        known = [n for n, member in vars(module).items() if isinstance(member, of)]
        title = getattr(module, "__name__", "its module")
        return None, f"{title!r} has no {what} {name!r}.{did_you_mean(name, known)}"
    loaded = getattr(module, name)
    return loaded, command_fault(loaded) if kind == "command" else class_fault(loaded, kind)


def command_fault(loaded: object) -> str | None:
    """What keeps an object from being a command, in a sentence; ``None`` when nothing does."""
    import typer

    if not (inspect.isfunction(loaded) or isinstance(loaded, typer.Typer)):
        return f"{shown(loaded)} is no command; register a function whose parameters typer knows, or a typer.Typer"
    try:
        isolated(lambda: make_command(loaded, "command", ""))
    except Exception as error:
        return f"typer cannot make a command of it: {described(error)}; annotate each parameter as typer has it"
    return None


def make_command(loaded: Any, name: str, help: str) -> Any:
    """The command of typer for a function or a typer app, under a name; ``help`` stands in for a missing docstring."""
    import typer

    app = loaded
    if not isinstance(loaded, typer.Typer):
        app = typer.Typer(add_completion=False)
        app.command(name, help=None if loaded.__doc__ else help)(loaded)
    command = typer.main.get_command(app)
    command.name = name
    return command


def class_fault(loaded: object, kind: str) -> str | None:
    """What keeps a class from being a component of this kind, in a sentence; ``None`` when nothing does."""
    contract = contract_of(kind)
    base = f"merc.{contract.__name__}"
    if not isinstance(loaded, type):
        return f"{shown(loaded)} is not a class; register a class that derives from {base}"
    title = loaded.__name__
    if not issubclass(loaded, contract):
        return f"{title} is not a {base}; write: class {title}({base})"
    parameters = loaded.__dict__.get("__dataclass_params__")
    if not is_dataclass(loaded) or parameters is None or not parameters.frozen:
        return f"{title} is not a frozen dataclass; write @dataclass(frozen=True, kw_only=True) above it"
    left = [n for n in dir(loaded) if getattr(getattr(loaded, n, None), "__isabstractmethod__", False)]
    if left:
        return f"{title} lacks what a {base} must have: {', '.join(f'{n}()' for n in left)}"
    if kind == "encoder" and getattr(loaded, "modality", None) not in _MODALITIES:
        stated = getattr(loaded, "modality", None)
        fault = f"says modality = {stated!r}" if stated is not None else "does not say its modality"
        return f"{title} {fault}; write one of: modality = 'video', 'audio' or 'text'"
    if kind == "corruption":
        stated = getattr(loaded, "modalities", None)
        if not isinstance(stated, tuple) or not stated or any(one not in _MODALITIES for one in stated):
            return f"{title} says modalities = {stated!r}; write those of 'video', 'audio' and 'text', as ('audio',)"
        if not isinstance(getattr(loaded, "unit", None), str):
            return f"{title} does not say in what its severities are measured; write unit = 'dB', for instance"
    return None


def contract_of(kind: str) -> type[Component]:
    """The contract class of a kind.

    >>> contract_of("encoder").__name__
    'Encoder'
    """
    import merc.components

    contract: type[Component] = getattr(merc.components, kind.capitalize())
    return contract
