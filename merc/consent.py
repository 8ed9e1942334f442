"""What the user lets recipes and plugins reach: servers, and variables of the environment.

A recipe may come from anybody, and so may a run's own recipe. It names servers and variables; the user allows them, by
the same words in three places: ``--allow`` and ``--allow-env`` of a command, ``MERC_ALLOW`` in the environment, and the
file ``merc/allow`` in ``$XDG_CONFIG_HOME`` or ``~/.config``. An item is

- ``HOST`` or ``HOST:PORT``: requests to it over https, and over plain http where it is this machine;
- ``http://HOST`` or ``http://HOST:PORT``: over plain http too;
- ``env:NAME``: the variable NAME.
"""

from __future__ import annotations

import ipaddress
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import Field, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar
from urllib.parse import urlsplit

from merc.errors import MercError

VARIABLE = "MERC_ALLOW"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?")
# A shorter value may be a word, or part of one, so it is only hidden where it stands by itself.
_LONG = 8


class _Component(Protocol):
    """What this module knows of components, which stand above it."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def servers(self) -> Sequence[str]: ...

    def variables(self) -> Sequence[str]: ...


_AnyComponent = TypeVar("_AnyComponent", bound=_Component)


@dataclass(frozen=True)
class _Server:
    """A server that is allowed; ``port`` None is any, ``plain`` allows http without encryption."""

    host: str
    port: int | None
    plain: bool
    source: str


class _Consent:
    """What this process was allowed, and what it read and reached by that."""

    def __init__(self) -> None:
        self.allowances: list[tuple[str, str]] = []
        self.everything = False
        self.announced: set[tuple[str, str]] = set()
        self.read: dict[str, str] = {}


_CONSENT = _Consent()


def allow(*items: str, source: str = "merc.allow") -> None:
    """Allow servers and variables for the rest of this process: ``allow("localhost:8000", "env:API_KEY")``.

    Args:
        *items: ``HOST``, ``HOST:PORT``, ``http://HOST`` or ``http://HOST:PORT`` for a server, ``env:NAME`` for a
            variable of the environment.
        source: What messages say allowed them.

    Raises:
        MercError: An item is none of these.
    """
    for item in items:
        _parsed(item, source)
        _CONSENT.allowances.append((item, source))


def allowed() -> list[str]:
    """What is allowed now, as the items that ``allow`` takes, for a process that works for this one."""
    return list(dict.fromkeys(item for item, _ in _items()))


def allow_everything() -> None:
    """Allow all of them: for checks of a component that see for themselves what it reaches."""
    _CONSENT.everything = True


def forget() -> list[str]:
    """Take back what was allowed in this process; gives the variables that were read."""
    read = list(_CONSENT.read)
    _CONSENT.__init__()  # type: ignore[misc]
    return read


def config_file() -> Path | None:
    """The user's file of allowed servers and variables, one a line; ``#`` begins a comment. None for a user without a
    home folder, as some containers have."""
    base = os.environ.get("XDG_CONFIG_HOME")
    try:
        return (Path(base) if base else Path.home() / ".config") / "merc" / "allow"
    except RuntimeError:
        return None


def require(component: _Component, who: str) -> None:
    """See that the user allows every server and variable that a component, and those within it, say they need, and say
    the addresses.

    merc calls it before a component is put to work. Raises MercError with what to type.
    """
    servers = addresses(component)
    variables = [name for one in with_inner(component) for name in one.variables()]
    refused = [text for url in servers if (text := _refusal(url))]
    refused += [f"--allow-env {name}" for name in variables if not _allowed_variable(name)]
    if refused:
        wants = [f"to send to {_shown(url)}" for url in servers]
        wants += [f"to read the variable {name}" for name in variables]
        raise MercError(_sentence(who, " and ".join(wants), refused))
    for url in servers:
        _announce(url, who)


def addresses(component: _Component) -> list[str]:
    """The addresses of the servers that a component, and those within it, would send to."""
    return [url for one in with_inner(component) for url in one.servers()]


def require_server(url: str, who: str) -> None:
    """See that the user allows requests to an address, and say it, once, on standard error. For a plugin, before its
    first request.

    Args:
        url: The address, such as ``https://example.org/v1``.
        who: The component, as messages name it.

    Raises:
        MercError: It is not allowed (the message says what to type), or is no address.
    """
    if refusal := _refusal(url):
        raise MercError(_sentence(who, f"to send to {_shown(url)}", [refusal]))
    _announce(url, who)


def read_variable(name: str, who: str) -> str | None:
    """The value of a variable of the environment that the user allows; merc hides it in all that it prints.

    Args:
        name: The variable.
        who: The component that wants it, as messages name it.

    Returns:
        The value; None where the variable is not set.

    Raises:
        MercError: It is not allowed; the message says what to type.
    """
    if not _allowed_variable(name):
        raise MercError(_sentence(who, f"to read the variable {name}", [f"--allow-env {name}"]))
    value = os.environ.get(name)
    if value:
        _CONSENT.read[name] = value
    return value


def hide(text: str) -> str:
    """A text without the values of variables that were read: each is ``${env:NAME}`` again.

    A value of fewer than eight characters is hidden where it stands by itself, not inside other words.
    """
    for name, value in sorted(_CONSENT.read.items(), key=lambda one: -len(one[1])):
        reference = f"${{env:{name}}}"
        if len(value) >= _LONG:
            text = text.replace(value, reference)
        else:
            text = re.sub(rf"{_edge(value[0], '<')}{re.escape(value)}{_edge(value[-1])}", reference, text)
    return text


def _edge(letter: str, side: str = "") -> str:
    """The pattern of a border of a value: no other letter beside its own; nothing where it has none there."""
    return rf"(?{side}!\w)" if re.match(r"\w", letter) else ""


def hide_in(data: Any) -> Any:
    """JSON data with ``hide`` applied to its texts; keys stay."""
    if not _CONSENT.read:
        return data
    if isinstance(data, str):
        return hide(data)
    if isinstance(data, dict):
        return {key: hide_in(value) for key, value in data.items()}
    return [hide_in(value) for value in data] if isinstance(data, list | tuple) else data


def with_inner(component: _AnyComponent) -> Iterator[_AnyComponent]:
    """A component, and the components that its parameters hold."""
    yield component
    for field in fields(component):
        value = getattr(component, field.name)
        for one in value if isinstance(value, list | tuple) else [value]:
            # Not by its class: this module stands below those of the contracts.
            if hasattr(type(one), "servers") and hasattr(type(one), "variables"):
                yield from with_inner(one)


def _sentence(who: str, wants: str, options: Iterable[str]) -> str:
    flags = list(options)
    words = [option.removeprefix("--allow ").replace("--allow-env ", "env:") for option in flags]
    file = config_file()
    in_file = f", or write {' and '.join(words)} into {file}, each on a line" if file else ""
    return (
        f"{who} wants {wants}. A recipe's author chose that, so it needs your consent; if you trust it, add: "
        f"{' '.join(flags)} (or set {VARIABLE}={','.join(words)}{in_file})"
    )


def _refusal(url: str) -> str:
    """The option that would allow an address; empty where it is allowed. Raises MercError for what is no address."""
    scheme, host, port = _address(url)
    if _CONSENT.everything:
        return ""
    plain = scheme == "http" and not _is_this_machine(host)
    for one in _servers():
        if one.host == host and one.port in (None, port) and (one.plain or not plain):
            return ""
    usual = {"http": 80, "https": 443}[scheme]
    name = f"[{host}]" if ":" in host else host
    return f"--allow {'http://' if plain else ''}{name}{'' if port == usual else f':{port}'}"


def _allowed_variable(name: str) -> bool:
    return _CONSENT.everything or any(item == f"env:{name}" for item, _ in _items())


def _items() -> list[tuple[str, str]]:
    """Every item that is given now, with where it was."""
    items = list(_CONSENT.allowances)
    items += [(item, VARIABLE) for item in re.split(r"[,\s]+", os.environ.get(VARIABLE, "")) if item]
    file = config_file()
    try:
        lines = file.read_text(encoding="utf-8").splitlines() if file else []
    except FileNotFoundError:
        lines = []
    except (OSError, UnicodeDecodeError) as error:
        raise MercError(f"{file} cannot be read: {getattr(error, 'strerror', None) or 'it is no UTF-8'}") from error
    items += [(item, str(file)) for line in lines for item in line.partition("#")[0].split()]
    return items


def _servers() -> list[_Server]:
    return [one for item, source in _items() if (one := _parsed(item, source)) is not None]


def _parsed(item: str, source: str) -> _Server | None:
    """An item as a server; None for a variable."""
    if item.startswith("env:"):
        if _NAME.fullmatch(item.removeprefix("env:")):
            return None
        raise MercError(f"{source}: {item!r} names no variable; write env:NAME")
    try:
        url = item if "://" in item else f"https://{item}" if "/" not in item else ""
        scheme, host, _ = _address(url)
        return _Server(host, urlsplit(url).port, scheme == "http", source)
    except MercError:
        raise MercError(
            f"{source}: {item!r} is no server and no variable; write HOST, HOST:PORT, http://HOST:PORT or env:NAME"
        ) from None


def _address(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of an address. Raises MercError for one that a client could read otherwise."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    host = (parts.hostname or "").rstrip(".").lower()
    literal = parts.netloc.startswith("[")
    fine = _is_address(host) if literal else _HOST.fullmatch(host)
    if parts.scheme not in ("http", "https") or not fine or "@" in parts.netloc or not url.isascii():
        raise MercError(f"{url!r} is no address of a server; one is such as https://example.org/v1, without a user")
    return parts.scheme, host, port if port is not None else {"http": 80, "https": 443}[parts.scheme]


def _is_address(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True


def _is_this_machine(host: str) -> bool:
    """Whether a host is this machine by itself, without asking a name server.

    >>> [_is_this_machine(host) for host in ("localhost", "127.0.0.1", "::1", "localhost.example.org", "10.0.0.1")]
    [True, True, True, False, False]
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _announce(url: str, who: str) -> None:
    if (url, who) in _CONSENT.announced:
        return
    _CONSENT.announced.add((url, who))
    if os.environ.get("RANK", "0") == "0":
        print(f"· {who} sends to {_shown(url)}, which you allowed", file=sys.stderr, flush=True)


def _shown(url: str) -> str:
    return hide(url)
