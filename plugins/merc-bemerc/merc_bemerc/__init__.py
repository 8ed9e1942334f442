"""BeMERC (Fu et al., 2025) for merc: behaviour seen in the video, as text beside the utterance.

What other plugins may use of it is named here: how its teachers ask a server and read what it answers, and how a voice
is measured. It is imported when it is asked for.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from merc_bemerc.answers import Fault, accepted, ask_again, json_object, read, refused, schema_of
    from merc_bemerc.asking import ask_until
    from merc_bemerc.language import other_language
    from merc_bemerc.openai_compatible import OpenAICompatible, as_jpeg
    from merc_bemerc.server import Passing, Reached, Server
    from merc_bemerc.server_teacher import ServerTeacher, check_asking, picture_tokens, sound_tokens
    from merc_bemerc.voice import measurer

__version__ = "0.1.0"

_HOME = {
    "Fault": "answers",
    "OpenAICompatible": "openai_compatible",
    "Passing": "server",
    "Reached": "server",
    "Server": "server",
    "ServerTeacher": "server_teacher",
    "accepted": "answers",
    "as_jpeg": "openai_compatible",
    "check_asking": "server_teacher",
    "ask_again": "answers",
    "ask_until": "asking",
    "json_object": "answers",
    "measurer": "voice",
    "other_language": "language",
    "picture_tokens": "server_teacher",
    "read": "answers",
    "refused": "answers",
    "schema_of": "answers",
    "sound_tokens": "server_teacher",
}

__all__ = [
    "Fault",
    "OpenAICompatible",
    "Passing",
    "Reached",
    "Server",
    "ServerTeacher",
    "accepted",
    "as_jpeg",
    "ask_again",
    "ask_until",
    "check_asking",
    "json_object",
    "measurer",
    "other_language",
    "picture_tokens",
    "read",
    "refused",
    "schema_of",
    "sound_tokens",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"merc_bemerc.{_HOME[name]}"), name)
    raise AttributeError(f"module 'merc_bemerc' has no attribute {name!r}")
