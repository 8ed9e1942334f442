"""What a component sends to while its contract is checked, against what it says."""

from __future__ import annotations

import socket
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from merc.components import Component
from merc.consent import allow_everything, forget

_HUBS = ("huggingface.co", "hf.co")
"""Where models come from that a recipe names; these are no servers of a component."""


class Guard:
    """Notes the servers that a component connects to and the variables that it reads, and which of them it names.

    ``give`` gives the component, which a check may make only when it begins.
    """

    def __init__(self, give: Callable[[], Component]) -> None:
        self._give = give
        self._others: list[str] = []
        self._names: dict[str, str] = {}
        self._places: list[tuple[Any, str, Any]] = []

    def start(self) -> None:
        """Watch this process."""
        forget()
        allow_everything()
        resolve = socket.getaddrinfo

        def note_names(host: Any, *args: Any, **options: Any) -> Any:
            addresses = resolve(host, *args, **options)
            self._names |= {str(one[4][0]): str(host) for one in addresses}
            return addresses

        self._replace(socket, "getaddrinfo", note_names)
        for name in ("connect", "connect_ex"):
            self._replace(socket.socket, name, self._watched(getattr(socket.socket, name)))

    def stop(self) -> list[str]:
        """Watch no longer; gives the hosts and the variables that the component does not name."""
        for place, name, before in reversed(self._places):
            setattr(place, name, before)
        read = forget()
        if not self._others and not read:
            return []
        return [*dict.fromkeys(self._others), *(name for name in read if name not in self._give().variables())]

    def _replace(self, place: Any, name: str, replacement: Any) -> None:
        self._places.append((place, name, getattr(place, name)))
        setattr(place, name, replacement)

    def _watched(self, connect: Callable[..., Any]) -> Callable[..., Any]:
        def watched(one: socket.socket, address: Any) -> Any:
            if isinstance(address, tuple):
                host = self._names.get(str(address[0]), str(address[0]))
                if host not in self._known() and not host.endswith(_HUBS):
                    self._others.append(host)
            return connect(one, address)

        return watched

    def _known(self) -> set[str]:
        known = {urlsplit(url).hostname or "" for url in self._give().servers()}
        return known | {urlsplit(url).hostname or "" for url in urllib.request.getproxies().values()}
