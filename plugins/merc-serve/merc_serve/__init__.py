"""A trained run of merc as a web page and an HTTP API.

What other plugins may use of it is named here: how a page is served to one machine or to many. It is imported when it
is asked for.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from merc_serve.command import listen
    from merc_serve.guards import BodyLimit, Key, SafeHeaders, SameOrigin

_HOME = {"BodyLimit": "guards", "Key": "guards", "SafeHeaders": "guards", "SameOrigin": "guards", "listen": "command"}

__all__ = ["BodyLimit", "Key", "SafeHeaders", "SameOrigin", "listen"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"merc_serve.{_HOME[name]}"), name)
    raise AttributeError(f"module 'merc_serve' has no attribute {name!r}")
