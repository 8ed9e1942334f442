"""A worker: an actor of Ray that does one job after the other. It takes and gives texts of JSON."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable
from typing import Any

import merc


class Worker:
    """Does the jobs of one pass."""

    def open(self, text: str) -> str:
        """Make the function that does a job; gives where the worker is, or what is wrong."""
        work = json.loads(text)

        def opened() -> dict[str, Any]:
            self._do = merc.Work(**work).open()
            return {"value": {"node": platform.node(), "pid": os.getpid(), "merc": merc.__version__}}

        return _told(opened)

    def do(self, text: str) -> str:
        """Do a job; gives its value, or what is wrong."""
        return _told(lambda: {"value": self._do(json.loads(text))})


def _told(what: Callable[[], dict[str, Any]]) -> str:
    """What a function gives; a MercError as ``error``, what else it raises as ``fault``."""
    try:
        result = what()
    except merc.MercError as error:
        result = {"error": str(error)}
    except Exception as error:
        notes = "".join(f"; {note}" for note in getattr(error, "__notes__", ()))
        result = {"fault": f"{type(error).__name__}: {error}{notes}"}
    return json.dumps(result)
