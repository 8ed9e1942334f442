"""What one client may cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a server accepts.

    ``body``: bytes of a request, uploads included.
    ``seconds``: how long a request may wait for its answer.
    ``queue``: how many requests may wait at once; those beyond it are told to come again.
    ``together``: how many requests are answered in one pass of the model.
    ``gather``: seconds for which the first of them waits for others.
    ``utterances``: how many utterances a request may ask about.
    ``live``: how many conversations may be answered at once while they are spoken.
    ``live_message``: bytes of one message of these.
    ``live_seconds``: for how long a client may send nothing, or read nothing.
    """

    body: int = 256 * 2**20
    seconds: float = 120.0
    queue: int = 256
    together: int = 32
    gather: float = 0.004
    utterances: int = 512
    live: int = 8
    live_message: int = 2**20
    live_seconds: float = 30.0
